"""One spec file and the code it names, read together: what it declares at a revision. Called by daemon/observe.

Code is part of what a spec means: the flow's name, docstring, signature and decorator arguments are read from it, never
run. A fault of spec or code is a located problem and breaks its own deployment only.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from reconciler import schedules
from reconciler.core import _run_names as run_names
from reconciler.core import containers, parameters, pooled, version
from reconciler.core.file_read import Entry, FileRead, Misfit
from reconciler.core.own_steps import StepFacts, faults
from reconciler.core.parse import Parsed, SpecFile
from reconciler.core.pooled import CheckPool, Path
from reconciler.core.signature import EntrypointProblem, FlowFacts
from reconciler.model.ids import canonical
from reconciler.model.names import DEFAULT_POOL, DEFAULT_QUEUE, name_fault
from reconciler.model.plan import Json, Problem, Source, SourceKind
from reconciler.model.spec import DeploymentSpec

SourcesOf = Callable[[Sequence[Mapping[str, Json]] | None], tuple[Source, ...]]
_HERE = (SourceKind.WHOLE, SourceKind.SCOPE)


@dataclass(frozen=True, slots=True)
class Code:
    """How to read the flow that an entrypoint names, or why it cannot be read here."""

    flow: Callable[[str, str], FlowFacts | EntrypointProblem] | None
    """Called with the entrypoint and the directory it is relative to."""
    absent: str = ""
    step: Callable[[str, tuple[str, ...]], StepFacts] | None = None
    """Called with `module.function` and the directories it is looked for in."""
    has: Callable[[str], bool] | None = None
    """Called with the path of a file: whether it is there."""
    problem: str = ""
    """Why the source cannot be laid out as it is asked for."""
    note: str = ""


CodeOf = Callable[[Source], Code]
"""The code of a source at the commit it would run at."""


def declare(
    found: SpecFile,
    code_of: CodeOf,
    ours: Callable[[str], bool],
    *,
    check_pool: CheckPool,
    kinds: Collection[str],
    tracked: str | None = None,
) -> FileRead:
    """What the file declares, with the code of each deployment read through `code_of`; `kinds`: the types of pools."""
    sources_of = partial(version.sources, ours=ours, tracked=tracked)
    problems, notes = list(found.problems), list(found.notes)
    pools = {}
    for name, given in found.pools.items():
        faults, remarks = pooled.check(found, name, given, check_pool)
        problems += faults
        notes += remarks
        if not faults:
            pools[name] = pooled.canonical(given)
    entries: list[Entry] = []
    specs: dict[str, bytes] = {}
    misfits: dict[str, tuple[Misfit, ...]] = {}
    for parsed in found.deployments:
        if parsed.spec is None:
            continue
        reading = _Reading(found, parsed, parsed.spec, code_of, sources_of)
        effective = reading.effective()
        unfit = reading.check_variables(pools, check_pool, kinds)
        reading.check_own_steps()
        reading.check_requirements()
        problems += reading.problems
        notes += reading.notes
        if effective is not None and not reading.problems:
            name = f"{effective['flow_name']}/{effective['name']}"
            text = canonical(effective)
            digest = sha256(text).hexdigest()
            at, pool = (*parsed.path, "work_pool"), effective["work_pool"]
            entries.append(
                Entry(
                    name, parsed.line, digest, reading.source, pool["name"], pool["work_queue_name"],
                    found.place((*at, "name")), found.place((*at, "work_queue_name")), parsed.overlay,
                    "" if pool["name"] in pools or pool["name"] in kinds
                    else containers.meant(effective["pull"]),
                )
            )  # fmt: skip
            specs[digest] = text
            if unfit:
                misfits[name] = unfit
    places = {name: found.place(("work_pools", name)) for name in pools}
    return FileRead(
        found.file, tuple(entries), tuple(problems), tuple(notes), pools, places,
        misfits=misfits, specs=specs, patched=found.patched,
    )  # fmt: skip


class _Reading:
    """One deployment: its spec, its code, and what is wrong with either."""

    def __init__(
        self, file: SpecFile, parsed: Parsed, spec: DeploymentSpec, code_of: CodeOf, sources_of: SourcesOf
    ) -> None:
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self._absent = ""
        self._file = file
        self._parsed = parsed
        self._spec = spec
        self._pull = [s.model_dump(mode="json") for s in spec.pull] if spec.pull is not None else None
        clones = sources_of(self._pull)
        if len(clones) > 1:
            told = "more than one git_clone: only one can version the deployment; bring other files as a submodule"
            self._problem(("pull",), told)
        self.source = version.primary(clones)
        self._code_of = code_of

    def _problem(self, path: Path, message: str) -> None:
        self.problems.append(self._at(path, message))

    def _note(self, path: Path, message: str) -> None:
        self.notes.append(self._at(path, message))

    def _at(self, path: Path, message: str) -> Problem:
        return Problem(*self._file.place((*self._parsed.path, *path)), message)

    def effective(self) -> dict[str, Json] | None:
        """Every field with its default and what the code says; None when a fault leaves no meaning."""
        facts = self._flow()
        if facts is None and self.problems:
            return None
        spec = self._spec
        known = facts is not None and facts.name_known
        flow_name = facts.name if facts and (known or not spec.flow_name) else spec.flow_name
        if flow_name is None:
            why = f"the code cannot be read ({self._absent})" if self._absent else "the code cannot be read"
            self._problem(("entrypoint",), f"the flow's name is not known: {why}; give flow_name")
            return None
        if fault := name_fault(flow_name):
            self._problem(("entrypoint",), f"the flow's name in the code, {flow_name[:40]!r}, {fault}")
            return None
        if facts and known and spec.flow_name and spec.flow_name != facts.name:
            told = f"contradicts the code, where the flow is named {facts.name!r}: remove it or rename"
            function = re.split(r"[.:]", spec.entrypoint)[-1] == spec.flow_name
            (self._note if function and self.source.kind in _HERE else self._problem)(("flow_name",), told)
        if facts and (fault := run_names.fault(facts.flow_run_name, facts.parameters)):
            self._problem(("entrypoint",), fault)
        schema = self._schema(facts)
        data = spec.model_dump(
            mode="json", exclude={"concurrency_limit", "collision_strategy", "schedules", "work_pool"}
        )
        return data | {
            "flow_name": flow_name,
            "pull": self._pull,
            "description": spec.description if spec.description is not None else (facts.description if facts else None),
            "schedules": self._schedules(),
            "concurrency_limit": spec.limit,
            "collision_strategy": spec.collision,
            "work_pool": spec.work_pool.model_dump(mode="json")
            | {
                "name": spec.work_pool.name or DEFAULT_POOL,
                "work_queue_name": spec.work_pool.work_queue_name or DEFAULT_QUEUE,
            },
            "parameter_openapi_schema": schema,
            "flow": _flow_part(facts),
        }

    def check_variables(
        self, pools: Mapping[str, Json], check_pool: CheckPool, kinds: Collection[str]
    ) -> tuple[Misfit, ...]:
        """The job variables against the type of the pool, where this file or a built-in name tells it.

        Of a pool that another file declares: what each type would refuse, for the whole to judge.
        """
        choice = self._spec.work_pool
        name = choice.name or DEFAULT_POOL
        if name not in pools and name not in kinds:
            at = (*self._parsed.path, "work_pool", "job_variables")
            given = choice.job_variables
            found = [(k, f) for k in (sorted(kinds) if given else ()) for f in check_pool(k, given) if f.path]
            for kind, fault in found:
                if fault.note and kind == DEFAULT_POOL:
                    self._note(("work_pool", "job_variables", *fault.path), fault.message)
            return tuple((k, self._file.place((*at, *f.path)), f.message) for k, f in found if not f.note)
        kind = pools[name]["type"] if name in pools else name
        for fault in check_pool(kind, choice.job_variables):
            if fault.path:
                tell = self._note if fault.note else self._problem
                tell(("work_pool", "job_variables", *fault.path), fault.message)
        return ()

    def check_own_steps(self) -> None:
        """The steps that are functions in the repository: whether they are there and take what they are given."""
        cloned = self._pull is None
        for index, step in enumerate(self._pull or ()):
            cloned = cloned or step["step"] in version.CLONES
            if "." not in step["step"]:
                continue
            path = ("pull", index)
            if step["requires"]:
                self._note(
                    path, "`requires` is not installed: list it in a file for pip_install_requirements before it"
                )
            root = version.working_directory((self._pull or [])[:index])
            read = self._code_of(self.source).step if cloned and root is not None else None
            if read is None or root is None:
                self._note(path, f"{step['step']} is not read: it is taken as installed where the run runs")
                continue
            below = "/".join(part for part in (root, self._spec.path or "") if part)
            facts = read(step["step"], tuple(dict.fromkeys((root, below))))
            if facts.note:
                self._note(path, facts.note)
            if facts.problem:
                self._problem(path, facts.problem)
            for name, message in faults(facts, step["inputs"]):
                self._problem((*path, "inputs", name) if name else path, message)

    def check_requirements(self) -> None:
        """The files that `pip_install_requirements` names, where no step before can have made them."""
        for index, step in enumerate(self._pull or ()):
            if step["step"] not in {*version.CLONES, "set_working_directory", "pip_install_requirements"}:
                return
            if step["step"] != "pip_install_requirements" or self.source.submodules:
                continue
            folder = str(step["inputs"].get("directory") or "")
            before = [*(self._pull or [])[:index], {"step": "set_working_directory", "inputs": {"directory": folder}}]
            root = version.working_directory(before)
            name = str(step["inputs"].get("requirements_file") or "requirements.txt")
            has = self._code_of(self.source).has if root is not None and "{{" not in name else None
            path = "/".join(part for part in f"{root or ''}/{name}".split("/") if part not in {"", "."})
            if has is not None and not name.startswith("/") and ".." not in name and not has(path):
                self._problem(("pull", index), f"there is no file {path!r} in the repository")

    def _flow(self) -> FlowFacts | None:
        """The facts of the code; None, with a note, where it is not there to read."""
        root = version.working_directory(self._pull)
        code = self._code_of(self.source) if root is not None else Code(None, "a pull step chooses its directory")
        if code.problem:
            self._problem(("pull",), code.problem)
        if code.note:
            self._note(("pull",), code.note)
        if code.flow is None or root is None:
            return self._as_deployed(code.absent, chosen=root is None)
        path = self._spec.path or ""
        start = path if path.startswith("/") else "/".join(p for p in (root, path) if p)
        found = code.flow(self._spec.entrypoint, start)
        if isinstance(found, EntrypointProblem):
            self._problem(("entrypoint",), f"{found.message}: {found.hint}" if found.hint else found.message)
            return None
        for note in found.notes:
            self._note(("entrypoint",), note)
        inside = self.source.directories
        if (
            inside
            and found.defines
            and not any(found.defines == d or found.defines.startswith(f"{d}/") for d in inside)
        ):
            self._problem(("entrypoint",), f"{found.defines} lies outside the directories that git_clone lays out")
        return found

    def _as_deployed(self, absent: str, *, chosen: bool) -> FlowFacts | None:
        """The facts of the entrypoint as it lies here, where runs take the code from an image or a folder of theirs.

        It is what Prefect reads when it deploys. Another repository that cannot be read now is never stood in for.
        """
        here: Source | None = self.source
        if self.source.kind is SourceKind.NONE:
            here = Source(SourceKind.WHOLE)
        elif not chosen or self.source.repository is not None:
            here = None
        path = self._spec.path or ""
        read = self._code_of(here).flow if here else None
        found = read(self._spec.entrypoint, "" if path.startswith("/") else path) if read else None
        if not isinstance(found, FlowFacts) or not found.name_known:
            self._absent = absent
            self._note(("entrypoint",), f"the code is not read: {absent}; parameters are not checked")
            return None
        told = f"runs take the code from elsewhere ({absent}): name and parameters are those of {found.defines} here"
        self._note(("entrypoint",), told)
        return found

    def _schedules(self) -> list[dict[str, Json]]:
        found: dict[str, dict[str, Json]] = {}
        for index, schedule in enumerate(self._spec.schedules):
            rule = schedule.rule()
            ident = schedules.identity(rule)
            if ident in found:
                self._problem(("schedules", index), f"the same schedule twice: give each a slug of its own ({ident})")
            found[ident] = {"id": ident, **rule}
        return list(found.values())

    def _schema(self, facts: FlowFacts | None) -> dict[str, Json] | None:
        own = self._spec.parameter_openapi_schema
        schema: Any = own if own is not None else (facts.parameters if facts else None)
        if schema is None:
            return None
        if own is not None:
            fault = parameters.check_schema(own)
            if fault:
                self._problem(("parameter_openapi_schema",), fault)
                return None
        if self._spec.enforce_parameter_schema:
            self._check("parameters", schema, self._spec.parameters)
            for index, schedule in enumerate(self._spec.schedules):
                self._check(("schedules", index, "parameters"), schema, schedule.parameters)
        return dict(schema)

    def _check(self, where: str | Path, schema: Mapping[str, Json], values: Mapping[str, Json]) -> None:
        path = (where,) if isinstance(where, str) else where
        plain = {k: v for k, v in values.items() if not _templated(v)}
        for inner, message in parameters.problems(schema, plain, partial=True):
            self._problem((*path, *inner), message)


def _templated(value: Json) -> bool:
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, Mapping):
        return any(map(_templated, value.values()))
    return isinstance(value, list) and any(map(_templated, value))


def _flow_part(facts: FlowFacts | None) -> dict[str, Json]:
    """What a run needs to know of the flow before it starts; without what only people read."""
    if facts is None:
        return {"known": False}
    retrying = ("retries", "retry_delay_seconds", "retry_jitter_factor")
    kept = ("version", *retrying, "timeout_seconds", "log_prints", "flow_run_name")
    data = facts.json()
    return {"known": True, **{k: data[k] for k in kept if data.get(k)}}
