"""What a change of a deployment does to its runs that exist (DESIGN section 5, Pinned). Called by plan and commands.

Pruning, pausing or suspending cancels scheduled runs that have not started; manual ones wait, and are cancelled when
the deployment is pruned; running ones go on. A change of spec or source changes later runs only.
"""

from datetime import datetime

from reconciler.core import due
from reconciler.model.events import Fact, RunMoved
from reconciler.model.plan import Action, Desired, Plan
from reconciler.model.state import QUEUED, Observed, State


def cancelled(observed: Observed, name: str, reason: str, *, manual: bool) -> list[Fact]:
    """The queued runs of a deployment that will not start; `manual` says whether those asked for by hand count."""
    return [
        RunMoved(run=r.id, state=State.CANCELLED, attempt=r.attempt, reason=reason)
        for r in observed.runs.values()
        if r.deployment == name and r.state in QUEUED and (manual or r.trigger == "schedule")
    ]


def before(plan: Plan, desired: Desired, observed: Observed, now: datetime) -> list[Fact]:
    """The facts that come before a plan's own: slots that passed while standing still, and runs that will not start."""
    facts: list[Fact] = []
    for change in plan.changes:
        known = observed.deployments.get(change.deployment)
        if known is None:
            continue
        if known.suspended or known.paused:
            hold = known.suspended
            facts += due.skipped(known, now, f"suspended by {hold.who}: {hold.reason}" if hold else "paused in git")
        else:
            facts += due.skipped(known, now, "the schedule was inactive", inactive_only=True)
        if change.action is Action.PRUNE:
            facts += cancelled(observed, known.name, "the deployment was pruned", manual=True)
        elif change.declared is not None and desired.specs[change.declared.digest].get("paused"):
            facts += cancelled(observed, known.name, "the deployment was paused in git", manual=False)
    return facts
