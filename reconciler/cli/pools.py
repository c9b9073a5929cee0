"""Show work pools and their queues: limits, who runs, and who waits for what since when."""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

import click

from reconciler.cli._log import observed as observe
from reconciler.cli._log import quickly, reading
from reconciler.cli._place import Place
from reconciler.cli._print import plain, print_json, say, table, when, word
from reconciler.core.admit import LAST
from reconciler.model.errors import NotFoundError
from reconciler.model.ids import instant
from reconciler.model.names import DEFAULT_QUEUE
from reconciler.model.plan import Json
from reconciler.model.state import ACTIVE, QUEUED, Observed, Run, State

MOST = 20
"""Runs listed of each kind; `--json` has all."""


@click.command("pools")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
@click.pass_obj
def command(obj: dict[str, Any], name: str | None, as_json: bool) -> None:
    """Show work pools and their queues: limits, who runs, and who waits for what since when.

    \b
    Declared ones, and those that need no declaration where a deployment or run is sent there. JSON: a list of
    {pool, type, file, paused, concurrency_limit, active, waiting, deployments, queues: [{queue, priority,
     concurrency_limit, paused, active, waiting}], running: [{run, deployment, queue, state, since}],
     waits: [{run, deployment, queue, state, since, due, reason}]}; waits in the order in which they will start.
    """
    with reading(Place.of(obj)) as log, quickly():
        observed = observe(log)
    found = [row for row in shown(observed) if name is None or row["pool"] == name]
    if name is not None and not found:
        known = [row["pool"] for row in shown(observed)]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}" if known else ""
        raise NotFoundError(f"there is no work pool {name!r}", hint=hint)
    if as_json:
        print_json(found)
        return
    if not found:
        say("no work pools: nothing declares one, and no deployment is there to be sent to one")
        return
    _show(found)


def shown(observed: Observed) -> Iterator[dict[str, Json]]:
    """Every work pool that is declared or used, as `--json` prints it, by name."""
    used = {d.pool for d in observed.deployments.values()} | {r.pool for r in observed.runs.values()}
    for name in sorted(observed.pools.keys() | used):
        pool = observed.pools.get(name) or {}
        mine = [r for r in observed.runs.values() if r.pool == name]
        held = sorted((r for r in mine if r.state in ACTIVE), key=lambda r: r.seq)
        queues = _queues(observed, name, pool, mine)
        order = {q["queue"]: q["priority"] or LAST for q in queues}
        waits = [r for r in mine if _waits(r)]
        waits.sort(key=lambda r: (order[r.queue], r.due, r.seq))
        yield {
            "pool": name,
            "type": pool.get("type") or name,
            "file": pool.get("file"),
            "paused": bool(pool.get("paused")),
            "concurrency_limit": pool.get("concurrency_limit"),
            "active": len(held),
            "waiting": len(waits),
            "deployments": sum(d.pool == name for d in observed.deployments.values()),
            "queues": queues,
            "running": [_run(r) for r in held],
            "waits": [_run(r) | {"due": instant(r.due), "reason": r.reason} for r in waits],
        }


def _queues(observed: Observed, name: str, pool: dict[str, Json], runs: Iterable[Run]) -> list[dict[str, Json]]:
    """The pool's queues by priority, with those that only deployments or runs name."""
    declared = pool.get("work_queues") or {}
    named = {d.queue for d in observed.deployments.values() if d.pool == name} | {r.queue for r in runs}
    rows = []
    for queue in declared.keys() | named | {DEFAULT_QUEUE}:
        own, mine = declared.get(queue) or {}, [r for r in runs if r.queue == queue]
        rows.append(
            {
                "queue": queue,
                "priority": own.get("priority"),
                "concurrency_limit": own.get("concurrency_limit"),
                "paused": bool(own.get("paused")),
                "active": sum(r.state in ACTIVE for r in mine),
                "waiting": sum(map(_waits, mine)),
            }
        )
    return sorted(rows, key=lambda row: (row["priority"] or LAST, row["queue"]))


def _waits(run: Run) -> bool:
    """Whether its time has come, or came once: not a run that is made for later."""
    return run.state in QUEUED and run.state is not State.SCHEDULED


def _run(run: Run) -> dict[str, Json]:
    return {
        "run": run.id,
        "deployment": run.deployment,
        "queue": run.queue,
        "state": str(run.state),
        "since": instant(run.since),
    }


def _show(found: list[dict[str, Json]]) -> None:
    rows: list[tuple[object, ...]] = []
    for pool in found:
        kind = pool["type"] if pool["file"] else f"{pool['type']} (not declared)"
        rows.append((pool["pool"], "", kind, "", _limit(pool), pool["active"], pool["waiting"], _status(pool)))
        rows += [
            ("", q["queue"], "", q["priority"] or "last", _limit(q), q["active"], q["waiting"], _status(q))
            for q in pool["queues"]
        ]
    table(("POOL", "QUEUE", "TYPE", "PRIORITY", "LIMIT", "ACTIVE", "WAITING", "STATUS"), rows)
    for pool in found:
        _list(pool["pool"], pool["running"])
        _list(pool["pool"], pool["waits"])


def _limit(row: dict[str, Json]) -> str:
    return str(row["concurrency_limit"] or "none")


def _status(row: dict[str, Json]) -> str:
    return "Paused" if row["paused"] else ""


def _list(pool: str, runs: list[dict[str, Json]]) -> None:
    for run in runs[:MOST]:
        where = f"{run['run']} of {run['deployment']} in {pool}/{run['queue']}"
        why = f": {run['reason']}" if run.get("reason") else ""
        say(f"{word(run['state'])} {plain(where)} since {when(run['since'])}{plain(why)}")
    if len(runs) > MOST:
        say(f"  … and {len(runs) - MOST} more: reconciler pools --json")
