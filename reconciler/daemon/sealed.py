"""Where the secrets of runs lie: said to a run by its order, to people by their names. Called by daemon/orders.py.

The daemon never reads a value: it says where to look, and lays the encrypted files of the applied revision beside the
order, as they are, of which the run decrypts what it needs.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reconciler.core import job_variables, references, version
from reconciler.daemon.config import Settings
from reconciler.engine import whole
from reconciler.engine.vault import ENCRYPTED, TYPES
from reconciler.git import tree
from reconciler.git.objects import TooLargeError
from reconciler.git.repository import Repository
from reconciler.model.plan import Json

MOST_FILES = 50
_KEY = re.compile(rb"(?:^|[\s\"'{,])([A-Za-z0-9_-]++)[\"']?[ \t]*+[:=]")
"""A name in an encrypted YAML, JSON or dotenv file: names are not encrypted."""
MOST_BYTES = 1024 * 1024
"""Of one encrypted file."""


class Sealed:
    """The places that the operator's settings and the repository give."""

    def __init__(self, settings: Settings, common: Path) -> None:
        """`common` is the git directory of the repository."""
        self._common = common
        self.places = [str(Path(place).expanduser().absolute()) for place in settings.secrets]
        self._for_previews = settings.preview_secrets
        under = settings.specs.strip("/")
        self._folder = ENCRYPTED if under in {"", "."} else f"{under}/{ENCRYPTED}"
        self._first = settings.env or ""

    def said(self, order: Mapping[str, Any], *, preview: bool, revision: str | None) -> dict[str, Json] | None:
        """What an order says of its secrets; None where it refers to none. A preview may have those listed for it."""
        wanted = mentioned(order)
        if not wanted:
            return None
        refused = [name for name in wanted if preview and name not in self._for_previews]
        allowed = [name for name in wanted if name not in refused]
        return {"places": self.places, "refused": refused, "allowed": allowed, "revision": revision}

    def lay_out(self, repo: Repository, folder: Path, said: dict[str, Json]) -> None:
        """Put the encrypted files that mention an allowed name beside the order, which then names them."""
        files = dict(self.encrypted(repo, said["revision"], said["allowed"]))
        if files:
            (folder / ENCRYPTED).mkdir(mode=0o700, exist_ok=True)
        for name, data in files.items():
            whole.put(folder / ENCRYPTED, name, data)
        said["encrypted"] = list(files)

    def encrypted(self, repo: Repository, revision: str | None, names: list[str]) -> Iterator[tuple[str, bytes]]:
        """The encrypted files at a revision that mention one of these names; first the one named as the environment."""
        top = repo.commit(revision).tree if revision and names else None
        found = tree.lookup(repo, top, self._folder) if top else None
        if top is None or found is None or found.mode != tree.DIRECTORY:
            return
        kinds = (tree.FILE, tree.EXECUTABLE)
        inside = [e for e in tree.walk(repo, top, self._folder) if e.mode in kinds and Path(e.path).suffix in TYPES]
        direct = [e for e in inside if e.path.count("/") == self._folder.count("/") + 1]
        direct.sort(key=lambda e: (Path(e.path).stem != self._first, e.path))
        for entry in direct[:MOST_FILES]:
            try:
                data = repo.blob(entry.id, MOST_BYTES)
            except TooLargeError:
                continue
            if not _mentioning(data).isdisjoint(map(_root, names)):
                yield Path(entry.path).name, data

    def told(self, what: Mapping[str, Json], revision: str | None, *, preview: bool) -> list[Json]:
        """The secrets that a deployment names, and what gives each: `{"name", "source", "needed", "refused"}`.

        Never a value. `source` is None where nothing gives it; `refused`: it is not for this preview.
        Raises SourceUnavailableError.
        """
        # Loaded by those that ask: the daemon itself looks nothing up.
        secrets = importlib.import_module("reconciler.engine.secrets")
        found: list[Json] = []
        wanted = mentioned(what)
        with Repository.open(self._common, trust_owner=True) as repo:
            files = {f: _mentioning(data) for f, data in self.encrypted(repo, revision, list(wanted))}
        for name, needed in wanted.items():
            refused = preview and name not in self._for_previews
            source = None if refused else secrets.where(name, self.places)
            if source is None and not refused:
                file = next((file for file, inside in files.items() if _root(name) in inside), None)
                source = f"{self._folder}/{file}" if file else None
            found.append({"name": name, "source": source, "needed": needed, "refused": refused})
        return found


def _mentioning(data: bytes) -> set[bytes]:
    """The names in an encrypted file, in one pass: a spec may ask for ten thousand."""
    return set(_KEY.findall(data))


def _root(name: str) -> bytes:
    return name.partition(".")[0].encode()


def of_spec(spec: Mapping[str, Json], base: Mapping[str, Json]) -> dict[str, Json]:
    """Where a deployment may name secrets, as in an order; `base`: its pool's job variables."""
    rules = [rule.get("parameters") or {} for rule in spec.get("schedules") or ()]
    own = (spec.get("work_pool") or {}).get("job_variables") or {}
    pull = [step for step in spec.get("pull") or () if step["step"] not in version.CLONES]
    return {
        "pull": pull,
        "parameters": [spec.get("parameters") or {}, *rules],
        "env": job_variables.merge(base, own).get("env") or {},
    }


def mentioned(what: Mapping[str, Any]) -> dict[str, bool]:
    """The secrets that an order refers to; whether without a fallback."""
    return references.of_run(what["pull"], what["parameters"], what["env"])
