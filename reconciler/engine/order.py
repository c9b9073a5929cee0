"""What a run is to do: the order the daemon writes into the run directory. Read by the template and the run."""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

ORDER = "order.json"
OUTPUT_BYTES = 64 * 1024 * 1024
RESULT_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One attempt of a run, with everything resolved: a run looks nothing up.

    `pull` is `[{"step", "id", "inputs"}]`; of a git_clone the inputs also hold `git_dir` (whose objects to read),
    `commit`, `directories` and `submodules` (`[{"path", "git_dir", "commit"}]`). `due` is an RFC 3339 instant.
    `environments` is the folder of those that runs share, `lent` one whose environments may be entered but not added
    to, `python` the interpreter that has our git door. `limits` may
    hold `output_bytes` and `result_bytes`.
    """

    run: str
    attempt: int
    entrypoint: str
    name: str = ""
    deployment: str | None = None
    flow_name: str = ""
    version: str | None = None
    spec_commit: str | None = None
    source_commit: str | None = None
    generation: int = 0
    due: str | None = None
    state_dir_copies: str | None = None
    git_dir: str | None = None
    environments: str | None = None
    lent: str | None = None
    python: str | None = None
    pull: tuple[dict[str, Any], ...] = ()
    path: str | None = None
    parameters: dict[str, Any]
    timeout_seconds: float | None = None
    tags: tuple[str, ...] = ()
    labels: dict[str, Any]
    env: dict[str, str | None]
    flow: dict[str, Any]
    limits: dict[str, int]
    notify: str | None = None
    schema: dict[str, Any] | None = None
    """Of the parameters that hold placeholders, where the spec enforces one."""
    places: dict[str, str] = field(default_factory=dict)
    """Where placeholders stand in the spec files: `file:line` by name."""
    secrets: dict[str, Any] | None = None
    """Where secrets are looked for; None where the order refers to none."""
    timed: bool = True
    """Whether the flow's time is limited: not while a person looks into it."""
    templated: bool = True
    """Whether the text of the order holds anything like a placeholder."""

    @property
    def output_bytes(self) -> int:
        """How much of the output is kept."""
        return self.limits.get("output_bytes") or OUTPUT_BYTES

    @property
    def result_bytes(self) -> int:
        """The largest result or error kept, as JSON."""
        return self.limits.get("result_bytes") or RESULT_BYTES

    @property
    def cold(self) -> bool:
        """Whether the environment asks for something that only a fresh interpreter can obey."""
        return any(k.startswith(("PYTHON", "LD_", "MALLOC_", "LC_")) or k == "LANG" for k in self.env)


_KNOWN = frozenset(f.name for f in fields(Order))


def load(run_dir: Path) -> Order:
    """The order in a run directory. Raises OSError when there is none, ValueError when it is not one."""
    text = (run_dir / ORDER).read_bytes()
    data = json.loads(text)
    try:
        given = {k: v for k, v in data.items() if k in _KNOWN}
        given["templated"] = b"{{" in text or b"{%" in text or b"\\u" in text
        given["pull"] = tuple(given.get("pull") or ())
        given["tags"] = tuple(given.get("tags") or ())
        for mapping in ("parameters", "labels", "env", "flow", "limits", "places"):
            given[mapping] = dict(given.get(mapping) or {})
        return Order(**given)
    except (AttributeError, TypeError) as error:
        raise ValueError(f"{ORDER} is no order: {error}") from None
