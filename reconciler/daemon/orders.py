"""A run of the log as an order for its process: everything resolved, so that a run looks nothing up. Used by supervise."""

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from reconciler import plugins, pools
from reconciler.core import version
from reconciler.daemon.config import MIB, Settings, passed_on
from reconciler.daemon.copies import Copies
from reconciler.daemon.state_dir import StateDir
from reconciler.git import pins
from reconciler.git.repository import Repository
from reconciler.model.errors import StepError
from reconciler.model.ids import instant
from reconciler.model.plan import Json, Source
from reconciler.model.state import Run
from reconciler.pools import Pool

PoolOf = Callable[[str], Mapping[str, Json]]


class Orders:
    """Writes orders, keeps pools open, pins commits, prepares working copies."""

    def __init__(
        self, state: StateDir, settings: Settings, location: Path, git_dir_of: Callable[[Source], Path], ours: Callable[[str], bool]
    ) -> None:
        self._state = state
        self._settings = settings
        self._location = location
        self._git_dir_of = git_dir_of
        self._ours = ours
        self._pools: dict[str, Pool] = {}
        self._pinned: dict[str, int] = {}
        self._commits: dict[str, str] = {}
        self.copies = Copies(state.copies, settings.copies_mib * MIB)

    def make(self, run: Run, spec: Mapping[str, Json], parameters: Mapping[str, Json]) -> dict[str, Json]:
        """The order of a run's current attempt."""
        variables = dict((spec.get("work_pool") or {}).get("job_variables") or {})
        flow = dict(spec.get("flow") or {})
        return {
            "run": run.id,
            "attempt": run.attempt,
            "name": run.name,
            "deployment": run.deployment,
            "flow_name": spec["flow_name"],
            "version": run.version,
            "spec_commit": run.spec_commit,
            "source_commit": run.source_commit,
            "generation": run.generation,
            "due": instant(run.due),
            "state_dir_copies": str(self._state.copies),
            "git_dir": str(self._location),
            "pull": self._pull(run, spec),
            "entrypoint": spec["entrypoint"],
            "path": spec.get("path"),
            "parameters": dict(parameters),
            "timeout_seconds": flow.get("timeout_seconds"),
            "env": passed_on(self._settings.pass_env) | dict(variables.get("env") or {}),
            "flow": flow,
            "limits": {"output_bytes": self._settings.output_mib * MIB},
            "notify": str(self._state.address("notify")),
        }

    def _pull(self, run: Run, spec: Mapping[str, Json]) -> list[Json]:
        """The pull steps with each clone bound to the recorded commit."""
        if spec.get("pull") is None:
            return [self._clone({"step": "git_clone", "id": None, "inputs": {}}, Source(version.WHOLE_KIND), run)]
        bound = []
        for step in spec["pull"]:
            if step["step"] in version.CLONES:
                (source,) = version.sources([step], self._ours)
                bound.append(self._clone({**step, "step": "git_clone"}, source, run))
            else:
                bound.append(dict(step))
        return bound

    def _clone(self, step: dict[str, Json], source: Source, run: Run) -> dict[str, Json]:
        inputs = {
            **step["inputs"],
            "git_dir": str(self._git_dir_of(source)),
            "commit": source.commit or run.source_commit,
            "directories": list(source.directories),
        }
        return {**step, "inputs": inputs}

    def write(self, folder: Path, order: Mapping[str, Json]) -> None:
        """Make the directory of an attempt and put the order in it, whole or not at all."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / ".order"
        with open(draft, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:  # noqa: PTH123 - mode
            json.dump(order, file)
        draft.replace(folder / "order.json")

    def pool(self, kind: str) -> Pool:
        """The open pool of a type. Raises UnknownWordError."""
        if kind not in self._pools:
            self._pools[kind] = plugins.load(pools, Pool, kind)()  # type: ignore[type-abstract]
        return self._pools[kind]

    # --- commits that runs need ------------------------------------------------------------------------------------

    def pin(self, run: str, commit: str) -> None:
        """Keep a commit from git gc while a run needs it; checked again before each launch."""
        self._commits[run] = commit
        with contextlib.suppress(OSError), Repository.open(self._location, trust_owner=True) as repo:
            if repo.has(commit):
                pins.pin(repo, commit)

    def unpin(self, needed: set[str]) -> None:
        """Let go of every commit that no run needs."""
        with Repository.open(self._location, trust_owner=True) as repo:
            for commit in pins.pinned(repo) - needed:
                pins.unpin(repo, commit)

    def close(self) -> None:
        """Let go of the pools; their runs go on."""
        self.copies.close()
        for pool in self._pools.values():
            pool.close()


def require(commit: str | None, repo: Repository) -> None:
    """Raises StepError where the recorded commit is not there: another commit is never run instead."""
    if commit and not repo.has(commit):
        raise StepError(f"the recorded commit {commit[:12]} is not in the repository any more")
