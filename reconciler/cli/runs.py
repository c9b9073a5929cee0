"""List runs, newest first, of a deployment or of all."""

from typing import Any

import click

from reconciler.cli import _clock
from reconciler.cli._log import deployment, payload, reading
from reconciler.cli._place import Place
from reconciler.cli._print import ahead, print_json, say, shortly, table, when
from reconciler.cli._waits import Waits
from reconciler.model.errors import InvalidRequestError, NotFoundError
from reconciler.model.plan import Json
from reconciler.model.state import State
from reconciler.stores import Log, RunFilter

PAGE = 500
WIDE = 160
"""Characters of a reason that the table shows: a flow may have raised a page."""
KEYS = (
    "id name deployment state reason version source_commit generation attempt due created_at started_at finished_at "
    "parameters trigger tags waiting"
).split()
"""Of `runs --json`, in order."""


@click.command("runs")
@click.argument("name", required=False)
@click.option("--state", "states", multiple=True, metavar="STATE", help="Only in this state; may be given again.")
@click.option("--tag", "tags", multiple=True, help="Only with this tag; given again, with all of them.")
@click.option("--since", metavar="TIME", help="Created at or after; without an offset it is UTC.")
@click.option("--until", metavar="TIME", help="Created before.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
@click.pass_obj
def command(
    obj: dict[str, Any],
    *,
    name: str | None,
    states: tuple[str, ...],
    tags: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List runs, newest first, of a deployment or of all.

    \b
    JSON: a list of {id, name, deployment, state, reason, version, source_commit, generation, attempt, due,
    created_at, started_at, finished_at, parameters, trigger, tags, waiting}; parameters are null once purged; waiting
    is {reason, since, until, next} of a run that waits, else null.
    """
    where = RunFilter(
        deployment=name,
        states=tuple(map(_state, states)),
        tags=tags,
        since=_clock.given("--since", since),
        until=_clock.given("--until", until),
    )
    place = Place.of(obj)
    with reading(place) as log:
        waits = Waits(place, log)
        rows = _found(log, where, limit)
        if not rows and name is not None:
            _known(log, name)
        if as_json:
            print_json([shown(log, row, waits) for row in rows])
            return
        lines = [_line(row, waits) for row in rows]
    if not rows:
        say("no runs" if where == RunFilter() else "no such runs")
        return
    titles: tuple[str, ...] = ("RUN", "DEPLOYMENT", "STATE", "VERSION", "TRY", "DUE", "FINISHED", "REASON")
    if any(line[-1] for line in lines):
        table((*titles, "NEXT"), lines)
    else:
        table(titles, [line[:-1] for line in lines])


def shown(log: Log, row: dict[str, Json], waits: Waits) -> dict[str, Json]:
    """A run as `--json` prints it."""
    parameters = payload(log, row["parameters"])
    return {key: row.get(key) for key in KEYS} | {"parameters": parameters, "waiting": waits.of(row)}


def _line(row: dict[str, Json], waits: Waits) -> tuple[object, ...]:
    """The last column is empty for a run that does not wait."""
    waiting = waits.of(row) or {}
    left = ahead(waiting.get("until"), waits.now)
    what = row["deployment"] or f"{row['detail'].get('flow_name')} (script)"
    then = f"{left}: {waiting['next']}" if left else waiting.get("next")
    return (
        row["id"], what, row["state"], row["version"], row["attempt"], when(row["due"]),
        when(row["finished_at"]), _brief(shortly(waiting.get("reason") or row["reason"])), shortly(then or ""),
    )  # fmt: skip


def _brief(reason: str) -> str:
    """A reason as a column bears it; `show` has the whole."""
    return reason if len(reason) <= WIDE else reason[: WIDE - 1] + "…"


def _found(log: Log, where: RunFilter, limit: int) -> list[dict[str, Json]]:
    rows: list[dict[str, Json]] = []
    while len(rows) < limit:
        before = rows[-1]["seq"] if rows else None
        page = log.runs(where, before_seq=before, limit=min(PAGE, limit - len(rows)))
        if not page:
            break
        rows += page
    return rows


def _known(log: Log, name: str) -> None:
    """A pruned deployment has a history; one that never was is a mistake. Raises NotFoundError."""
    try:
        deployment(log, name)
    except NotFoundError:
        if not log.events(subject=name, limit=1):
            raise


def _state(text: str) -> str:
    found = {state.lower(): str(state) for state in State}.get(text.lower())
    if found is None:
        raise InvalidRequestError(f"there is no state {text!r}", hint=f"known: {', '.join(State)}")
    return found
