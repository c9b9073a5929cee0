"""One spec file to deployments, problems and notes. Called for each changed file when reconciling and validating.

Every fault of a file is told in one go, and a faulty deployment or schedule leaves its siblings alone.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from reconciler.core import _parse_forms as forms
from reconciler.core import _parse_prefect as prefect
from reconciler.core._document_marks import Path, clip, dotted
from reconciler.core._document_scalars import Ambiguous
from reconciler.core._parse_findings import Findings
from reconciler.core._parse_keys import OLD
from reconciler.core._parse_messages import explain
from reconciler.core._parse_steps import CheckStep, Steps, ids, items
from reconciler.core._parse_templates import OUTPUTS, PULL, Budget, Templates
from reconciler.core.document import DEFAULT, Document, load
from reconciler.core.overlay import DEPLOYMENT, POOL, Overlay, Patched
from reconciler.model.names import name_fault
from reconciler.model.plan import Json, Note, Problem
from reconciler.model.spec import Automation, DeploymentSpec, Schedule, SpecDocument, WorkPool

__all__ = ["CheckSchedule", "CheckStep", "Parsed", "SpecFile", "parse"]

CheckSchedule = Callable[[Mapping[str, Json]], tuple[str, str] | None]
"""The fields of a schedule as given → (field, message) of what is wrong with it, or None."""

_M = TypeVar("_M", bound=BaseModel)
_APART: Final = ("deployments", "pull", "work_pools", "automations", "definitions")
Place = tuple[str, int, int, str]
"""File, line, column and dotted key."""
PLAIN: Final = Overlay()
"""No environment: the spec files as they are."""


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
    overlay: str = ""
    """The overlay that patched it or gave a variable that it names."""


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
    place: Callable[[Path], Place]
    """Where a path in the canonical form stands, such as `("deployments", 0, "schedules", 1, "cron")`: here, or in
    the overlay that decides it."""
    patched: tuple[int, ...] = ()
    """The patches of the overlay whose target something here fits."""


def parse(
    data: bytes, file: str, *, check_step: CheckStep, check_schedule: CheckSchedule, overlay: Overlay = PLAIN
) -> SpecFile:
    """Read a spec file as the overlay has it; of the overlay's own, what it adds. Never raises for what is in it."""
    if file == overlay.file:
        alone = replace(overlay, own=frozenset(), patches=())
        return _Reader(overlay.extra, check_step, check_schedule, alone).file()
    return _Reader(load(data, file, limits=DEFAULT), check_step, check_schedule, overlay).file()


class _Reader:
    """Reads one document."""

    def __init__(
        self, document: Document, check_step: CheckStep, check_schedule: CheckSchedule, overlay: Overlay
    ) -> None:
        self.document = document
        self.overlay = overlay
        self.found = Findings(document.faults, overlay.document)
        self.steps = Steps(self.found, check_step)
        self.check_schedule = check_schedule
        self.budget = Budget()
        self.templated = any(mark in raw for mark in (b"{{", b"{%") for raw in (document.raw, overlay.document.raw))
        self.ambiguous = document.ambiguous or overlay.document.ambiguous
        self.top: dict[str, Json] = {}
        self.listed: dict[int, Json] = {}
        """Deployments by index, as the overlay has them, without those that it leaves out."""
        self.overlaid: dict[int, bool] = {}
        """By index: whether the overlay decides something of a deployment."""
        self.by: set[int] = set()
        """The patches whose target something here fits."""
        self.patches_left = DEFAULT.nodes
        """How many more values patches may bring to one file."""
        self.used: set[str] = set()
        """The variables that the deployment at hand names."""
        self.used_by_pull: frozenset[str] = frozenset()
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
        self.listed = self.patched()
        specs = {index: self.deployment(index, item) for index, item in self.listed.items()}
        pools = self.pools()
        automations = self.automations()
        bad = self.bad()
        problems, notes = self.found.located(self.document)
        return SpecFile(
            file=self.document.file,
            name=head.get("name") if isinstance(head.get("name"), str) else None,
            variables=_plain(self.variables),
            deployments=tuple(self.parsed(i, spec, bad) for i, spec in specs.items()),
            pools=pools,
            automations=automations,
            problems=problems,
            notes=notes,
            broken=None in bad,
            place=self.place,
            patched=tuple(sorted(self.by)),
        )

    @property
    def variables(self) -> dict[str, Json]:
        """The file's variables, as far as they are a mapping, under those of the environment."""
        given = self.top.get("variables")
        return {**(given if isinstance(given, dict) else {}), **self.overlay.variables}

    def place(self, path: Path) -> Place:
        """Where a canonical path stands."""
        document, inner = self.found.source(path, self.document)
        # What is told of the file itself is told in its canonical form.
        return document.file, *document.locate(inner), dotted(path if document is self.document else inner)

    def head(self) -> dict[str, Json]:
        """The top level but for its lists; the file's own `pull` is kept for those who inherit it."""
        forms.known(self.top, "file", (), self.found)
        forms.strays(self.top, self.document, self.found)
        old = OLD["file"]
        head = {key: value for key, value in self.top.items() if key not in _APART and key not in old}
        head = self.resolved(head, (), {"variables": head["variables"]} if "variables" in head else {})
        self.valid(SpecDocument, {key: value for key, value in head.items() if value is not None}, ())
        if self.ambiguous:
            self.remark(self.top.get("variables"), ("variables",))
        if "pull" in self.top:
            self.used.clear()
            self.pull = self.read_pull(self.top["pull"], ("pull",), self.top)
            self.used_by_pull = frozenset(self.used)
        return head

    def patched(self) -> dict[int, Json]:
        """The items of `deployments` as the overlay has them."""
        result = {}
        for index, raw in enumerate(self.written()):
            name = raw.get("name") if isinstance(raw, dict) else None
            found = self.patch(raw, DEPLOYMENT, name, ("deployments", index))
            self.overlaid[index] = bool(found.by)
            if not found.deleted:
                result[index] = found.data
        return result

    def patch(self, raw: Json, kind: str, name: Json, path: Path) -> Patched:
        """A deployment or work pool as the overlay has it; what it decides is told in its lines."""
        found = self.overlay.patched(raw, kind, name, self.document.file)
        self.by.update(found.by)
        self.patches_left -= found.size
        if self.patches_left < 0:
            self.found.problem(path, f"patches bring over {DEFAULT.nodes:,} values to this file")
            return Patched(raw, by=found.by)
        self.found.patched.update({(*path, *inner): origin for inner, origin in found.origins.items()})
        return found

    def written(self) -> list[Json]:
        """The items of `deployments` as they are in the file."""
        given = self.top.get("deployments")
        if given is None or given == {}:
            return []
        if isinstance(given, list):
            return given
        self.found.problem(("deployments",), "must be a list: each deployment starts with `- name: ...`")
        return []

    def deployment(self, index: int, raw: Json) -> DeploymentSpec | None:
        """One deployment, or None when it has problems of its own."""
        path: Path = ("deployments", index)
        if not isinstance(raw, dict):
            self.found.problem(path, "a deployment is a mapping")
            return None
        self.used.clear()
        raw = self.resolved(raw, path, {key: raw[key] for key in raw.keys() & OLD["deployment"].keys()})
        self.rendered[index] = raw
        given = forms.deployment(raw, path, self.found)
        if raw.get("pull") is not None:
            given["pull"] = self.read_pull(raw["pull"], (*path, "pull"), raw)
        elif self.pull is not None:
            given["pull"] = self.pull
            self.found.moved[*path, "pull"] = ("pull",)
            self.used |= self.used_by_pull
        self.overlaid[index] |= not self.overlay.own.isdisjoint(self.used)
        if self.ambiguous:
            self.remark_deployment(given, path)
        spec = self.valid(DeploymentSpec, given, path)
        if spec and self.ambiguous:
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
        templates = self.templates(holder, set(), set())
        done: list[Json] = []
        section = prefect.rooted(section, holder.get("push") or self.top.get("push"), path, self.found)
        for where, item in items(section, path):
            plain = prefect.step(item, where, self.found)
            plain = templates.resolve(plain, where, PULL) if self.templated else plain
            prefect.settled(plain, where, self.found)
            done.append(plain)
            templates.pull.update(ids([item]))
            templates.flat.update(OUTPUTS)
        section = done if isinstance(section, list) else done[0] if done else section
        if self.ambiguous:
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
            used=self.used,
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
            found = self.patch(raw, POOL, name, self.found.written(path))
            if found.deleted:
                continue
            raw = found.data
            if self.ambiguous and isinstance(raw, dict):
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
        heirs = (i for i, raw in self.listed.items() if isinstance(raw, dict) and raw.get("pull") is None)
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
        overlay = self.overlay.file if self.overlaid[index] else ""
        return Parsed(index, path, line, None if index in bad else spec, name, flow, entrypoint, overlay)

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
