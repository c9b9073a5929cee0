"""`validate` says of a work tree what the daemon says once it is committed: same problems, same places, same words."""

import shutil
import tempfile
from pathlib import Path

import pytest
from helpers_git import Repo
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.cli._place import Place
from reconciler.cli._planning import Planner, told_offline
from reconciler.cli.validate import Target, _read
from reconciler.daemon.config import Settings

FLOWS = {
    "flows/f.py": "from reconciler import flow\n\n\n@flow(name='f', flow_run_name='{n}')\ndef main(n: int = 1): ...\n",
    "flows/g.py": "def main(**given): ...\n",
    "flows/ünï côdé.py": "def main(): ...\n",
    "flows/broken.py": "def main(:\n",
    "flows/misnamed.py": "from reconciler import flow\n\n\n@flow(flow_run_name='{day}')\ndef main(n: int): ...\n",
    "pkg/__init__.py": "",
    "pkg/deep.py": "from flows.g import main\n",
    "requirements.txt": "",
}
entrypoints = st.sampled_from([
    *(f"{name}:main" for name in FLOWS if name.startswith("flows/")), "flows/f.py:absent", "no.py:main", "../x.py:main",
    "pkg.deep.main", "module/m.py:main", "link.py:main",
])  # fmt: skip
PULLS = [
    "[]", "[{git_clone: {repository: .}}]", "[{git_clone: {repository: ., include_submodules: true}}]",
    "[{git_clone: {repository: ., directories: [flows]}}]", "[{git_clone: {repository: ., branch: nowhere}}]",
    "[{set_working_directory: {directory: /opt}}]", "[{git_clon: {}}]",
    "[{git_clone: {repository: .}}, {pip_install_requirements: {requirements_file: absent.txt}}]",
    "[{git_clone: {repository: .}}, {pkg.deep.main: {x: 1}}]", "[{git_clone: {repository: 'https://h.invalid/x'}}]",
]  # fmt: skip
FIELDS = [
    "tags: [a", "parameters: {n: x}", "parameters: {n: '{{ $N }}'}", "schedules: [{cron: 0 0 31 2 *}]", "tagz: [a]",
    "work_pool: {name: big}", "work_pool: {name: big, job_variables: {evn: {}}}", "work_pool: {name: absent}",
    "work_pool: {name: big, work_queue_name: low}", "concurrency_limit: 0", "description: no", "flow_name: other",
]  # fmt: skip
names = st.sampled_from(["a", "b", "A", "x y", "-x", "é", "n" * 201])
deployment = st.tuples(names, entrypoints, st.none() | st.sampled_from(PULLS), st.none() | st.sampled_from(FIELDS))
POOLS = [
    "", "work_pools: {big: {}}\n", "work_pools: {big: {queues: [{name: high}]}}\n", "work_pools: {big: {type: gpu}}\n",
         "work_pools: {big: {}\n"]  # fmt: skip
files = st.tuples(st.lists(deployment, max_size=3), st.sampled_from(POOLS))
repositories = st.dictionaries(
    st.sampled_from("prefect.yaml specs/a.yaml specs/b/c.yml specs/ü\u2009n.yaml specs/.hidden.yaml x.yaml".split()),
    files, min_size=1, max_size=4,
)  # fmt: skip
oddities = st.sets(
    st.sampled_from(["link", "spec link", "folder link", "module", "refused", "unfetched", "spec module", "empty"])
)


def text(content) -> str:
    deployments, pools = content
    lines = [pools, "deployments:\n"]
    for name, entrypoint, pull, field in deployments:
        lines.append(f"- name: '{name}'\n  entrypoint: '{entrypoint}'\n")
        lines += [f"  pull: {pull}\n"] if pull else []
        lines += [f"  {field}\n"] if field else []
    return "".join(lines)


def lay_out(repo: Repo, inner: Path, odd: set[str]) -> None:
    """What lies beside the files: links, submodules that are here or not, a folder where a file could be."""
    if "link" in odd:
        (repo.path / "link.py").symlink_to("flows/f.py")
    if "spec link" in odd:
        (repo.path / "specs/link.yaml").symlink_to("../prefect.yaml")
    if "folder link" in odd:
        (repo.path / "specs/other").symlink_to("../flows")
    if "empty" in odd:
        (repo.path / "specs/nothing.yaml").mkdir()
    for word, place in (("module", "module"), ("spec module", "specs/module"), ("unfetched", "gone")):
        if word in odd:
            repo.git("submodule", "--quiet", "add", str(inner), place)
    if "refused" in odd and "module" in odd:
        repo.git("config", "--file", ".gitmodules", "submodule.module.url", "https://h.invalid/x")
    if "unfetched" in odd:
        repo.git("submodule", "--quiet", "deinit", "--force", "gone")


def planned(repo: Repo) -> tuple:
    place = Place.of({"repo": str(repo.path), "state_dir": None})
    desired = Planner(place, Settings()).at("HEAD")
    return told_offline(desired.problems, desired.notes)


@pytest.fixture(scope="module")
def seed(tmp_path_factory) -> Path:
    """A repository to begin with, and the one that submodules are of."""
    root = tmp_path_factory.mktemp("seed")
    Repo(root / "inner").commit({"m.py": "def main(): ...\n"})
    Repo(root / "repo").write({"specs/keep.txt": ""} | FLOWS)
    return root


WITH_MODULE = {"specs/a.yaml": ([("a", "flows/f.py:main", PULLS[2], None)], "")}


@settings(deadline=None, max_examples=15)
@given(repositories, oddities)
@example(WITH_MODULE, {"module", "refused"})
@example(WITH_MODULE, {"module", "unfetched"})
@example({"specs/a.yaml": ([("a", "module/m.py:main", None, None)], "")}, {"module"})
def test_validate_and_plan_agree(seed, content, odd):
    root = Path(tempfile.mkdtemp(prefix="agree-"))
    try:
        repo = Repo(Path(shutil.copytree(seed / "repo", root / "repo")), init=False)
        repo.write({name: text(each) for name, each in content.items()})
        lay_out(repo, seed / "inner", odd)
        (found,) = _read(Target(repo.path.resolve(), "specs"), Settings())
        said = found.told
        repo.commit()
        assert said == planned(repo)
    finally:
        shutil.rmtree(root)
