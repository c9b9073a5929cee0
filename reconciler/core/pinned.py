"""What a change of a deployment does to its runs that exist (DESIGN section 5, Pinned). Called by plan and commands.

Pruning, pausing or suspending cancels scheduled runs that have not started; manual ones wait, and are cancelled when
the deployment is pruned; running ones go on. A change of spec or source changes later runs only.
"""

from datetime import datetime

from reconciler.core import rest
from reconciler.model.events import RunMoved
from reconciler.model.fact import Fact
from reconciler.model.plan import Action, Desired, Plan
from reconciler.model.state import QUEUED, Observed, State

PRUNED = "the deployment was pruned"
PAUSED = "the deployment was paused in git"


def cancelled(observed: Observed, name: str, reason: str, *, manual: bool) -> list[Fact]:
    """The queued runs of a deployment that will not start; `manual` says whether those asked for by hand count."""
    return [
        RunMoved(run=r.id, state=State.CANCELLED, attempt=r.attempt, reason=reason)
        for r in observed.runs.values()
        if r.deployment == name and r.state in QUEUED and (manual or r.trigger == "schedule")
    ]


def before(plan: Plan, desired: Desired, observed: Observed, now: datetime) -> list[Fact]:
    """The facts that come before a plan's own: slots that passed and were not told, and runs that will not start."""
    facts: list[Fact] = []
    for change in plan.changes:
        known = observed.deployments.get(change.deployment)
        if known is None:
            continue
        facts += rest.skipped(known, now)
        spec = desired.specs[change.declared.digest] if change.declared else {}
        if change.action is not Action.UPDATE:  # one created takes the place of a preview's
            facts += rest.given_up(known, now, PRUNED, {})
            facts += cancelled(observed, known.name, PRUNED, manual=True)
        elif spec.get("paused"):
            facts += rest.given_up(known, now, PAUSED, {})
            facts += cancelled(observed, known.name, PAUSED, manual=False)
        elif known.quarantine is None:  # else its schedules stay as they are
            rules = {rule["id"]: rule for rule in spec.get("schedules") or ()}
            facts += rest.given_up(known, now, "the schedule was changed or removed", rules)
    return facts
