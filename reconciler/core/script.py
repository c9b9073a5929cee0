"""A flow that was called in a script: a run that nobody deployed, begun before it is told. Called by the loop."""

from dataclasses import dataclass
from datetime import datetime

from reconciler.model.events import RunCreated, RunMoved
from reconciler.model.fact import Fact
from reconciler.model.ids import instant, run_id, run_name
from reconciler.model.plan import Json
from reconciler.model.state import SCRIPT, State

TRIGGER = SCRIPT
VERSION = "none"
"""Of a run whose source nobody recorded."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a flow in a process that the daemon did not start."""

    flow: str
    """Its name."""
    key: str
    """Of this one call."""
    spec: str
    """Digest of `{flow_name, entrypoint}`: all that is known of it."""
    parameters: str
    """Digest of the arguments."""
    process: dict[str, Json]
    """`{pid, started, boot}` of who calls."""
    tags: tuple[str, ...] = ()


def called(call: Call, now: datetime, who: str) -> tuple[str, list[Fact]]:
    """The new run's id and its facts: it exists, and its process is about to begin. It waits for no slot."""
    ident = run_id("", f"{TRIGGER}\0{call.key}", now)
    created = RunCreated(
        run=ident,
        deployment="",
        name=run_name(ident),
        due=instant(now),
        trigger=TRIGGER,
        cause=call.key,
        who=who,
        parameters=call.parameters,
        spec=call.spec,
        version=VERSION,
        generation=0,
        tags=call.tags,
        pool="",
        queue="",
    )
    begun = RunMoved(
        run=ident,
        state=State.PENDING,
        attempt=1,
        reason=f"called by pid {call.process.get('pid')}",
        detail={"flow_name": call.flow, **call.process},
    )
    return ident, [created, begun]
