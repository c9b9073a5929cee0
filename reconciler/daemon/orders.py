"""A run as an order for its process: everything resolved, so that a run looks nothing up. Used by supervise."""

import contextlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler import plugins, pools
from reconciler.core import job_variables, version
from reconciler.core.script import TRIGGER
from reconciler.daemon.config import MIB, Settings, passed_on
from reconciler.daemon.copies import Copies, Wanted
from reconciler.daemon.mirrors import Mirrors
from reconciler.daemon.sealed import Sealed
from reconciler.daemon.state_dir import StateDir
from reconciler.engine import whole
from reconciler.engine.order import ORDER
from reconciler.git import pins
from reconciler.git.checkout import scope
from reconciler.git.repository import Repository
from reconciler.model.errors import ReconcilerError, SourceUnavailableError, StepError
from reconciler.model.ids import instant
from reconciler.model.names import DEFAULT_POOL
from reconciler.model.plan import Json, Source, SourceKind
from reconciler.model.state import Run
from reconciler.pools import Pool
from reconciler.steps.git_clone import GitClone

FRESH = 5.0
"""Seconds that a repository stays open for the next launch."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What a run's order is made from."""

    spec: Mapping[str, Json]
    parameters: Mapping[str, Json]
    pool: str
    """The type of its pool."""
    base: Mapping[str, Json] = field(default_factory=dict)
    """The pool's defaults of job variables."""
    variables: Mapping[str, Json] = field(default_factory=dict)
    """Job variables given for this run alone."""
    revision: str | None = None
    """The applied revision, whose encrypted files it may need."""


class Orders:
    """Writes orders, keeps pools open, pins commits, has working copies prepared."""

    def __init__(
        self, state: StateDir, settings: Settings, common: Path, mirrors: Mirrors, keepers: Mapping[str, Pool]
    ) -> None:
        """`keepers` keep runs that go to no declared pool, by a word that is no pool's type."""
        self._common = common
        self._mirrors = mirrors
        self._passed_on = passed_on(settings.pass_env)
        self.sealed = Sealed(settings, common)
        self._same: dict[str, Json] = {
            "state_dir_copies": str(state.copies),
            "git_dir": str(common),
            "environments": str(state.environments),
            "python": sys.executable,
            "limits": {"output_bytes": settings.output_mib * MIB},
            "notify": str(state.root / "notify"),
        }
        """What every order says."""
        self._pools: dict[str, Pool] = dict(keepers)
        self._needed: dict[str, str] = {}
        self._pinned: dict[str, float] = {}
        """When each commit was last seen pinned."""
        self._open: dict[Path, tuple[float, Repository]] = {}
        self._copies = Copies(state.copies, settings.copies_mib * MIB)

    def make(self, run: Run, what: Launch) -> dict[str, Json]:
        """The order of a run's current attempt.

        Of a call in a script, who calls: nothing is left to do.
        """
        if run.trigger == TRIGGER:
            caller = {key: run.detail.get(key) for key in ("pid", "started", "boot")}
            return {"run": run.id, "attempt": run.attempt, "pull": [], "caller": caller}
        spec = what.spec
        own = (spec.get("work_pool") or {}).get("job_variables") or {}
        variables = job_variables.merge(what.base, own, what.variables)
        flow = dict(spec.get("flow") or {})
        order = {
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
            **self._same,
            "pull": self._pull(run, spec),
            "entrypoint": spec["entrypoint"],
            "path": spec.get("path"),
            "parameters": dict(what.parameters),
            "tags": list(run.tags),
            "labels": {**(spec.get("labels") or {}), **run.labels},
            "timeout_seconds": flow.get("timeout_seconds"),
            "env": self._passed_on | dict(variables.get("env") or {}),
            "flow": flow,
            **({"preview": run.preview} if run.preview else {}),
        }
        return order | {"secrets": self.sealed.said(order, preview=bool(run.preview), revision=what.revision)}

    def _pull(self, run: Run, spec: Mapping[str, Json]) -> list[Json]:
        """The pull steps with each clone bound to the recorded commit."""
        if spec.get("pull") is None:
            return [self._clone({"step": "git_clone", "id": None, "inputs": {}}, Source(SourceKind.WHOLE), run)]
        bound = []
        for step in spec["pull"]:
            if step["step"] in version.CLONES:
                (source,) = version.sources([step], self._mirrors.ours)
                bound.append(self._clone({**step, "step": "git_clone"}, source, run))
            else:
                bound.append(dict(step))
        return bound

    def _clone(self, step: dict[str, Json], source: Source, run: Run) -> dict[str, Json]:
        own = {name: value for name, value in step["inputs"].items() if name not in GitClone.TAKES_SECRETS}
        inputs = {
            **own,
            "git_dir": str(self._git_dir(source)),
            "commit": source.commit or run.source_commit,
            "directories": list(scope(source.directories)),
        }
        return {**step, "inputs": inputs}

    def write(self, folder: Path, order: Mapping[str, Json]) -> None:
        """Make the directory of an attempt and put the order in it, whole or not at all."""
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if said := order.get("secrets"):
            self.sealed.lay_out(self._repository(self._common), folder, said)
        whole.put(folder, ORDER, json.dumps(order).encode())

    def remove(self, work: Path) -> None:
        """A working copy goes, when there is time for it."""
        self._copies.remove(work)

    def warm(self) -> None:
        """Have the pool ready that most runs go to, and working copies prepared from now on."""
        self._copies.start()
        self.pool(DEFAULT_POOL).warm()

    def pool(self, kind: str) -> Pool:
        """The open pool of a type. Raises UnknownWordError."""
        if kind not in self._pools:
            self._pools[kind] = plugins.load(pools, Pool, kind)()  # type: ignore[type-abstract]
        return self._pools[kind]

    def _git_dir(self, source: Source) -> Path:
        return self._mirrors.git_dir(source) if source.repository else self._common

    # --- commits that runs need ------------------------------------------------------------------------------------

    def pin(self, run: str, commit: str) -> None:
        """Keep a commit of this repository from git gc while a run needs it."""
        self._needed[run] = commit
        if time.monotonic() - self._pinned.get(commit, -FRESH) < FRESH:
            return
        with contextlib.suppress(SourceUnavailableError):
            repo = self._repository(self._common)
            if repo.has(commit):
                pins.pin(repo, commit)
                self._pinned[commit] = time.monotonic()

    def check(self, order: Mapping[str, Json]) -> None:
        """Before a launch: the recorded commits are there, or nothing runs. Raises StepError."""
        for step in order["pull"]:
            inputs = step["inputs"]
            if "git_dir" not in inputs:
                continue
            git_dir, commit = Path(inputs["git_dir"]), inputs["commit"]
            repo = self._repository(git_dir)
            if not commit or not repo.has(commit):
                raise StepError(f"the recorded commit {(commit or '?')[:12]} is not in the repository any more")
            wanted = self._copies.want(Wanted(git_dir, commit, tuple(inputs["directories"])), repo)
            if inputs.get("include_submodules") is True:
                inputs["submodules"] = self._submodules(step)
                for each in inputs["submodules"]:
                    place = Path(each["git_dir"])
                    self._copies.want(Wanted(place, each["commit"], ()), self._repository(place))
            else:
                inputs["parcel"] = wanted

    def _submodules(self, step: Mapping[str, Json]) -> list[Json]:
        """Where each submodule of a clone's commit lies. Raises StepError where one is not here."""
        (source,) = version.sources([step], self._mirrors.ours)
        repo = self._repository(Path(step["inputs"]["git_dir"]))
        try:
            return self._mirrors.submodules(repo, repo.commit(step["inputs"]["commit"]).tree, source, fetch=False)
        except ReconcilerError as error:
            raise StepError(error.message, hint="see the notes of `reconciler plan`") from None

    def released(self, run: str) -> None:
        """A run is over; the pin of its commit goes with the next `sweep` unless another run needs it."""
        self._needed.pop(run, None)

    def sweep(self) -> None:
        """Let go of the pins that no run needs."""
        needed = set(self._needed.values())
        self._pinned.clear()
        with contextlib.suppress(SourceUnavailableError):
            repo = self._repository(self._common)
            for commit in pins.pinned(repo) - needed:
                pins.unpin(repo, commit)

    def _repository(self, git_dir: Path) -> Repository:
        """An open repository, for a while: git gc may drop objects behind one that is kept open."""
        now = time.monotonic()
        for place in [place for place, (opened, _) in self._open.items() if now - opened > FRESH]:
            self._open.pop(place)[1].close()
        if git_dir not in self._open:
            self._open[git_dir] = (now, Repository.open(git_dir, trust_owner=True))
        return self._open[git_dir][1]

    def close(self) -> None:
        """Let go of the pools; their runs go on."""
        self._copies.close()
        for pool in self._pools.values():
            pool.close()
        for _, repo in self._open.values():
            repo.close()
