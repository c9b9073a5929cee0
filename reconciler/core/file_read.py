"""What one spec file says at a revision, as kept between starts. Made by core/declare, joined by core/assemble."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.core.parse import Place
from reconciler.model.plan import Json, Problem, Source


@dataclass(frozen=True, slots=True)
class Entry:
    """A deployment that a file declares without fault; the commits of `source` are not resolved yet."""

    name: str
    line: int
    digest: str
    source: Source
    pool: str
    queue: str
    pool_at: Place
    """Where the file names the work pool."""
    queue_at: Place
    overlay: str = ""
    """The overlay that decides something of it: part of the paths whose newest change is its commit."""
    away: str = ""
    """Why its runs can be no processes of this host, and what makes them so, unless a file declares its work pool."""


Misfit = tuple[str, Place, str]
"""The type of a pool, and where and why it refuses a job variable."""


@dataclass(frozen=True, slots=True)
class FileRead:
    """What one spec file says at a revision."""

    file: str
    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    pools: Mapping[str, Json] = field(default_factory=dict)
    """Sound work pools by name: type, limit, paused, job variables, and `work_queues` by name."""
    pools_at: Mapping[str, Place] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    """The words of a file whose work pools cannot be read: what they may be called."""
    misfits: Mapping[str, tuple[Misfit, ...]] = field(default_factory=dict)
    """By deployment that names a work pool of another file: what of its job variables some type of pool refuses."""
    specs: Mapping[str, bytes] = field(default_factory=dict)
    """Effective specs as canonical JSON, by digest; kept only until they are in the store."""
    patched: tuple[int, ...] = ()
    """The patches of the overlay whose target something here fits."""

    @property
    def hides_pools(self) -> bool:
        """Whether it may have meant work pools that are not listed, as what declares them cannot be read."""
        return any(not p.key or p.key.startswith(("work_pools", "patches")) for p in self.problems)

    @property
    def hides_some(self) -> bool:
        """Whether it may have meant deployments or work pools that no patch could find."""
        return any(p.key.rpartition(".")[2] == "name" or "." not in p.key for p in self.problems)

    def json(self) -> dict[str, Json]:
        """As kept between starts; without the specs, which the store has."""
        return {
            "entries": [
                [e.name, e.line, e.digest, e.source.json(), e.pool, e.queue, e.pool_at, e.queue_at, e.overlay, e.away]
                for e in self.entries
            ],
            "problems": [p.json() for p in self.problems],
            "notes": [n.json() for n in self.notes],
            "pools": dict(self.pools),
            "pools_at": dict(self.pools_at),
            "hidden": self.hidden,
            "misfits": dict(self.misfits),
            "patched": self.patched,
        }


def read_of(file: str, data: Mapping[str, Json]) -> FileRead:
    """The inverse of `FileRead.json`."""
    return FileRead(
        file,
        tuple(
            Entry(name, line, digest, Source.load(source), pool, queue, _at(pool_at), _at(queue_at), overlay, away)
            for name, line, digest, source, pool, queue, pool_at, queue_at, overlay, away in data["entries"]
        ),
        tuple(Problem(**p) for p in data["problems"]),
        tuple(Problem(**n) for n in data["notes"]),
        data["pools"],
        {name: _at(place) for name, place in data["pools_at"].items()},
        tuple(data["hidden"]),
        {name: tuple((kind, _at(place), why) for kind, place, why in found) for name, found in data["misfits"].items()},
        patched=tuple(data["patched"]),
    )


def _at(place: Json) -> Place:
    file, line, column, key = place
    return file, line, column, key
