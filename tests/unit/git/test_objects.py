"""Objects written as deltas, against the real git; and packs whose deltas lead nowhere."""

import hashlib
import struct
import zlib
from contextlib import closing

import pytest
from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from helpers_git import Repo

from reconciler.git.objects import BLOB, Objects, TooLargeError
from reconciler.model.errors import SourceUnavailableError

LINES = [f"line {n} of a text that changes a little each time\n" for n in range(60)]
OFFSET, NAME = 6, 7


@pytest.mark.parametrize("by_offset", ["true", "false"])
def test_chains_of_deltas_are_read_as_git_reads_them(tmp_path, by_offset):
    repo = Repo(tmp_path / "r")
    texts = ["".join(LINES[:n] + [f"edition {n}\n"] * 3 + LINES[n:]) for n in range(0, 60, 3)]
    repo.commit({f"f{n}": text for n, text in enumerate(texts)})
    repo.git("-c", f"repack.useDeltaBaseOffset={by_offset}", "repack", "-adfq", "--depth=50")
    listed = repo.git("cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname) %(deltabase)")
    blobs = [line.split() for line in listed.splitlines() if line.startswith("blob")]
    assert sum(base != "0" * 40 for _, _, base in blobs) > 10
    with closing(Objects(repo.path / ".git/objects", DEFAULT_OBJECT_FORMAT)) as objects:
        read = [objects.read(name, 10_000) for _, name, _ in blobs]
        assert sorted(read) == sorted((BLOB, text.encode()) for text in texts)
        for _, name, _ in blobs:  # what is kept of the first reading is refused by its size too
            with pytest.raises(TooLargeError):
                objects.read(name, 100)


OWN = "ab" * 20


@pytest.mark.parametrize(
    ("kind", "base"),
    [(NAME, bytes.fromhex(OWN)), (NAME, bytes(20)), (OFFSET, b"\0"), (OFFSET, b"\x40"), (OFFSET, b"\xff" * 200)],
    ids=["on itself", "on what is not there", "on nothing before it", "before the pack", "without end"],
)
def test_a_delta_that_leads_nowhere_is_an_object_that_cannot_be_read(tmp_path, kind, base):
    delta = b"\5\5\x90\5"
    pack = b"PACK" + struct.pack(">II", 2, 1) + bytes([kind << 4 | len(delta)]) + base + zlib.compress(delta)
    pack += hashlib.sha1(pack, usedforsecurity=False).digest()
    fan = b"".join(struct.pack(">I", n >= int(OWN[:2], 16)) for n in range(256))
    index = b"\xfftOc\0\0\0\2" + fan + bytes.fromhex(OWN) + struct.pack(">II", 0, 12) + pack[-20:]
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/pack-x.pack").write_bytes(pack)
    (tmp_path / "pack/pack-x.idx").write_bytes(index + hashlib.sha1(index, usedforsecurity=False).digest())
    told = pytest.raises(SourceUnavailableError, match=f"object {OWN} cannot be read: ValueError")
    with closing(Objects(tmp_path, DEFAULT_OBJECT_FORMAT)) as objects, told:
        objects.read(OWN, 100)
