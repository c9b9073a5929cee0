"""The versions a deployment had, told from its facts and the applied revisions. Called by daemon/past, history.

While a deployment is quarantined, what git says goes on beside it: those versions are told as not applied.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.model.errors import ConflictError, NotFoundError
from reconciler.model.fact import Event
from reconciler.model.ids import instant
from reconciler.model.plan import Json, Source, SourceKind
from reconciler.model.state import UNKNOWN

OWN = (
    "DeploymentCreated",
    "DeploymentUpdated",
    "DeploymentMoved",
    "DeploymentPruned",
    "DeploymentQuarantined",
    "DeploymentReleased",
)
"""The facts about a deployment that this is told from; others are RevisionApplied and, of previews, PreviewApplied."""
_GITS = ("created", "updated", "moved")
_NO_FIELDS = ("reason", "changed")
_SHORT = 8
_FEWEST = 4
"""Digits of a commit that name it at least."""
_NAMED = 8
"""Candidates that an error lists."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a deployment: from this fact on."""

    what: str
    """created, updated, moved, pruned, quarantined or released."""
    at: str
    seq: int
    revision: str | None
    fields: Mapping[str, Json]
    """Of DeploymentCreated, as the log has them: defaults are left out."""
    source: Source
    commit: str | None = None
    """The source commit."""
    changed: tuple[str, ...] = ()
    applied: bool = True
    """Whether it counted then; not while another version was held."""
    reason: str = ""
    """Why it was quarantined or released, and by whom."""

    @property
    def name(self) -> str:
        """As the deployment showed it."""
        none = "none" if self.source.kind is SourceKind.NONE else UNKNOWN
        return self.fields.get("version") or (self.commit[:_SHORT] if self.commit else self.source.note or none)

    @property
    def generation(self) -> int:
        """Of the spec."""
        return int(self.fields.get("generation", 1))

    @property
    def spec(self) -> str:
        """The digest of the effective spec."""
        return str(self.fields["spec"])

    @property
    def spec_commit(self) -> str | None:
        """The newest commit that changed the spec file."""
        found: str | None = self.fields.get("spec_commit")
        return found

    @property
    def exact(self) -> str:
        """A name that no other version has: `gen:3@1a2b3c4d`, without a commit `gen:3`."""
        return f"gen:{self.generation}" + (f"@{self.commit[:_SHORT]}" if self.commit else "")

    def held(self) -> dict[str, Json]:
        """The fields with which a quarantine holds it: its source pinned to the commit it had."""
        return {**self.fields, "source": replace(self.source, commit=self.commit).json()}


def versions(name: str, events: Iterable[Event]) -> Iterator[Version]:
    """Every version in order, from the deployment's own facts and the applied revisions, in the order of the log."""
    told = _Told(name)
    for event in events:
        yield from told.follow(event)


class _Told:
    """A deployment while its facts pass by."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._git: Version | None = None
        """What git said last."""
        self._coming: Version | None = None
        """What git says from the revision on that is told next."""
        self._held: Version | None = None
        """What is held instead."""

    def follow(self, event: Event) -> Iterator[Version]:
        match event.type:
            case "RevisionApplied":
                yield from self._applied(event)
            case "PreviewApplied":
                yield from self._previewed(event)
            case "DeploymentPruned":
                if last := self._held or self._git:
                    yield replace(last, what="pruned", at=instant(event.at), seq=event.seq, changed=(), applied=True)
                self._git = self._held = None
            case "DeploymentQuarantined":
                self._held = _version(event, event.data["held"], "quarantined")
                yield self._held
            case "DeploymentReleased":
                self._held = None
                if self._git is not None:
                    yield replace(
                        self._git, what="released", at=instant(event.at), seq=event.seq, changed=(), applied=True,
                        reason=_said(event),
                    )  # fmt: skip
            case _:
                self._coming = self._own(event)

    def _applied(self, event: Event) -> Iterator[Version]:
        data, now = event.data, self._coming or self._git
        if now is None or now.fields.get("preview"):
            return
        moved = self._coming is not None
        commit = _commit(now.source, data.get("whole_commit")) if moved else now.commit
        if not moved and self._follows(now, data):
            commit = data.get("whole_commit")
            now = replace(now, what="moved", at=instant(event.at), seq=event.seq, changed=())
            moved = True
        self._git = replace(now, revision=data["revision"] if moved else now.revision, commit=commit)
        self._git = _touched(self._git, self._name, data)
        self._coming = None
        if moved:
            self._git = replace(self._git, applied=self._held is None)
            yield self._git

    def _previewed(self, event: Event) -> Iterator[Version]:
        """What the branch that it previews said at a commit, or a move with the whole repository there."""
        data, now = event.data, self._coming or self._git
        if now is None or now.fields.get("preview") != event.subject or self._name in data.get("held", ()):
            return
        told, commit = self._coming is not None, now.source.commit if self._coming else now.commit
        if now.source.follows(event.subject) and data.get("whole_commit") != commit:
            commit = data.get("whole_commit")
            now = now if told else replace(now, what="moved", at=instant(event.at), seq=event.seq, changed=())
            told = True
        now = replace(now, revision=data["revision"] if told else now.revision, commit=commit)
        self._git, self._coming = _touched(now, self._name, data), None
        if told:
            yield self._git

    def _follows(self, now: Version, data: Mapping[str, Json]) -> bool:
        """Whether an applied revision moved the deployment with the whole repository."""
        moved = data.get("whole_commit") != now.commit
        return moved and now.source.kind is SourceKind.WHOLE and self._name not in data.get("held", ())

    def _own(self, event: Event) -> Version:
        if event.type == "DeploymentMoved" and self._git is not None:
            source = Source.load(event.data["source"])
            return replace(
                self._git, what="moved", at=instant(event.at), seq=event.seq, source=source, changed=(), reason=""
            )
        return _version(event, event.data, "created" if event.type == "DeploymentCreated" else "updated")


def _version(event: Event, data: Mapping[str, Json], what: str) -> Version:
    fields = {key: value for key, value in data.items() if key not in _NO_FIELDS}
    source = Source.load(data["source"])
    held = what == "quarantined"
    return Version(
        what, instant(event.at), event.seq, event.revision if held else None, fields, source,
        source.commit if held else None, tuple(data.get("changed", ())), reason=_said(event) if held else "",
    )  # fmt: skip


def _said(event: Event) -> str:
    data = event.data
    return f"{data['reason']} ({data['who']})" if data.get("reason") else f"({data.get('who', '')})"


def _commit(source: Source, whole: str | None) -> str | None:
    return whole if source.kind is SourceKind.WHOLE and source.commit is None else source.commit


def _touched(version: Version, name: str, data: Mapping[str, Json]) -> Version:
    """The version with the commit that last changed its spec file, where a revision moved that alone."""
    commits = data.get("spec_commits") or {}
    if version.fields.get("file") not in commits or name in data.get("held", ()):
        return version
    return replace(version, fields={**version.fields, "spec_commit": commits[version.fields["file"]]})


def find(name: str, found: Sequence[Version], given: str) -> Version:
    """The version that `given` names: a label, a beginning of its source commit, `gen:N` or `gen:N@COMMIT`.

    The newest of equal ones. Raises NotFoundError, and ConflictError where it names several; both list candidates.
    """
    known = {(v.exact, v.commit, v.spec): v for v in found if v.what != "pruned"}
    candidates = list(known.values())[::-1]
    hits = [v for v in candidates if v.fields.get("version") == given] or [v for v in candidates if _fits(v, given)]
    counted = {v.exact for v in found if v.applied}
    hits = [v for v in hits if v.exact in counted] or hits  # what it never was is meant only when named exactly
    if not hits:
        raise NotFoundError(f"{name} never had a version {given!r}", hint=f"versions it had: {_listed(candidates)}")
    if len({(v.generation, v.commit) for v in hits}) > 1:
        raise ConflictError(f"{given!r} names {len(hits)} versions of {name}", hint=f"name one: {_listed(hits)}")
    return hits[0]


def declared(found: Sequence[Version], version: Version) -> Version:
    """Where git said what a version is: not where it was held, or came back."""
    for each in reversed(found):
        if each.what in _GITS and (each.exact, each.commit, each.spec) == (version.exact, version.commit, version.spec):
            return each
    return version


def _fits(version: Version, given: str) -> bool:
    generation, _, commit = given.partition("@") if given.startswith("gen:") else ("", "", given)
    if generation and generation != f"gen:{version.generation}":
        return False
    if not commit:
        return bool(generation)
    return len(commit) >= _FEWEST and (version.commit or "").startswith(commit.lower())


def _listed(found: Sequence[Version]) -> str:
    names = [v.exact if v.fields.get("version") is None else f"{v.exact} ({v.name})" for v in found]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more or "none"
