"""A folder around a file written for Prefect: a flow for each entrypoint it names, so that only the YAML matters."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from reconciler.cli.validate import Target, _read
from reconciler.daemon.config import Settings
from reconciler.model.plan import Desired


def lay_out(root: Path, text: bytes, *, declares: str = "") -> None:
    """The file as prefect.yaml, its flows, its requirements, and the work pools that a second file declares."""
    (root / "prefect.yaml").write_bytes(text)
    (root / "requirements.txt").touch()
    if declares:
        (root / "specs").mkdir()
        (root / "specs/pools.yaml").write_text(declares)
    for file, functions in _entrypoints(text).items():
        place = root / file
        if ".." not in place.parts and place.is_relative_to(root):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("from reconciler import flow\n" + "".join(map(_flow, functions.items())))


def judged(root: Path) -> Desired:
    """What `validate` finds there."""
    (found,) = _read(Target(root, "specs"), Settings())
    return found.desired


def _entrypoints(text: bytes) -> dict[str, dict[tuple[str, str], set[str]]]:
    """By file: the functions that deployments name, with the flow's name, and the parameters they are given."""
    found: dict[str, dict[tuple[str, str], set[str]]] = defaultdict(dict)
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        return found
    listed = data.get("deployments") if isinstance(data, dict) else None
    for each in listed if isinstance(listed, list) else []:
        entry: Any = each.get("entrypoint") if isinstance(each, dict) else None
        if not isinstance(entry, str) or "\0" in entry:
            continue
        file, colon, function = entry.replace("\\", "/").rpartition(":")
        if not colon:
            file, _, function = entry.rpartition(".")
        if not file.endswith(".py"):
            file = file.replace(".", "/") + ".py"
        given, called = each.get("parameters"), each.get("flow_name")
        named = (
            called if isinstance(called, str) and called.lower().replace("_", "-") != function.replace("_", "-") else ""
        )
        names = found[file.lstrip("/")].setdefault((function, named), set())
        names |= set(given) if isinstance(given, dict) else set()
    return found


def _flow(function: tuple[tuple[str, str], set[str]]) -> str:
    (name, called), given = function
    arguments = ", ".join([*(f"{a}=None" for a in sorted(map(str, given)) if a.isidentifier()), "**others"])
    told = f"(name={called!r})" if called else ""
    return f"\n\n@flow{told}\ndef {name}({arguments}): ...\n" if name.isidentifier() else ""
