"""Keeps our mirrors small: every fetch leaves a pack, and hundreds of packs cost descriptors. Called by remote."""

from pathlib import Path

from dulwich.object_store import DiskObjectStore
from dulwich.objects import ShaFile

_MANY = 50
_SMALL = 1 << 20


def merge_small(folder: Path, many: int = _MANY) -> None:
    """Write the objects of all small packs into one new pack and drop them, once there are more than `many`."""
    small = [file for file in (folder / "pack").glob("*.pack") if file.stat().st_size <= _SMALL]
    if len(small) <= many:
        return
    store = DiskObjectStore(str(folder))
    try:
        merged: dict[bytes, tuple[ShaFile, None]] = {}
        names = {file.stem for file in small}
        for pack in store.packs:
            if Path(pack.data.path).stem in names:
                merged.update((item.id, (item, None)) for item in pack.iterobjects())
        made = store.add_objects(list(merged.values()))
        kept = Path(made.data.path).stem if made is not None else ""
    finally:
        store.close()
    for file in small:
        if file.stem != kept:
            # The index first: a pack without one is not looked at.
            file.with_suffix(".idx").unlink(missing_ok=True)
            file.unlink(missing_ok=True)
