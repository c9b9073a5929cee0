"""What names may be. Called by model/spec, core and daemon, and inside runs: standard library only."""

MAX_NAME = 200
"""Characters of a name."""
DEFAULT_POOL = "process"
"""Where runs go that name no work pool; it is there, declared or not, as a pool of the type of that name."""
DEFAULT_QUEUE = "default"
"""Every work pool has it, declared or not."""


def name_fault(name: str) -> str | None:
    """What is wrong with a name, or None: 1 to 200 printable characters, no `/`, not starting with `-` or `.`."""
    if not 1 <= len(name) <= MAX_NAME:
        return f"must have 1 to {MAX_NAME} characters"
    if not name.isprintable() or name != name.strip():
        return "must be printable, without spaces at its ends"
    if "/" in name:
        return "must not contain `/`"
    if name[0] in "-.":
        return "must not start with `-` or `.`"
    return None
