"""A spec file and the code it names, read together."""

import json

import pytest

from reconciler.core.declare import Code, declare
from reconciler.core.file_read import read_of
from reconciler.core.parse import parse
from reconciler.core.signature import read_flow
from reconciler.core.version import working_directory
from reconciler.model.ids import digest
from reconciler.model.plan import SourceKind

CODE = b'from reconciler import flow\n\n@flow(name="nice", retries=2, retry_delay_seconds=5)\n'
CODE += b'def main(n: int, who: str = "x"):\n    """Say it."""\n'
FILES = {
    "f.py": CODE,
    "app/f.py": CODE.replace(b"nice", b"inner"),
    "slash.py": CODE.replace(b"nice", b"a/b"),
    "plain.py": b"def my_flow():\n    pass\n",
}


def declared(text: str, *, files=FILES, absent: str = ""):
    found = parse(text.encode(), "specs/a.yaml", check_step=lambda *_: (), check_schedule=lambda _: None)
    assert not found.problems, found.problems

    def code_of(source):
        readable = source.kind in {SourceKind.WHOLE, SourceKind.SCOPE} and not absent
        return (
            Code(lambda entry, root: read_flow(entry, files.get, root=root) if readable else None)
            if readable
            else Code(None, absent or "elsewhere")
        )

    return declare(found, code_of, lambda url: url == ".", check_pool=lambda _kind, _variables: (), kinds=("process",))


def one(entry: str = "f.py:main", more: str = "", **kwargs):
    return declared(
        f"deployments:\n  - name: x\n    entrypoint: {entry}\n" + "".join(f"    {m}\n" for m in more.split("\n") if m),
        **kwargs,
    )


def effective(read) -> dict:
    (entry,) = read.entries
    spec = json.loads(read.specs[entry.digest])
    assert digest(spec) == entry.digest
    return spec


def test_what_the_code_says_is_part_of_the_spec():
    read = one()
    spec = effective(read)
    assert read.entries[0].name == "nice/x"
    assert (spec["flow_name"], spec["description"]) == ("nice", "Say it.")
    assert spec["flow"] == {"known": True, "retries": 2, "retry_delay_seconds": 5}
    assert set(spec["parameter_openapi_schema"]["properties"]) == {"n", "who"}
    assert (read.problems, spec["work_pool"]["name"], spec["work_pool"]["work_queue_name"]) == (
        (),
        "process",
        "default",
    )


@pytest.mark.parametrize(
    ("entry", "more", "name"),
    [
        ("f.py:main", "path: app", "inner/x"),
        ("plain.py:my_flow", "", "my-flow/x"),
        ("f.py:main", "flow_name: nice", "nice/x"),
        ("plain.py:my_flow", "flow_name: my_flow", "my-flow/x"),
        ("f.py:main", "pull: [{set_working_directory: {directory: /opt/app}}]", "nice/x"),
        ("f.py:main", "path: /opt/app\npull: []", "nice/x"),
        ("f.py:main", "pull: [{git_clone: {}}, {set_working_directory: {directory: '{{ $PLACE }}'}}]", "nice/x"),
        ("no.py:main", "pull: [{set_working_directory: {directory: /opt/app}}]", None),
        ("f.py:main", "pull: [{git_clone: {repository: 'https://h/x', branch: b}}]", None),
        ("plain.py:my_flow", "flow_name: my_flow\npull: []", None),
    ],
)
def test_the_name_is_the_codes(entry, more, name):
    read = one(entry, more)
    assert [e.name for e in read.entries] == ([name] if name else [])


def test_code_in_an_image_is_read_as_it_lies_here_and_said_so():
    read = one(more="pull: [{set_working_directory: {directory: /opt/app}}]\nparameters: {n: 5}")
    assert "runs take the code from elsewhere" in read.notes[0].message
    assert effective(read)["parameter_openapi_schema"]["properties"].keys() == {"n", "who"}
    assert [p.key for p in one(more="pull: []\nparameters: {n: x}").problems] == ["deployments[0].parameters.n"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("load-{n}-{who!r:>9}", None),
        ("{n.real}", None),
        ("{day}", "there is no parameter 'day'; there are: n, who"),
        ("{}", "there is no parameter ''"),
        ("{n", "is no format"),
    ],
)
def test_a_name_of_runs_that_no_run_could_be_given_is_told(name, words):
    files = {"f.py": CODE.replace(b'name="nice"', f'name="nice", flow_run_name="{name}"'.encode())}
    read = one(files=files)
    assert [(p.key, words in p.message) for p in read.problems] == [("deployments[0].entrypoint", True)] * bool(words)


PROBLEMS = {
    "another flow name": ("f.py:main", "flow_name: other", "deployments[0].flow_name", "contradicts the code"),
    "no such file": ("no.py:main", "", "deployments[0].entrypoint", "no.py"),
    "a name in the code that is none": ("slash.py:main", "", "deployments[0].entrypoint", "must not contain"),
    "a path that leads out": ("f.py:main", "path: ../..", "deployments[0].entrypoint", "not a folder of this"),
    "an absolute path below a folder": (
        "f.py:main", "path: /app\npull: [{git_clone: {}}, {set_working_directory: {directory: app}}]",
        "deployments[0].entrypoint", "not a folder of this",
    ),
    "no such function": ("f.py:other", "", "deployments[0].entrypoint", "other"),
    "a wrong default": ("f.py:main", "parameters: {n: text}", "deployments[0].parameters.n", "n"),
    "an unknown parameter": ("f.py:main", "parameters: {zz: 1}", "deployments[0].parameters.zz", "zz"),
    "a schedule's own": (
        "f.py:main", "schedules: [{interval: 60, parameters: {n: text}}]",
        "deployments[0].schedules[0].parameters.n", "n",
    ),
    "the same schedule twice": (
        "f.py:main", "schedules: [{interval: 60}, {interval: 60}]", "deployments[0].schedules[1]", "twice",
    ),
    "two clones": ("f.py:main", "pull: [{git_clone: {}}, {git_clone: {}}]", "deployments[0].pull", "more than one"),
    "outside the directories": (
        "f.py:main", "pull: [{git_clone: {directories: [app]}}]",
        "deployments[0].entrypoint", "outside the directories",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("entry", "more", "key", "message"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_fault_is_located_and_breaks_its_deployment(entry, more, key, message):
    read = one(entry, more)
    (problem,) = read.problems
    assert (problem.key, read.entries) == (key, ())
    assert message in problem.message
    assert problem.line > 1


def test_a_fault_leaves_its_siblings_alone():
    read = declared("deployments:\n- {name: x, entrypoint: 'no.py:f'}\n- {name: y, entrypoint: 'f.py:main'}\n")
    assert [e.name for e in read.entries] == ["nice/y"]
    assert [p.key for p in read.problems] == ["deployments[0].entrypoint"]


def test_values_that_only_the_run_knows_are_not_checked():
    assert not one(more="parameters: {n: '{{ $N }}'}").problems
    assert not one(more="parameters: {n: text}\nenforce_parameter_schema: false").problems


def test_a_schema_of_the_specs_own_wins():
    more = "parameter_openapi_schema: {type: object, properties: {n: {type: string}}}\nparameters: {n: text}"
    assert not one(more=more).problems
    assert [p.key for p in one(more="parameter_openapi_schema: {type: 7}").problems] == [
        "deployments[0].parameter_openapi_schema"
    ]


def test_code_that_cannot_be_read_is_a_note_and_needs_a_flow_name():
    read = one(more="flow_name: away\nparameters: {any: thing}", absent="it is elsewhere")
    assert [e.name for e in read.entries] == ["away/x"]
    assert effective(read)["flow"] == {"known": False}
    assert "it is elsewhere" in read.notes[0].message
    (problem,) = one(absent="it is elsewhere").problems
    assert "give flow_name" in problem.message


def test_pools_and_their_queues():
    read = declared(
        "work_pools:\n  big: {concurrency_limit: 2, queues: [{name: hi, priority: 1, concurrency_limit: 1}]}\n"
    )
    assert read.pools["big"]["concurrency_limit"] == 2
    assert read.pools["big"]["type"] == "process"
    assert read.pools["big"]["work_queues"]["hi"]["concurrency_limit"] == 1


def test_what_is_kept_reads_back_without_its_specs():
    read = declared(
        "deployments:\n- {name: x, entrypoint: 'no.py:f'}\n- {name: y, entrypoint: 'f.py:main'}\nwork_pools: {p: {}}\n"
    )
    back = read_of(read.file, json.loads(json.dumps(read.json())))
    assert (back.entries, back.problems, back.notes, back.pools) == (
        read.entries,
        read.problems,
        read.notes,
        read.pools,
    )
    assert back.specs == {}


def step(directory: str) -> dict:
    return {"step": "set_working_directory", "inputs": {"directory": directory}}


@pytest.mark.parametrize(
    ("pull", "root"),
    [
        (None, ""),
        ([], ""),
        ([step("a"), step("b/./c")], "a/b/c"),
        ([step("{{ clone.directory }}/a")], "a"),
        ([step("{{ other }}/a")], None),
        ([step("/app")], None),
        ([step("../a")], None),
        ([{"step": "git_clone", "inputs": {}}], ""),
    ],
)
def test_where_the_pull_steps_end(pull, root):
    assert working_directory(pull) == root
