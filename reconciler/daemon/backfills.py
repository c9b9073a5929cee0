"""A backfill as the socket asks for it: its words checked, then decided on the loop. Called by daemon/requests."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from reconciler.core import backfill, commands, rows
from reconciler.daemon.given import text as _text
from reconciler.daemon.loop import Loop
from reconciler.model.errors import InvalidRequestError
from reconciler.model.fact import Fact
from reconciler.model.ids import instant
from reconciler.model.plan import Json
from reconciler.model.state import Run

MOST_RUNS = 100_000
"""Runs of slots that one request looks at."""
FIRST_YEAR, LAST_YEAR = 1970, 9000


def wanted(args: Mapping[str, Any]) -> backfill.Wanted:
    """What is asked for. Raises InvalidRequestError."""
    limit, reprocess = args.get("limit", 100), args.get("reprocess", "none")
    if not isinstance(limit, int) or not 1 <= limit <= backfill.MOST or reprocess not in backfill.REPROCESS:
        raise InvalidRequestError(f"limit is 1 to {backfill.MOST}; reprocess is {', '.join(backfill.REPROCESS)}")
    return backfill.Wanted(
        deployment=_text(args, "deployment"),
        first=_day_or_moment("from", _text(args, "from")),
        last=_day_or_moment("to", _text(args, "to")),
        key=_text(args, "key"),
        schedule=_text(args, "schedule") if args.get("schedule") else None,
        limit=limit,
        reprocess=reprocess,
    )


def decide(loop: Loop, now: datetime, wish: backfill.Wanted, who: str, *, dry: bool) -> tuple[Json, list[Fact]]:
    """`{slots: [{due, schedule, runs, why}], created, cut, before}`, and the facts.

    `cut` says that the span reached past now, `before` is a run that the same key made.
    """
    observed = loop.ledger.observed
    deployment = commands.find(observed, wish.deployment)
    before = loop.ledger.run_of_key(wish.deployment, wish.key)
    if before is not None:
        return {"slots": [], "created": 0, "cut": False, "before": before}, []
    found = backfill.slots(deployment, wish, now, _runs(loop, wish, now))
    asked = backfill.Asked(wish, now, who, loop.payloads.parameters)
    facts = [] if dry else backfill.facts(observed, asked, found)
    told = [{"due": instant(s.due), "schedule": s.scheduled.id, "runs": s.runs, "why": s.why} for s in found]
    cut = any(backfill.span(s, wish, now)[1] == now for s in backfill.chosen(deployment, wish.schedule))
    return {"slots": told, "created": max(0, len(facts) - 1), "cut": cut, "before": None}, facts


def _runs(loop: Loop, wish: backfill.Wanted, now: datetime) -> list[Run]:
    """The runs of the deployment's slots around what is asked for: those in the store, and those of this turn."""
    stored = loop.ledger.store.slots_run(wish.deployment, *wish.around(now), limit=MOST_RUNS)
    live = {r.id: r for r in loop.ledger.observed.runs.values() if r.deployment == wish.deployment and r.schedule}
    return [*({row["id"]: rows.run_of(row) for row in stored} | live).values()]


def _day_or_moment(key: str, text: str) -> date | datetime:
    """A day as `2024-03-09`, or a moment; without an offset it is UTC. Raises InvalidRequestError."""
    try:
        at = date.fromisoformat(text) if len(text) == len("2024-03-09") else datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise InvalidRequestError(
            f"--{key}: {text[:40]!r} is no day and no moment", hint="write 2024-03-09, or 2024-03-09T00:00:00Z"
        )
    if not isinstance(at, datetime):
        return at
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
