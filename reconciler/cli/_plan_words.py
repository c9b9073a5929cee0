"""What every rendering of a plan says alike: its counts and its sentences. Called by the renderings."""

from reconciler.model.plan import Action, Plan
from reconciler.model.review import Review, Times

SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.PRUNE: "-"}
CAVEAT = "Versions are those of this head; a merge or squash makes another commit, and with it another version."


def counts(plan: Plan) -> str:
    """The plan in one line."""
    found = [f"{count} to {action}" for action, count in plan.counts.items() if count]
    if plan.moved.deployments:
        found.append(f"{len(plan.moved.deployments)} to move")
    if plan.pools:
        found.append(f"{many(len(plan.pools), 'work pool')} to change")
    if plan.problems:
        found.append(many(len(plan.problems), "problem"))
    if plan.refused:
        found.append("refused")
    return ", ".join(found) or "nothing to do, in sync"


def many(count: int, what: str) -> str:
    """`1 problem`, `2 problems`."""
    return f"{count} {what}{'s' * (count != 1)}"


def known(review: Review) -> str:
    """How many of the problems were there before."""
    old = sum(problem in review.known for problem in review.plan.problems)
    return f"{old} of {many(len(review.plan.problems), 'problem')} {'was' if old == 1 else 'were'} there before" * bool(
        old
    )


def daily(times: Times) -> str:
    """How many more or fewer runs a day."""
    if not times.daily:
        return ""
    return f"{many(abs(times.daily), 'more run' if times.daily > 0 else 'fewer run')} a day"


def in_full(review: Review) -> str:
    """The command that shows everything."""
    plan = review.plan
    return (
        f"reconciler plan {plan.base[:12]}..{plan.revision[:12]}"
        if plan.base
        else f"reconciler plan {plan.revision[:12]}"
    )
