"""What follows from facts once they are durable: launches, signals, words to runs. Called by the loop, at its end.

Each act is safe to ask twice, so a start does them again for every run that is not over.
"""

import logging
from collections.abc import Callable, Sequence

from reconciler import daemon as shell
from reconciler.core import job_variables
from reconciler.core.report import Report
from reconciler.core.script import TRIGGER
from reconciler.daemon.orders import Launch
from reconciler.daemon.payloads import Payloads
from reconciler.daemon.places import Stands
from reconciler.daemon.supervise import Supervisor
from reconciler.model.fact import Event
from reconciler.model.state import ACTIVE, FINAL, Observed, Run, State

log = logging.getLogger("reconciler")

SERVED = "served"
"""In a run's detail: the pid of the serving process that took it."""
ENDED = {f"Run{state}" for state in FINAL}
RESTS = {f"Run{state}" for state in (State.SUSPENDED, State.AWAITING_RETRY)}
"""An attempt is over, its run is not."""
ENDS_HOLD = {"DeploymentReleased", "DeploymentPruned"}
"""The commit that a quarantine held is needed no longer."""


class Acts:
    """Carries out what the log says."""

    def __init__(self, supervisor: Supervisor, payloads: Payloads, post: Callable[[Report], None]) -> None:
        self._supervisor = supervisor
        self._payloads = payloads
        self._post = post

    def carry_out(self, events: Sequence[Event], observed: Observed) -> None:
        """Do what these facts, durable now, ask for."""
        for event in events:
            if event.type == "RunCreated":
                self._supervisor.expect(event.subject, event.data.get("source_commit"))
            elif event.type == "RunPending":
                self._launch(observed.runs[event.subject], observed)
            elif event.type == "RunCancelling":
                self._supervisor.stop(event.subject)
            elif event.type == "RunResumed":
                self.let_go_on(observed.runs.get(event.subject))
            elif event.type == "DeploymentQuarantined":
                data = event.data
                self._keep(event.subject, data["version"], _why(event), data["held"]["source"].get("commit"))
            elif event.type in ENDS_HOLD:
                self._let_go(event)
            elif event.type in RESTS:
                self._supervisor.rest(event.subject)
            elif event.type in ENDED:
                self._supervisor.forget(event.subject)

    def adopt(self, observed: Observed) -> None:
        """After a start: watch the runs that live, launch those that never started, hear of those that ended."""
        for deployment in observed.deployments.values():
            if held := deployment.quarantine:
                self._keep(deployment.name, held.version, f"{held.reason} ({held.who})", deployment.source.commit)
        for run in observed.runs.values():
            self._supervisor.expect(run.id, run.source_commit)
            if run.state in ACTIVE:
                self._launch(run, observed)
            if run.state is State.CANCELLING:
                self._supervisor.stop(run.id)
            self.let_go_on(run)

    def _keep(self, name: str, version: str, why: str, commit: str | None) -> None:
        log.warning("%s is held at version %s: %s", name, version, why)
        self._supervisor.expect(_hold(name), commit)

    def _let_go(self, event: Event) -> None:
        if event.type == "DeploymentReleased":
            log.info("%s is released: %s", event.subject, _why(event))
        self._supervisor.spare(_hold(event.subject))

    def abandon(self, run: Run) -> None:
        """Nothing is asked of a run any more: end what is left of it. A call in a script is never disturbed."""
        if run.trigger != TRIGGER:
            self._supervisor.abandon(run, _keeper(run))

    def again(self, run: str) -> None:
        """A report could not be recorded: it is to be heard again."""
        self._supervisor.again(run)

    def let_go_on(self, run: Run | None) -> None:
        """Tell a paused run, again should the word have been lost, that an operator let it go on."""
        if run is not None and run.state is State.PAUSED and run.detail.get("resumed") == run.detail["pauses"]:
            self._supervisor.resume(run.id, run.detail["pauses"])

    def _launch(self, run: Run, observed: Observed) -> None:
        base = job_variables.defaults(observed.pools.get(run.pool) or {})
        if not all(map(self._payloads.has, (run.spec, run.parameters, run.variables))):
            self._fail(run, "what it was created with was purged")
            return
        spec, value = self._payloads.spec(run.spec), self._payloads.value
        own = (spec.get("work_pool") or {}).get("job_variables") or {}
        whole = job_variables.merge(base, own, value(run.variables))
        # A spec is checked with the pool that it met then; pools and their defaults change apart from it.
        if (
            run.state is State.PENDING
            and whole
            and (faults := shell.words.misfits(str(run.detail.get("pool_type") or run.pool), whole))
        ):
            self._fail(run, f"its job variables do not fit work pool {run.pool}: {'; '.join(faults)}")
            return
        stands = _stands(run, observed)
        what = Launch(spec, value(run.parameters), _keeper(run), base, value(run.variables), observed.revision, stands)
        self._supervisor.launch(run, what)

    def _fail(self, run: Run, why: str) -> None:
        """End an attempt that cannot be started, and that no retry would help."""
        final = {"fact": "failed", "message": why, "retry": False}
        self._post(Report(run.id, run.attempt, (), final, None, dead=True))


def _hold(deployment: str) -> str:
    """Under what the commit of a held version is pinned: no run's id reads like it."""
    return f"quarantine {deployment}"


def _keeper(run: Run) -> str:
    """What keeps a run's process: the type of its work pool as it was when it took its slot, or who took it over."""
    if run.trigger == TRIGGER:
        return TRIGGER
    return SERVED if SERVED in run.detail else str(run.detail.get("pool_type") or run.pool)


def _stands(run: Run, observed: Observed) -> Stands | None:
    known = observed.deployments.get(run.deployment)
    return Stands(known.file, known.line, observed.env) if known else None


def _why(event: Event) -> str:
    return f"{event.data['reason']} ({event.data['who']})"
