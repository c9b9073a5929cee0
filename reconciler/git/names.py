"""Names and links that a hostile tree may hold, and which of them may touch a disk. Called by checkout."""

import re

_PLAIN = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_IGNORED_BY_HFS = dict.fromkeys(
    (0x200C, 0x200D, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF), ""
)


def refusal(name: bytes) -> str | None:
    """Why one name of a tree may not be written; None when it may.

    A copy may be moved to another file system, so what any of them reads as `.git` or `..` is refused on all.
    """
    if _PLAIN.fullmatch(name):
        return None
    if not name:
        return "an empty name"
    if b"/" in name or b"\0" in name:
        return "a name with a separator in it"
    text = name.decode("utf-8", "surrogateescape")
    for part in text.split("\\"):
        plain = part.translate(_IGNORED_BY_HFS).partition(":")[0].casefold()
        bare = plain.rstrip(" .")
        if part in (".", "..") or (part and not bare and plain.startswith(".")):
            return "a name that means another folder"
        if bare == ".git" or (bare.startswith("git~") and bare[4:].isdigit()):
            return "a name that git keeps for itself"
    return None


def link_refusal(folder: str, target: bytes) -> str | None:
    """Why a symlink in `folder` (from the top, `""` is the top) may not point there; None when it may.

    `..` is allowed only at the front, where it climbs real folders: behind a name, that name may itself be a link.
    """
    if not target or b"\0" in target:
        return "it points nowhere"
    if target.startswith(b"/"):
        return "it points to an absolute path"
    depth = folder.count("/") + 1 if folder else 0
    down = False
    for part in target.split(b"/"):
        if part == b"..":
            depth -= 1
            if down or depth < 0:
                return "it points out of the repository" if depth < 0 else "it climbs after descending"
        elif part not in (b"", b"."):
            down = True
            if part.lower() == b".git":
                return "it points into .git"
            depth += 1
    return None
