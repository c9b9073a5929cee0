"""Sound spec files, spoilt: never an exception, every problem in the file, and one bad deployment leaves the others."""

import copy
import json

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.declare import Code, declare
from reconciler.core.parse import parse
from reconciler.core.signature import read_flow
from reconciler.daemon.words import words
from reconciler.model.plan import SourceKind

WORDS = words()
FLOW = b"from reconciler import flow\n\n\n@flow\ndef main(n: int = 1, who: str = ''): ...\n"
SOUND = [
    {"name": "one", "entrypoint": "f.py:main", "schedules": [{"cron": "0 9 * * *", "timezone": "Europe/Rome"}]},
    {"name": "two", "entrypoint": "f.py:main", "tags": ["a", "b"], "parameters": {"n": 2, "who": "{{ $USER }}"}},
    {
        "name": "three",
        "entrypoint": "f.py:main",
        "pull": [
            {"prefect.deployments.steps.git_clone": {"id": "clone", "repository": ".", "directories": ["f.py"]}},
            {"run_shell_script": {"script": "echo {{ clone.directory }}", "env": {"A": "x {{ v.deep[0] }}"}}},
        ],
    },
    {
        "name": "four",
        "entrypoint": "f.py:main",
        "concurrency_limit": {"limit": 2, "collision_strategy": "CANCEL_NEW"},
        "work_pool": {"name": "big", "work_queue_name": "high", "job_variables": {"env": {"A": "b"}, "image": "x"}},
        "triggers": [{"match": {"a": "b"}, "expect": ["x"]}],
    },
    {
        "name": "five",
        "entrypoint": "f.py:main",
        "schedule": {"interval": 600, "anchor_date": "2021-01-01T00:00:00"},
        "version": "{{ v.label }}",
        "sla": {"name": "late", "within": 5},
        "labels": {"team": "x", "n": 1},
    },
]
FILE = {
    "name": "all",
    "prefect-version": "3.0",
    "build": [{"build_docker_image": {"id": "img"}}],
    "variables": {"v": {"deep": [1], "label": "v1"}},
    "work_pools": {"big": {"type": "process", "queues": [{"name": "high", "priority": 1}]}},
    "pull": [{"git_clone": {"repository": "."}}],
}
odd = st.sampled_from([
    None, True, -1, 0.5, 10**30, "", " ", "x", "{{ a }}", "{{", "{{ $X }}", "{{ v }}", "{{ prefect.blocks.secret.x }}",
    "{{ prefect.blocks.s3.x }}", "{{ a | b }}", "{% x %}", "\u202e\u2028é\U0001f600", "../..", "C:\\x", "no", "1:30",
    [], {}, [[]], [None], {"": {}}, {"a": {"b": {"c": []}}}, ["x"], {"name": "two"}, "y" * 500,
])  # fmt: skip


def places(value, path=()):
    """Every path into a document."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


@st.composite
def spoilt(draw, value):
    """A copy with some of it taken away, put elsewhere, or in the place of something else."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(value))
        if not found:
            break
        *way, last = draw(st.sampled_from(found))
        holder = value
        for part in way:
            holder = holder[part]
        how = draw(st.sampled_from(["delete", "swap", "swap", "nest", "list", "key"]))
        if how == "delete":
            del holder[last]
        elif how == "key" and isinstance(holder, dict):
            holder[draw(st.text(max_size=8))] = copy.deepcopy(draw(odd))
        elif how == "nest":
            holder[last] = {"x": holder[last]}
        elif how == "list":
            holder[last] = [holder[last]]
        else:
            holder[last] = copy.deepcopy(draw(odd))
    return value


def read(document) -> tuple[dict, tuple]:
    """What a file declares, by deployment, as bytes; and its problems."""
    data = yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()
    found = parse(data, "specs/a.yaml", check_step=WORDS.check_step, check_schedule=WORDS.check_schedule)
    json.dumps([d.entrypoint for d in found.deployments])

    def code_of(source):
        if source.kind not in {SourceKind.WHOLE, SourceKind.SCOPE, SourceKind.NONE}:
            return Code(None, "elsewhere")
        return Code(lambda entry, root: read_flow(entry, {"f.py": FLOW}.get, root=root))

    told = declare(found, code_of, lambda url: url == ".", check_pool=WORDS.check_pool, kinds=WORDS.pools)
    lines = data.count(b"\n") + 1
    for each in (*told.problems, *told.notes):
        assert 1 <= each.line <= lines, each
        assert each.column >= 1, each
        assert each.message, each
        assert len(each.message) < 600, each
        assert "failed" not in each.message, each
    return {e.name: told.specs[e.digest] for e in told.entries}, told.problems


WHOLE, NONE = read({**FILE, "deployments": SOUND})


def test_the_documents_are_sound_before_they_are_spoilt():
    assert NONE == ()
    assert sorted(WHOLE) == [f"main/{name}" for name in ("five", "four", "one", "three", "two")]


@settings(deadline=None, max_examples=120)
@given(spoilt({**FILE, "deployments": SOUND}))
def test_no_spoilt_file_is_an_exception(document):
    read(document)


@settings(deadline=None, max_examples=120)
@given(st.data(), st.integers(0, len(SOUND) - 1))
def test_one_bad_deployment_leaves_the_others_as_they_were(data, index):
    bad = data.draw(spoilt(SOUND[index]) | odd)
    found, problems = read({**FILE, "deployments": [*SOUND[:index], bad, *SOUND[index + 1 :]]})
    others = {name: text for name, text in WHOLE.items() if name != f"main/{SOUND[index]['name']}"}
    assert {name: found.get(name) for name in others} == others
    assert all(p.key.startswith(f"deployments[{index}]") for p in problems)
