"""The directory of spec files: which files are specs, which are overlays. Called by daemon/observe and validate."""

from collections.abc import Iterator
from dataclasses import replace

from reconciler.core._parse_keys import nearest
from reconciler.engine.vault import ENCRYPTED
from reconciler.git import tree
from reconciler.git.repository import Repository
from reconciler.model.errors import SourceUnavailableError

ROOT_FILE = "prefect.yaml"
YAML = (".yaml", ".yml")
OVERLAYS = "env"


class SpecDir:
    """The directory of spec files, by its path from the top of the repository."""

    def __init__(self, path: str) -> None:
        self.path = "" if path.strip("/") == "." else path.strip("/")
        self.inside = f"{self.path}/" if self.path else ""
        self.secrets = f"{self.inside}{ENCRYPTED}"
        """The folder of encrypted files."""
        self._apart = (f"{self.inside}{OVERLAYS}", self.secrets)
        """Nothing below these is read as a spec."""

    def is_spec(self, path: str) -> bool:
        """Whether a file of this path is read as specs."""
        inside = path.startswith(self.inside) and path.endswith(YAML)
        return path == ROOT_FILE or (inside and "/." not in f"/{path}" and not self._is_apart(path))

    def stands_for_specs(self, entry: tree.Entry) -> bool:
        """Whether a link or submodule lies where a folder of specs could: its specs are not simply gone."""
        name = entry.path.rpartition("/")[2]
        elsewhere = entry.mode in (tree.SYMLINK, tree.GITLINK)
        inside = elsewhere and entry.path.startswith(self.inside) and not self._is_apart(entry.path)
        return inside and "." not in name and "/." not in f"/{entry.path}"

    def listed(self, repo: Repository, top: str) -> Iterator[tree.Entry]:
        """Every file to read as specs in a tree, the one at the root included."""
        found = tree.lookup(repo, top, self.path)
        if found is not None and found.mode != tree.DIRECTORY:
            yield replace(found, path=self.path)
        elif found is not None:
            walked = tree.walk(repo, top, self.path)
            yield from (e for e in walked if self.is_spec(e.path) or self.stands_for_specs(e))
        root = tree.lookup(repo, top, ROOT_FILE)
        if root is not None and self.path:
            yield root

    def environments(self, repo: Repository, top: str) -> dict[str, tree.Entry]:
        """The overlays of a tree by the name of their environment."""
        folder = tree.lookup(repo, top, self._apart[0])
        if folder is None or folder.mode != tree.DIRECTORY:
            return {}
        found: dict[str, tree.Entry] = {}
        for entry in tree.walk(repo, top, self._apart[0]):
            name, dot, ending = entry.path.removeprefix(f"{self._apart[0]}/").rpartition(".")
            if f"{dot}{ending}" in YAML and "/" not in name and name:
                found.setdefault(name, entry)  # .yaml is listed before .yml
        return found

    def overlay(self, repo: Repository, top: str, name: str) -> tree.Entry:
        """The overlay of an environment. Raises SourceUnavailableError where there is none: no other state is meant."""
        for ending in YAML:
            entry = tree.lookup(repo, top, f"{self._apart[0]}/{name}{ending}")
            if entry is not None:
                return entry
        known = sorted(self.environments(repo, top))
        path = self.overlay_path(name)
        raise SourceUnavailableError(
            f"there is no environment {name!r} here: no {path}{nearest(name, known)}",
            hint=f"known: {', '.join(known)}" if known else f"commit {path}, or serve without --env",
        )

    def overlay_path(self, name: str) -> str:
        """Where the overlay of an environment is to be written."""
        return f"{self._apart[0]}/{name}.yaml"

    def _is_apart(self, path: str) -> bool:
        return any(path == folder or path.startswith(f"{folder}/") for folder in self._apart)
