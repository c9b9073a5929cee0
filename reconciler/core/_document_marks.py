"""Where each value and key of a YAML file stands, through anchors and merges. Made by core/document for core/parse."""

from dataclasses import dataclass, field
from functools import cached_property

Path = tuple[str | int, ...]
"""Keys and indexes from the top of a file to a value."""
Position = tuple[int, int]
"""Line and column, both from 1."""

_HOPS = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads: the path as written (at the anchor, when it runs through an alias) and its position."""

    path: Path
    position: Position
    anchor: Path | None = None
    """The path of the anchored value that an alias led to."""


@dataclass(frozen=True)
class Marks:
    """Positions by path; aliases and merges as links from their user's path to the path that was anchored."""

    values: dict[Path, Position] = field(default_factory=dict)
    keys: dict[Path, Position] = field(default_factory=dict)
    links: dict[Path, Path] = field(default_factory=dict)
    names: dict[Path, str] = field(default_factory=dict)
    """Anchor names by the path of the anchored value."""

    def resolve(self, path: Path) -> tuple[Path, Path | None]:
        """The path as written, following aliases and merges, and the anchored path it went through last, if any."""
        anchor = None
        for _ in range(_HOPS):
            step = next((i for i in range(1, len(path) + 1) if path[:i] in self.links), None)
            if step is None:
                break
            target = self.links[path[:step]]
            anchor = target if target in self.names else anchor
            path = target + path[step:]
        return path, anchor

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where a value (or, with `key`, its key) stands; for what is absent, where its nearest parent stands."""
        if key and path:
            holder, anchor = self.resolve(path[:-1])
            # An aliased value's own key stands where the alias is used; a merged key stands at the anchor.
            written = (*holder, path[-1])
            if written in self.keys:
                return Place(written, self.keys[written], anchor)
        written, anchor = self.resolve(path)
        if key and written in self.keys:
            return Place(written, self.keys[written], anchor)
        for end in range(len(written), -1, -1):
            if written[:end] in self.values:
                return Place(written, self.values[written[:end]], anchor)
        return Place(written, (1, 1), anchor)

    def locate(self, path: Path, *, key: bool = False) -> Position:
        """Line and column of a value or of its key."""
        return self.place(path, key=key).position

    def users(self, anchor: Path) -> list[Path]:
        """The paths at which an anchored value is used by alias or merge."""
        return self.uses.get(anchor, [])

    @cached_property
    def uses(self) -> dict[Path, list[Path]]:
        """The users of each anchored path."""
        uses: dict[Path, dict[Path, None]] = {}
        for user, target in self.links.items():
            if target in self.names:
                uses.setdefault(target, {})[user[: user.index("<<")] if "<<" in user else user] = None
        return {anchor: list(users) for anchor, users in uses.items()}


def dotted(path: Path) -> str:
    """A path as people read it: `deployments[0].schedules[1].cron`, long keys cut."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{clip(part)}" if text else clip(part)
    return text


def clip(text: str, width: int = 60) -> str:
    """Text on one line, printable, and no longer than `width`."""
    if len(text) <= width and text.isprintable():
        return str(text)
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: width + 1])
    return shown if len(shown) <= width else shown[: width - 1] + "…"
