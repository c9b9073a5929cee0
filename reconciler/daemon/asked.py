"""What the socket answers beside decisions: runs looked up and waited for, scripts, serving processes. See wiring.

Runs on the thread of the connection. Whatever needs a decision goes through the loop like every other request.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.core import commands, job_variables, script
from reconciler.daemon import given, requests, served
from reconciler.daemon.loop import Loop
from reconciler.daemon.quarantines import Quarantines
from reconciler.daemon.retention import Retention
from reconciler.daemon.sealed import Sealed, of_spec
from reconciler.daemon.served import Served
from reconciler.daemon.state_dir import StateDir
from reconciler.engine.marker import Identity
from reconciler.model.duration import seconds
from reconciler.model.errors import ConflictError, InvalidRequestError, NotFoundError, StoreError
from reconciler.model.names import MAX_NAME
from reconciler.model.plan import Json
from reconciler.stores._reader import Reader

LONGEST = 25.0
"""Seconds that one question may wait for a run to end; who waits longer asks again."""
LOOK, SELDOM = 0.05, 0.5
"""Seconds between looks at a run that is waited for: at first, and after long; between them, a share of the wait."""
SHARE = 0.05
RUN_KEYS = (
    "id name deployment state final reason due created_at started_at finished_at attempt tags version source_commit "
    "trigger"
).split()


@dataclass(frozen=True, slots=True)
class Stay:
    """An answer after which the connection stays open; `then` has it until it ends."""

    value: Json
    then: Callable[[socket.socket], None]


class Asked:
    """Answers every verb."""

    def __init__(self, loop: Loop, state: StateDir, serving: Served, keeper: Retention, sealed: Sealed) -> None:
        self._sealed = sealed
        self._loop = loop
        self._state = state
        self._served = serving
        self._keeper = keeper
        self.quarantines: Quarantines | None = None
        """Finds what is to be held; given by wiring."""
        self._looking = threading.Lock()
        self._reader: Reader | None = None

    def answer(self, verb: str, args: Mapping[str, Any], who: str, line: socket.socket, pid: int) -> Json | Stay:
        """The value for one request. Raises what it was refused for."""
        if verb == "get_run":
            return self._run(args)
        if verb == "script":
            return self._script(args, who, pid)
        if verb == "serve":
            return self._serve(args, who, line, pid)
        if verb == "gc":
            return self._keeper.sweep(dry=bool(args.get("dry_run")))
        if verb == "secrets":
            what, revision, preview = requests.decided(self._loop, _secrets(args))
            return self._sealed.told(what, revision, preview=preview)
        if verb == "specs":
            return requests.decided(self._loop, _specs(args))
        if verb == "quarantine" and self.quarantines is not None:
            with closing(Reader.open(self._state.log)) as log:
                decide = self.quarantines.wanted(log, args, who)
            return requests.decided(self._loop, decide)
        return requests.answer(self._loop, verb, args, who)

    # --- runs --------------------------------------------------------------------------------------------------

    def _run(self, args: Mapping[str, Any]) -> Json:
        """The run `args["run"]`; with `wait`, once it is over or so many seconds have passed."""
        ident, wait = args.get("run"), args.get("wait") or 0.0
        is_number = isinstance(wait, int | float) and not isinstance(wait, bool)
        if not isinstance(ident, str) or not ident or not is_number or not wait >= 0:  # NaN is not
            raise InvalidRequestError("get_run takes a run and, perhaps, seconds to wait")
        began = time.monotonic()
        until = began + min(wait, LONGEST)
        while True:
            with self._looking, self._log() as log:
                row = log.run(ident)
                if row["final"] or time.monotonic() >= until:
                    return _told(log, row)
            time.sleep(min(max(LOOK, (time.monotonic() - began) * SHARE), SELDOM))

    @contextmanager
    def _log(self) -> Iterator[Reader]:
        """The one connection of all who wait, which may be hundreds; a new one after a fault."""
        self._reader = self._reader or Reader.open(self._state.log)
        try:
            yield self._reader
        except StoreError:
            self._reader.close()
            self._reader = None
            raise

    # --- scripts -----------------------------------------------------------------------------------------------

    def _script(self, args: Mapping[str, Any], who: str, pid: int) -> Json:
        """A flow is called in a process of the user's: record it, and say where its facts go."""
        caller = served.identity(args.get("process") or {}, pid)
        if caller is None:
            raise ConflictError("the caller is not a process of this machine, as the daemon sees it")
        call = _call(args, caller)
        ident = requests.decided(self._loop, lambda loop, now: _called(loop, now, call, who))
        folder = self._state.attempt(ident, 1)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return {"run": ident, "folder": str(folder.absolute()), "notify": str(self._state.root / "notify")}

    # --- serving processes ---------------------------------------------------------------------------------------

    def _serve(self, args: Mapping[str, Any], who: str, line: socket.socket, pid: int) -> Stay:
        caller = served.identity(args.get("process") or {}, pid)
        if caller is None:
            raise ConflictError("the serving process is not one of this machine, as the daemon sees it")
        names, limit = args.get("deployments"), args.get("limit")
        if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
            raise InvalidRequestError("deployments is a list of names")
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
            raise InvalidRequestError("limit is a whole number from 1, or null for any number of runs")

        def decide(loop: Loop, _now: datetime) -> tuple[Json, list[Any]]:
            missing = [n for n in names if n not in loop.ledger.observed.deployments]
            if missing:
                raise NotFoundError(f"git has no deployment {', '.join(missing)}", hint="commit its spec first")
            return self._served.join(caller, names, limit, line), []

        process = requests.decided(self._loop, decide)
        served.log.info("pid %d (%s) serves %s", pid, who, ", ".join(sorted(names)))
        return Stay({"deployments": sorted(names)}, lambda connection: self._served.listen(process, connection))


def _secrets(args: Mapping[str, Any]) -> requests.Decide:
    """Where the deployment `args["deployment"]` may name secrets, the applied revision, and whether it is a preview."""
    name = given.text(args, "deployment")

    def decide(loop: Loop, _now: datetime) -> requests.Decided:
        observed = loop.ledger.observed
        deployment = commands.find(observed, name)
        base = job_variables.defaults(observed.pools.get(deployment.pool) or {})
        what = of_spec(loop.payloads.spec(deployment.digest), base)
        return (what, observed.revision, bool(deployment.preview)), []

    return decide


def _specs(args: Mapping[str, Any]) -> requests.Decide:
    """What is applied, `{name: {spec, file, line, version} or null}`, and the names there are."""
    names = args.get("deployments")
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise InvalidRequestError("deployments is a list of names")

    def decide(loop: Loop, _now: datetime) -> requests.Decided:
        known, whole = loop.ledger.observed.deployments, loop.ledger.observed.whole_commit
        found = {
            name: {
                "spec": _in_seconds(loop.payloads.spec(known[name].digest)),
                "file": known[name].file,
                "line": known[name].line,
                "version": known[name].version(whole),
            }
            if name in known
            else None
            for name in names
        }
        return {"specs": found, "known": sorted(known)[:1000], "revision": loop.ledger.observed.revision}, []

    return decide


def _in_seconds(spec: Mapping[str, Json]) -> dict[str, Json]:
    """A spec whose intervals are numbers, however they were written."""
    rules = [
        r | ({"interval": seconds(r["interval"])} if r.get("interval") is not None else {}) for r in spec["schedules"]
    ]
    return {**spec, "schedules": rules}


def _call(args: Mapping[str, Any], caller: Identity) -> dict[str, Json]:
    flow, key, entrypoint = args.get("flow"), args.get("key"), args.get("entrypoint")
    parameters, tags = args.get("parameters") or {}, args.get("tags") or []
    if not isinstance(flow, str) or not 1 <= len(flow) <= MAX_NAME or not flow.isprintable():
        raise InvalidRequestError(f"flow is a name of 1 to {MAX_NAME} printable characters")
    if not isinstance(key, str) or not key or not isinstance(entrypoint, str):
        raise InvalidRequestError("key and entrypoint are texts")
    if not isinstance(parameters, dict) or not isinstance(tags, list) or not all(isinstance(t, str) for t in tags):
        raise InvalidRequestError("parameters is an object and tags are texts")
    process = {"pid": caller.pid, "started": caller.started, "boot": caller.boot}
    return {
        "flow": flow, "key": key, "entrypoint": entrypoint, "parameters": parameters, "tags": tags, "process": process,
    }  # fmt: skip


def _called(loop: Loop, now: datetime, call: Mapping[str, Json], who: str) -> requests.Decided:
    spec = {"flow_name": call["flow"], "entrypoint": call["entrypoint"]}
    return script.called(
        script.Call(
            call["flow"],
            call["key"],
            loop.payloads.keep("spec", spec),
            loop.payloads.keep("parameters", call["parameters"]),
            call["process"],
            tuple(call["tags"]),
        ),
        now,
        who,
    )


def _told(log: Reader, row: Mapping[str, Json]) -> Json:
    """A run as scripts get it, with what lies beside the chain; null once that was purged."""
    detail = row["detail"]

    def beside(digest: str | None) -> Json:
        body = log.payload(digest) if digest else None
        return json.loads(body) if body is not None else None

    return {
        **{key: row[key] for key in RUN_KEYS},
        "flow": detail.get("flow_name"),
        "parameters": beside(row["parameters"]),
        "result": beside(detail.get("result")),
        "error": beside(detail.get("error")),
    }
