"""What a plan came to, said in the daemon's output once it is durable. Called by loop and previews."""

import logging

from reconciler.model.plan import Plan

log = logging.getLogger("reconciler")

MOST = 10
"""Problems that are named one by one."""


def applied(made: Plan) -> None:
    """What a revision came to, and what is wrong with it."""
    if made.refused:
        log.warning(
            "revision %s refused: %s; to apply it: %s", made.revision[:8], made.refused.reason, made.refused.confirm
        )
        return
    log.info("revision %s applied: %s", made.revision[:8], _counts(made))
    for change in made.pools:
        log.info("work pool %s %s: %s", change.pool, change.action.past, change.reason)
    _problems(made, "", "plan")


def previewed(branch: str, made: Plan) -> None:
    """What a branch came to as a preview."""
    log.info("preview of %s at %s: %s", branch, made.revision[:8], _counts(made))
    _problems(made, f"preview of {branch}: ", "status")


def _counts(made: Plan) -> str:
    changed = [f"{count} {action.past}" for action, count in made.counts.items()]
    return ", ".join([*changed, f"{len(made.moved.deployments)} moved"])


def _problems(made: Plan, of: str, verb: str) -> None:
    for problem in made.problems[:MOST]:
        log.warning("%s%s", of, problem)
    if len(made.problems) > MOST:
        log.warning("and %d more problems: see `reconciler %s`", len(made.problems) - MOST, verb)
