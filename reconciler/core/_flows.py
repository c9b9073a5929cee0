"""From the name in an entrypoint to the function behind it, and what `@flow` says of it. Called by core/signature."""

import ast
import difflib
from dataclasses import dataclass, field

from reconciler.core._literals import NotLiteralError, literal
from reconciler.core._modules import Code, External, Found, Lost, Target, dotted
from reconciler.core._names import Binding, Imported, Module
from reconciler.core._reading import EntrypointProblem
from reconciler.model.plan import Json

Function = ast.FunctionDef | ast.AsyncFunctionDef

MAX_STEPS = 8
"""Assignments and calls followed between the name and the function."""
MAX_NAMES = 1_000
"""Of a module, that are compared with a name it does not have."""
_KEEPERS = frozenset({"functools.cache", "functools.lru_cache", "prefect.task", "reconciler.task"})
"""Decorators that leave the parameters as they are."""
_DYNAMIC = frozenset({"globals", "vars", "locals", "setattr", "exec", "__getattr__"})
_VALUES = (
    ast.Constant | ast.List | ast.Dict | ast.Set | ast.Tuple | ast.JoinedStr | ast.ListComp | ast.SetComp | ast.DictComp
)


class RefusedError(Exception):
    """The entrypoint cannot be right; carries the problem to report."""

    def __init__(self, problem: EntrypointProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(slots=True)
class Flow:
    """What was found behind an entrypoint. Without a function the signature is unknown and a note says why."""

    function: Function | None = None
    module: Module | None = None
    options: dict[str, tuple[ast.expr, Module]] = field(default_factory=dict)
    """The arguments of `@flow`, `flow(…)` and `.with_options(…)`; the outermost wins."""
    notes: list[str] = field(default_factory=list)
    changed_by: str | None = None
    """A decorator that may have changed the parameters."""


def follow(code: Code, module: Module, name: str) -> Flow:
    """Find the function that `name` in this module stands for. Raises RefusedError."""
    flow = Flow()
    target: Target = code.resolve(module, (name,))
    for _ in range(MAX_STEPS):
        if isinstance(target, Lost):
            return _lost(flow, target, module, name)
        if isinstance(target, External):
            return _unknown(flow, f"{name!r} comes from {target.name}, outside this repository")
        binding = target.binding
        if isinstance(binding, ast.FunctionDef | ast.AsyncFunctionDef):
            return _function(code, flow, target.module, binding)
        if isinstance(binding, ast.ClassDef):
            raise RefusedError(_not_a_function(target, name, "a class"))
        if isinstance(binding, _VALUES):
            raise RefusedError(_not_a_function(target, name, "a value"))
        following = _unwrap(code, flow, target)
        if following is None:
            return _unknown(flow, f"how {name!r} is made in {target.module.path} is not followed")
        target = following
    return _unknown(flow, f"{name!r} is too many steps away from its function")


def _lost(flow: Flow, lost: Lost, module: Module, name: str) -> Flow:
    if lost.fault is not None:
        raise RefusedError(lost.fault)
    if lost.missing is None or _is_dynamic(lost.missing):
        return _unknown(flow, lost.why)
    near = difflib.get_close_matches(name, list(lost.missing.names)[:MAX_NAMES], n=1)
    hint = f"did you mean {near[0]!r}?" if near and lost.missing is module else ""
    raise RefusedError(EntrypointProblem(f"{lost.why}: no such function", hint, lost.missing.path))


def _is_dynamic(module: Module) -> bool:
    """Whether the module may make names that no reader of its text can see."""
    if module.stars or "__getattr__" in module.names:
        return True
    return any(isinstance(node, ast.Name) and node.id in _DYNAMIC for node in ast.walk(module.tree))


def _unknown(flow: Flow, why: str) -> Flow:
    flow.function = flow.module = None
    flow.notes.append(f"signature unknown: {why}; any parameters are accepted")
    return flow


def _not_a_function(target: Found, name: str, what: str) -> EntrypointProblem:
    line = getattr(target.binding, "lineno", 1)
    message = f"{name!r} in {target.module.path} is {what}, not a function"
    return EntrypointProblem(message, "name a function, plain or under @flow", target.module.path, line, 1)


def _unwrap(code: Code, flow: Flow, at: Found) -> Target | None:
    """One step inwards: an alias, `flow(g, …)`, `flow(…)(g)` or `g.with_options(…)`. None for anything else."""
    expression: Binding = at.binding
    while isinstance(expression, ast.Call):
        wrapped = _wrapped(code, at, expression)
        if wrapped is None:
            return None
        call, expression = wrapped
        _options(flow, call, at.module)
    parts = None if isinstance(expression, Imported) else dotted(expression)
    if parts is None:
        return None
    return code.resolve(at.module, parts, inside=at.binding, imports=at.imports)


def _wrapped(code: Code, at: Found, call: ast.Call) -> tuple[ast.Call, ast.expr] | None:
    """The call that holds the options, and what it wraps."""
    inner = call.func
    if isinstance(inner, ast.Attribute) and inner.attr == "with_options":
        return call, inner.value
    if not call.args:
        return None
    if is_flow(code, at.module, inner):
        return call, call.args[0]
    if isinstance(inner, ast.Call) and is_flow(code, at.module, inner.func):
        return inner, call.args[0]
    return None


def is_flow(code: Code, module: Module, node: ast.expr) -> bool:
    """Whether the expression is our `flow` or Prefect's, under whatever name."""
    parts = dotted(node)
    target = code.resolve(module, parts) if parts else None
    if not isinstance(target, External):
        return False
    origin = target.name.split(".")
    return origin[0] in {"reconciler", "prefect"} and origin[-1] == "flow"


def _function(code: Code, flow: Flow, module: Module, function: Function) -> Flow:
    flow.function, flow.module = function, module
    for decorator in function.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if is_flow(code, module, called):
            if isinstance(decorator, ast.Call):
                _options(flow, decorator, module)
        elif not _keeps(code, module, called):
            flow.changed_by = flow.changed_by or module.source(called)
    return flow


def _keeps(code: Code, module: Module, node: ast.expr) -> bool:
    parts = dotted(node)
    target = code.resolve(module, parts) if parts else None
    return isinstance(target, External) and target.name in _KEEPERS


def _options(flow: Flow, call: ast.Call, module: Module) -> None:
    for keyword in call.keywords:
        if keyword.arg is None:
            flow.notes.append(f"the arguments in `**{module.source(keyword.value)}` of @flow are not read")
        else:
            flow.options.setdefault(keyword.arg, (keyword.value, module))


_TEXT, _NUMBER, _BOOL = "text", "a number from 0", "true or false"
_WHOLE, _DELAYS = "a whole number from 0", "a number from 0, a list of them or exponential_backoff(backoff_factor=…)"
_TAKES = {
    "name": _TEXT,
    "description": _TEXT,
    "version": _TEXT,
    "flow_run_name": _TEXT,
    "retries": _WHOLE,
    "retry_delay_seconds": _DELAYS,
    "retry_jitter_factor": _NUMBER,
    "timeout_seconds": _NUMBER,
    "log_prints": _BOOL,
}
_RETRYING = frozenset({"retries", "retry_delay_seconds", "retry_jitter_factor"})
LONGEST = 366 * 86_400.0
MOST_DELAYS = 10
"""Of an exponential backoff; the last counts for all later retries."""


def options(code: Code, flow: Flow) -> dict[str, Json]:
    """The literal arguments of `@flow` by name; a note is left for each that is no literal or of the wrong kind."""
    found: dict[str, Json] = {}
    for name, takes in _TAKES.items():
        if name not in flow.options:
            continue
        node, module = flow.options[name]
        backoff = _backoff(code, module, node, found.get("retries", 0)) if name == "retry_delay_seconds" else None
        try:
            value = literal(node) if backoff is None else backoff
        except NotLiteralError:
            flow.notes.append(f"@flow({name}=…) is no literal: `{module.source(node)}` {_absent(name)}")
            continue
        if value is None:
            continue
        if _fits(value, takes):
            found[name] = value
        else:
            flow.notes.append(f"@flow({name}=…) takes {takes}: `{module.source(node)}` {_absent(name)}")
    return found


def _absent(name: str) -> str:
    """What becomes of an argument that cannot be read."""
    if name in _RETRYING:
        return "counts as 0 for runs whose process is lost; failures that the run itself reports go by the real value"
    return "is only known to the run" if name == "flow_run_name" else "is treated as absent"


def _backoff(code: Code, module: Module, node: ast.expr, retries: Json) -> list[Json] | None:
    """The delays of `exponential_backoff(…)` with a literal factor, one for each retry; None for anything else."""
    if not isinstance(node, ast.Call) or len(node.args) + len(node.keywords) != 1:
        return None
    parts = dotted(node.func)
    target = code.resolve(module, parts) if parts else None
    if not isinstance(target, External) or target.name.split(".")[-1] != "exponential_backoff":
        return None
    if node.keywords and node.keywords[0].arg != "backoff_factor":
        return None
    try:
        factor = literal(node.args[0] if node.args else node.keywords[0].value)
    except NotLiteralError:
        return None
    return [min(factor * 2**n, LONGEST) for n in range(min(retries, MOST_DELAYS))] if _fits(factor, _NUMBER) else None


def _fits(value: Json, takes: str) -> bool:
    if takes == _TEXT:
        return isinstance(value, str) and bool(value)
    if takes == _BOOL:
        return isinstance(value, bool)
    if isinstance(value, list):
        return takes == _DELAYS and all(_fits(item, _NUMBER) for item in value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return False
    return isinstance(value, int) or takes != _WHOLE
