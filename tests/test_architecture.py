"""The house of DESIGN section 3, held: floors, doors, the clock, circles, purpose lines, sizes."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "reconciler"
FILES = sorted(p for p in ROOT.rglob("*.py"))
FLOORS = "model plugins schedules core git stores steps engine pools daemon web cli".split()
OUTSIDE = {"__init__", "__main__"}  # the face for authors and the command

DOORS = {
    "dulwich": {"git"},
    "sqlite3": {"stores"},
    "yaml": {"core/document", "core/_document_marks", "core/_document_nodes", "core/_document_scalars"},
    "croniter": {"schedules/cron"},
    "dateutil": {"schedules/rrule", "schedules/_recurrence", "schedules/_ical"},
    "jsonschema": {"core/parameters", "core/_checks", "core/_messages"},
    "click": {"cli"},
    "docker": {"pools/docker"},
    "subprocess": {"steps", "pools", "engine", "git", "cli/demo"},
    "random": {"core/report", "engine"},
}
PURE = {"model", "schedules", "core"}
IMPURE_MODULES = {"os", "socket", "subprocess", "threading", "time", "pathlib", "shutil", "tempfile", "logging"}
GRANTED = {("core/_reading", "threading")}  # a lock around the process-wide warning filters while code is parsed
CLOCKS = {"now", "utcnow", "today"}
CLOCK_HOLDERS = {"daemon/wiring", "engine", "pools", "cli/_clock"}
MAX_FILE, MAX_FUNCTION = 430, 60


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix()


def floor_of(path: Path) -> str:
    return name_of(path).split("/", maxsplit=1)[0]


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node
            if node.module == "reconciler" or node.module.count(".") == 1:
                yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_keeps_to_its_floor_and_its_doors(path: Path) -> None:
    name, floor = name_of(path), floor_of(path)
    for module, node in imports(parsed(path)):
        parts = module.split(".")
        where = f"{name}:{node.lineno}"  # type: ignore[attr-defined]
        if parts[0] == "reconciler" and len(parts) > 1 and floor not in OUTSIDE and parts[1] in FLOORS:
            assert FLOORS.index(parts[1]) <= FLOORS.index(floor), f"{where} reaches up to {parts[1]}"
        holders = DOORS.get(parts[0])
        assert holders is None or {floor, name} & holders, f"{where} opens {parts[0]}, whose door is {holders}"
        impure = floor in PURE and parts[0] in IMPURE_MODULES and (name, parts[0]) not in GRANTED
        assert not impure, f"{where}: {floor} is pure and imports {module}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_says_what_it_is_for(path: Path) -> None:
    first = (ast.get_docstring(parsed(path)) or "").split("\n")[0]
    assert first.endswith((".", ":", "?")) or len(first) > 20, f"{name_of(path)} opens with {first!r}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_and_its_functions_have_a_size_to_live_in(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= MAX_FILE, f"{name_of(path)} has {text.count(chr(10))} lines: split it by noun"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAX_FUNCTION, f"{name_of(path)}:{node.lineno} {node.name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_but_a_lazy_face_imports_inside_a_function(path: Path) -> None:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            late = [m for m, _ in imports(node)]
            allowed = name_of(path).startswith("cli/") or name_of(path) == "engine/late"
            assert not late or allowed, f"{name_of(path)}:{node.lineno} imports {late} inside {node.name}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_clock_and_the_environment_are_read_where_they_are_held(path: Path) -> None:
    name, floor = name_of(path), floor_of(path)
    for node in ast.walk(parsed(path)):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            continue
        where = f"{name}:{node.lineno}"
        if node.value.id in {"datetime", "date"} and node.attr in CLOCKS:
            assert {name, floor} & CLOCK_HOLDERS, f"{where} reads the clock"
        if node.value.id == "os" and node.attr in {"environ", "getenv", "putenv"}:
            assert {name, floor} & {"daemon/config", "engine", "git"}, f"{where} reads the environment"


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    known = {f"reconciler.{name_of(p).replace('/', '.')}".removesuffix(".__init__"): p for p in FILES}
    for module, path in known.items():
        graph[module] = {m for m, _ in imports(parsed(path)) if m in known and m != module}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail[trail.index(module) :], module))
        if module not in done:
            for other in graph[module]:
                if not module.startswith(f"{other}.") and not other.startswith(f"{module}."):
                    visit(other, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_every_top_level_name_has_a_place() -> None:
    names = {
        p.stem if p.suffix == ".py" else p.name for p in ROOT.iterdir() if p.name not in {"py.typed", "__pycache__"}
    }
    assert names <= set(FLOORS) | OUTSIDE


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("daemon.wiring", ("pydantic", "yaml", "jsonschema", "dateutil")),
        ("engine.run", ("pydantic", "yaml", "dulwich")),
    ],
)
def test_a_start_goes_without_what_it_does_not_need(module: str, absent: tuple[str, ...]) -> None:
    """A restart with nothing changed reads no spec; a run needs the standard library only."""
    code = f"import sys, reconciler.{module}; print(*(m for m in {absent!r} if m in sys.modules))"
    brought = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent, check=True)
    assert brought.stdout.split() == []
