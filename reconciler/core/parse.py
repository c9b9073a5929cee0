"""One spec file to deployments, problems and notes. Called for each changed file when reconciling and validating.

Every fault of a file is told in one go, and a faulty deployment or schedule leaves its siblings alone.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from reconciler.core import _parse_forms as forms
from reconciler.core._document_marks import Path, Position, clip
from reconciler.core._document_scalars import Ambiguous
from reconciler.core._parse_findings import Findings
from reconciler.core._parse_keys import OLD
from reconciler.core._parse_messages import explain
from reconciler.core._parse_steps import CheckStep, Steps, ids, items
from reconciler.core._parse_templates import OUTPUTS, PULL, Budget, Templates
from reconciler.core.document import DEFAULT, Document, load
from reconciler.model.names import name_fault
from reconciler.model.plan import Json, Note, Problem
from reconciler.model.spec import Automation, DeploymentSpec, Schedule, SpecDocument, WorkPool

__all__ = ["CheckSchedule", "CheckStep", "Parsed", "SpecFile", "parse"]

CheckSchedule = Callable[[Mapping[str, Json]], tuple[str, str] | None]
"""The fields of a schedule as given → (field, message) of what is wrong with it, or None."""

_M = TypeVar("_M", bound=BaseModel)
_APART: Final = ("deployments", "pull", "work_pools", "automations", "definitions")
_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Parsed:
    """One deployment of a file."""

    index: int
    path: Path
    """`("deployments", index)`: the prefix of paths within it."""
    line: int
    spec: DeploymentSpec | None
    """With the file's `pull` where it gives none of its own (None: the default pull); None when it has problems."""
    name: str | None
    """Name, flow name and entrypoint as far as they can be read, also when there are problems."""
    flow_name: str | None
    entrypoint: str | None


@dataclass(frozen=True, slots=True)
class SpecFile:
    """What one file says. When `broken`, it may have meant deployments that are not listed: prune nothing it held."""

    file: str
    name: str | None
    variables: Mapping[str, Json]
    deployments: tuple[Parsed, ...]
    pools: Mapping[str, Json]
    """Valid work pools by name, the fields that say more than their default."""
    automations: tuple[Automation, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Note, ...]
    broken: bool
    """Whether a problem lies outside every single deployment."""
    locate: Callable[[Path], Position]
    """Line and column of a path in the canonical form, such as `("deployments", 0, "schedules", 1, "cron")`."""


def parse(data: bytes, file: str, *, check_step: CheckStep, check_schedule: CheckSchedule) -> SpecFile:
    """Read a spec file. Never raises for what is in it."""
    document = load(data, file, limits=DEFAULT)
    return _Reader(document, check_step, check_schedule).file()


class _Reader:
    """Reads one document."""

    def __init__(self, document: Document, check_step: CheckStep, check_schedule: CheckSchedule) -> None:
        self.document = document
        self.found = Findings(document.faults)
        self.steps = Steps(self.found, check_step)
        self.check_schedule = check_schedule
        self.budget = Budget()
        self.templated = b"{{" in document.raw or b"{%" in document.raw
        self.top: dict[str, Json] = {}
        self.rendered: dict[int, dict[str, Json]] = {}
        """Deployments by index, with what is known put into their placeholders."""
        self.pull: list[dict[str, Json]] | None = None

    def file(self) -> SpecFile:
        """The whole file."""
        if isinstance(self.document.data, dict):
            self.top = {key: value for key, value in self.document.data.items() if value is not None}
        elif not self.document.broken:
            self.found.problem((), "a spec file is a mapping with `deployments`")
        head = self.head()
        listed = self.listed()
        specs = [self.deployment(index, item) for index, item in enumerate(listed)]
        pools = self.pools()
        automations = self.automations()
        bad = self.bad()
        problems, notes = self.found.located(self.document)
        return SpecFile(
            file=self.document.file,
            name=head.get("name") if isinstance(head.get("name"), str) else None,
            variables=_plain(self.variables),
            deployments=tuple(self.parsed(i, spec, bad) for i, spec in enumerate(specs)),
            pools=pools,
            automations=automations,
            problems=problems,
            notes=notes,
            broken=None in bad,
            locate=lambda path: self.document.locate(self.found.written(path)),
        )

    @property
    def variables(self) -> dict[str, Json]:
        """The file's variables, as far as they are a mapping."""
        given = self.top.get("variables")
        return given if isinstance(given, dict) else {}

    def head(self) -> dict[str, Json]:
        """The top level but for its lists; the file's own `pull` is kept for those who inherit it."""
        forms.known(self.top, "file", (), self.found)
        old = OLD["file"]
        head = {key: value for key, value in self.top.items() if key not in _APART and key not in old}
        head = self.resolved(head, (), {"variables": head["variables"]} if "variables" in head else {})
        self.valid(SpecDocument, head, ())
        if self.document.ambiguous:
            self.remark(self.variables, ("variables",))
        if "pull" in self.top:
            self.pull = self.read_pull(self.top["pull"], ("pull",), self.top)
        return head

    def listed(self) -> list[Json]:
        """The items of `deployments`."""
        given = self.top.get("deployments")
        if given is None or given == {}:
            return []
        if isinstance(given, list):
            return given
        self.found.problem(("deployments",), "must be a list")
        return []

    def deployment(self, index: int, raw: Json) -> DeploymentSpec | None:
        """One deployment, or None when it has problems of its own."""
        path: Path = ("deployments", index)
        if not isinstance(raw, dict):
            self.found.problem(path, "a deployment is a mapping")
            return None
        raw = self.resolved(raw, path, {key: raw[key] for key in raw.keys() & OLD["deployment"].keys()})
        self.rendered[index] = raw
        given = forms.deployment(raw, path, self.found)
        if raw.get("pull") is not None:
            given["pull"] = self.read_pull(raw["pull"], (*path, "pull"), raw)
        elif self.pull is not None:
            given["pull"] = self.pull
            self.found.moved[*path, "pull"] = ("pull",)
        if self.document.ambiguous:
            self.remark_deployment(given, path)
        spec = self.valid(DeploymentSpec, given, path)
        if spec and self.document.ambiguous:
            spec = DeploymentSpec.model_validate(_plain(given))
        self.schedules(given, spec, path)
        return spec

    def schedules(self, given: Mapping[str, Json], spec: DeploymentSpec | None, path: Path) -> None:
        """Check each schedule that could be read, and their slugs together."""
        rules = spec.schedules if spec else _readable(given.get("schedules"))
        slugs: dict[tuple[str, str], int] = {}
        for index, rule in enumerate(rules):
            where = (*path, "schedules", index)
            fault = self.check_schedule(rule.rule()) if rule else None
            if fault:
                self.found.problem((*where, fault[0]), fault[1])
            for field in ("slug", "replaces"):
                word = getattr(rule, field, None)
                if word is not None and slugs.setdefault((field, word), index) != index:
                    self.found.problem((*where, field), f"`{clip(word)}` is in schedules[{slugs[field, word]}] already")

    def read_pull(self, section: Json, path: Path, holder: Mapping[str, Json]) -> list[dict[str, Json]]:
        """Canonical steps of a `pull` section; each may name the outputs of those before it."""
        if self.templated:
            templates = self.templates(holder, set(), set())
            done: list[Json] = []
            for where, item in items(section, path):
                done.append(templates.resolve(item, where, PULL))
                templates.pull.update(ids([item]))
                templates.flat.update(OUTPUTS)
            section = done if isinstance(section, list) else done[0] if done else section
        if self.document.ambiguous:
            self.remark(section, path)
            section = _plain(section)
        return self.steps.read(section, path)

    def resolved(self, raw: dict[str, Json], path: Path, keep: dict[str, Json]) -> dict[str, Json]:
        """A mapping with its placeholders resolved as far as they can be, but for the keys to keep."""
        if not self.templated:
            return raw
        own = raw.get("pull")
        pull = self.top.get("pull") if own is None else own
        named = self.top_pull if own is None else set(ids(own))
        templates = self.templates(raw, named, set(OUTPUTS) if pull is None or pull else set())
        return {**templates.resolve({k: v for k, v in raw.items() if k not in keep}, path), **keep}

    def templates(self, holder: Mapping[str, Json], pull: set[str], flat: set[str]) -> Templates:
        """What placeholders may name in a mapping with sections of its own."""
        sections = [holder.get(word) for word in ("build", "push")]
        return Templates(
            found=self.found,
            variables=self.variables,
            pull=pull,
            flat=flat,
            ci=self.top_ci.union(*map(ids, sections)) if any(sections) and holder is not self.top else self.top_ci,
            builds=any((*sections, self.top.get("build"), self.top.get("push"))),
            budget=self.budget,
        )

    @cached_property
    def top_pull(self) -> set[str]:
        """The ids of the file's own pull steps."""
        return set(ids(self.top.get("pull")))

    @cached_property
    def top_ci(self) -> set[str]:
        """The ids of the file's own build and push steps."""
        return {word for section in ("build", "push") for word in ids(self.top.get(section))}

    def pools(self) -> dict[str, Json]:
        """The valid work pools."""
        result = {}
        for name, raw in forms.pools(self.top.get("work_pools", {}), self.found).items():
            path: Path = ("work_pools", name)
            fault = name_fault(name)
            if fault:
                self.found.problem(path, f"a work pool's name {fault}", key=True)
            if self.document.ambiguous and isinstance(raw, dict):
                self.remark(raw.get("job_variables"), (*path, "job_variables"))
            pool = self.valid(WorkPool, self.resolved(raw, path, {}) if isinstance(raw, dict) else raw, path)
            if pool and not fault:
                result[name] = _plain(pool.model_dump(mode="json", exclude_defaults=True))
        return result

    def automations(self) -> tuple[Automation, ...]:
        """The valid automations."""
        given = self.top.get("automations", [])
        if not isinstance(given, list):
            self.found.moved["automations", 0] = ("automations",)
        listed = given if isinstance(given, list) else [given] if given else []
        result = []
        for index, raw in enumerate(listed):
            path: Path = ("automations", index)
            if isinstance(raw, dict) and "trigger" in raw:
                raw = {**raw, "trigger": forms.trigger(raw["trigger"], (*path, "trigger"), self.found)}
            automation = self.valid(Automation, raw, path)
            if automation:
                result.append(automation)
        return tuple(result)

    def valid(self, model: type[_M], data: Json, path: Path) -> _M | None:
        """The model of the data, or None after telling every fault."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            for where, message, on_key in explain(error, model, data, self.found.few):
                self.found.problem(path + where, message, key=on_key)
            return None

    def bad(self) -> set[int | None]:
        """The deployments with problems, those that inherit a faulty `pull` included; None for the rest of the file."""
        if not self.found.problems and not self.found.faults:
            return set()
        bad = self.found.bad(self.document)
        told = [f.path for f in self.found.problems] + [f.path for f in self.found.faults]
        faulty = any(path[:1] == ("pull",) for path in told)
        heirs = (i for i, raw in enumerate(self.listed()) if isinstance(raw, dict) and raw.get("pull") is None)
        return bad.union(heirs) if faulty else bad

    def parsed(self, index: int, spec: DeploymentSpec | None, bad: set[int | None]) -> Parsed:
        """The answer for one deployment."""
        lines = self.document.lines
        path: Path = ("deployments", index)
        line = lines[index] if index < len(lines) else self.document.locate(path)[0]
        read = self.rendered.get(index, {})
        given = [read.get(key) for key in ("name", "flow_name", "entrypoint")]
        name, flow, entrypoint = (
            (spec.name, spec.flow_name, spec.entrypoint) if spec else (g if isinstance(g, str) else None for g in given)
        )
        return Parsed(index, path, line, None if index in bad else spec, name, flow, entrypoint)

    def remark_deployment(self, given: Mapping[str, Json], path: Path) -> None:
        """Notes about ambiguous text in the free data of a deployment."""
        for key in ("parameters", "labels"):
            self.remark(given.get(key), (*path, key))
        pool = given.get("work_pool")
        if isinstance(pool, dict):
            self.remark(pool.get("job_variables"), (*path, "work_pool", "job_variables"))
        for index, rule in enumerate(given.get("schedules", ())):
            if isinstance(rule, dict):
                self.remark(rule.get("parameters"), (*path, "schedules", index, "parameters"))

    def remark(self, value: Json, path: Path) -> None:
        """A note at each ambiguous text in free data."""
        if isinstance(value, Ambiguous):
            self.found.note(path, f"`{clip(value)}` is text here, though not in YAML 1.1: quote it to say so")
        elif isinstance(value, dict):
            for key, item in value.items():
                self.remark(item, (*path, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self.remark(item, (*path, index))


def _readable(rules: Any) -> Iterator[Schedule | None]:
    """The schedules of a faulty deployment that are sound themselves."""
    for rule in rules if isinstance(rules, list) else ():
        try:
            yield Schedule.model_validate(rule)
        except ValidationError:
            yield None


def _plain(value: Json) -> Json:
    """A copy without `Ambiguous` text ; typed fields are judged with it."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Ambiguous) else value
