"""Random repositories and random edits: what BASE..HEAD plans, once applied, leaves nothing to plan."""

import random
from datetime import UTC, datetime

import pytest
from helpers_git import Repo

from reconciler.cli import _plan_github, _plan_markdown
from reconciler.cli._place import Place, settings_of
from reconciler.cli._planning import Planner
from reconciler.cli._review import review
from reconciler.core import plan, project
from reconciler.core.plan import Policy
from reconciler.model.fact import Event

NOW = datetime(2026, 3, 9, 8, tzinfo=UTC)
FILES = ("specs/a.yaml", "specs/b.yaml", "specs/deep/c.yaml", "prefect.yaml")
CODE = ("f.py", "src/g.py")
FLOW = "def {0}(limit: int = {1}, {2}: str = 'x'):\n    '''{2}'''\n"
BROKEN = ("deployments: [", "deployments:\n  - {name: x, entrypoint: 'gone.py:f'}\n", "deployment: []\n", "\x00")


def spec(rng: random.Random) -> str:
    """A file of up to three deployments."""
    parts = []
    for name in rng.sample("pqrstu", rng.randint(1, 3)):
        lines = [f"  - name: {name}", f"    entrypoint: {rng.choice(('f.py:f', 'src/g.py:g'))}"]
        extra = (
            "    tags: [x]",
            "    paused: true",
            "    parameters: {limit: 7}",
            f"    schedules: [{{cron: '{rng.randint(0, 59)} 9 * * *', timezone: Europe/Paris}}]",
            "    pull: [{git_clone: {repository: ., directories: [src, f.py]}}]",
            "    version: v1",
        )
        parts += lines + rng.sample(extra, rng.randint(0, 3))
    return "deployments:\n" + "\n".join(parts) + "\n"


def edit(rng: random.Random, there: dict[str, str]) -> dict[str, str | None]:
    """Some files written, broken, renamed, removed, and code that changes."""
    edits: dict[str, str | None] = {}
    for file in rng.sample(FILES, rng.randint(1, 3)):
        kind = rng.random()
        if kind < 0.15 and file in there:
            edits[file] = None
        elif kind < 0.3:
            edits[file] = rng.choice(BROKEN)
        elif kind < 0.45 and file in there:
            edits |= {file: None, f"specs/moved{rng.randint(0, 1)}.yaml": there[file]}
        else:
            edits[file] = spec(rng)
    if rng.random() < 0.6:
        code = rng.choice(CODE)
        edits[code] = FLOW.format(code[-4], rng.randint(0, 9), rng.choice("xyz"))
    for file, text in edits.items():
        if text is None:
            there.pop(file)
        else:
            there[file] = text
    return edits


OVERLAYS = ("patches: [{patch: {tags: [prod]}}]\n", "patches: [{target: {name: p*}, patch: {paused: true}}]\n",
            "variables: {x: 1}\n", "patches: [{target: {name: '*'}, delete: true}]\n")  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_what_is_planned_and_applied_leaves_nothing(seed: int, tmp_path):
    rng, repo, there = random.Random(seed), Repo(tmp_path / "repo"), {}
    heads = [repo.commit({code: FLOW.format(code[-4], 3, "x") for code in CODE}, "first")]
    env = "prod" if seed % 3 == 0 else None  # whose overlay comes later than the first commit
    overlays = [{"specs/env/prod.yaml": rng.choice(OVERLAYS)} if env else {} for _ in range(5)]
    heads += [repo.commit(edit(rng, there) | overlay, f"edit {n}") for n, overlay in enumerate(overlays)]
    heads = heads[1:] if env else heads
    place = Place.of({"repo": str(repo.path), "state_dir": None})
    planner = Planner(place, settings_of(place, {"env": env}))
    with planner.repo:
        for _ in range(6):
            base, head = rng.choice(heads), rng.choice(heads)
            made = planner.between(base, head, NOW)
            shown, before = review(made, planner.repo, NOW, "specs"), repr(made.plan)
            assert len(_plan_markdown.markdown(shown)) < 65_536
            assert all(line.startswith("::") for line in _plan_github.lines(shown))
            assert repr(made.plan) == before
            if made.plan.refused:
                continue
            observed = made.before
            for seq, fact in enumerate(plan.facts(made.plan, made.desired, observed), 1000):
                project.fold(observed, Event(seq, fact.type, fact.subject, NOW, head, fact.data()), project.Touched())
            again = plan.plan(planner.at(head), observed, Policy())
            assert again.empty, (base, head, again)
            kept = {name for name in observed.deployments if name not in made.desired.deployments}
            assert kept == set(made.plan.moved.invalid)
            assert {m.after for m in shown.moves if m.whole} <= {head[:8]}
