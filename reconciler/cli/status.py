"""Show every deployment: in sync with git, healthy, and how its last run went."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from reconciler.cli import _clock
from reconciler.cli._log import observed as observe
from reconciler.cli._log import quickly, reading
from reconciler.cli._next import next_due
from reconciler.cli._place import Place
from reconciler.cli._print import plain, print_json, say, table, when, word
from reconciler.cli._tip import tips
from reconciler.core import health
from reconciler.daemon import client
from reconciler.model.errors import InvalidRequestError
from reconciler.model.ids import instant
from reconciler.model.plan import Json, Problem
from reconciler.model.state import ACTIVE, Deployment, Observed, Run, State

LEFT = "previews"
"""The kind under which the daemon keeps the branches that it has no room for: daemon/previews.KIND."""
FEW = 10


def one_of(words: Sequence[str]) -> str:
    """The words, for people."""
    return f"{', '.join(words[:-1])} or {words[-1]}"


@click.command("status")
@click.option("--tag", "tags", multiple=True, help="Only with this tag; given again, with all of them.")
@click.option("--health", "healths", multiple=True, metavar="WORD", help=f"Only {one_of(health.HEALTH)}.")
@click.option("--sync", "syncs", multiple=True, metavar="WORD", help=f"Only {one_of(health.SYNC)}.")
@click.option("--state", "states", multiple=True, metavar="STATE", help="Only where the last run is in this state.")
@click.option("--since", metavar="TIME", help="Only where the last run ended at or after; without an offset UTC.")
@click.option("--until", metavar="TIME", help="Only where the last run ended before.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
@click.pass_obj
def command(obj: dict[str, Any], /, as_json: bool, **only: Any) -> None:
    """Show every deployment: in sync with git, healthy, and how its last run went.

    \b
    JSON: a list of {deployment, version, source_commit, spec_commit, generation, quarantined, sync, health, reason,
    next_due, last_run, preview}; last_run is null or {id, state, finished_at}, quarantined null or {version, at, who,
    reason, git}, preview null or the branch.
    """
    place = Place.of(obj)
    with reading(place) as log, quickly():
        observed = observe(log)
        left = json.loads(log.cache_get(LEFT, "") or b"[]") if observed.previews else []
        unread = json.loads(log.cache_get(LEFT, "unread") or b"{}")
    heads = tips(place.repo, observed)
    now, started = _clock.now(), active(observed)
    keep = _filter(**only)
    rows = []
    for deployment in sorted(observed.deployments.values(), key=lambda d: d.name):
        row = shown(deployment, observed, heads.get(deployment.preview), started.get(deployment.name))
        if keep(deployment, row):
            rows.append(row | {"next_due": next_due(deployment, now)})
    if as_json:
        print_json(rows)
        return
    _head(observed, heads[""])
    _previews(observed, left, unread)
    if rows:
        titles = ("DEPLOYMENT", "SYNC", "HEALTH", "LAST RUN", "VERSION", "GEN", "NEXT DUE", "REASON")
        table(titles, [_line(row) for row in rows])
    else:
        say("no such deployments" if observed.deployments else "no deployments")
    if not client.answers(place.state):
        say("no daemon serves this repository: nothing is reconciled, scheduled or run (reconciler serve)", err=True)


def active(observed: Observed) -> dict[str, Run]:
    """The newest run of each deployment that holds a slot now."""
    return {run.deployment: run for run in sorted(observed.runs.values(), key=lambda r: r.seq) if run.state in ACTIVE}


def shown(deployment: Deployment, observed: Observed, head: str | None, running: Run | None) -> dict[str, Json]:
    """A deployment as `--json` prints it; its next slot is looked up once it is known to be wanted."""
    axes = health.status(deployment, observed, head)
    return {
        "deployment": deployment.name,
        "version": deployment.version(observed.whole_commit),
        "source_commit": deployment.source_commit(observed.whole_commit),
        "spec_commit": deployment.spec_commit,
        "generation": deployment.generation,
        "quarantined": _quarantined(deployment, observed),
        "sync": axes.sync,
        "health": axes.health,
        "reason": axes.reason,
        "next_due": None,
        "last_run": _last(deployment, running),
        "preview": deployment.preview or None,
    }


def _quarantined(deployment: Deployment, observed: Observed) -> Json:
    held = deployment.quarantine
    if held is None:
        return None
    has = held.wanted.version(observed.whole_commit)
    return {"version": held.version, "at": instant(held.at), "who": held.who, "reason": held.reason, "git": has}


def _last(deployment: Deployment, running: Run | None) -> Json:
    if running is not None:
        return {"id": running.id, "state": str(running.state), "finished_at": None}
    if deployment.last_run is None:
        return None
    at = instant(deployment.last_at) if deployment.last_at else None
    return {"id": deployment.last_run, "state": deployment.last_state, "finished_at": at}


def _line(row: dict[str, Json]) -> tuple[object, ...]:
    last = row["last_run"]["state"] if row["last_run"] else "none"
    version, due = row["version"], when(row["next_due"]) or "none"
    return row["deployment"], row["sync"], row["health"], last, version, row["generation"], due, row["reason"]


KNOWN = {"health": health.HEALTH, "sync": health.SYNC, "state": ("none", *State)}


def _filter(**only: Any) -> Callable[[Deployment, dict[str, Json]], bool]:
    """Whether a deployment is asked for. Raises InvalidRequestError for a word that is none."""
    for key, known in KNOWN.items():
        unknown = [w for w in only[f"{key}s"] if w.lower() not in {k.lower() for k in known}]
        if unknown:
            raise InvalidRequestError(f"--{key}: there is no {unknown[0]!r}", hint=f"known: {', '.join(known)}")
    tags = set(only["tags"])
    words = {key: {w.lower() for w in only[f"{key}s"]} for key in ("health", "sync", "state")}
    since, until = _clock.given("--since", only["since"]), _clock.given("--until", only["until"])

    def keep(deployment: Deployment, row: dict[str, Json]) -> bool:
        state = (row["last_run"] or {}).get("state") or "none"
        said = {"health": row["health"], "sync": row["sync"], "state": state}
        fits = all(not wanted or said[key].lower() in wanted for key, wanted in words.items())
        return fits and tags <= set(deployment.tags) and _within(deployment.last_at, since, until)

    return keep


def _within(at: datetime | None, since: datetime | None, until: datetime | None) -> bool:
    if since is None and until is None:
        return True
    return at is not None and (since is None or at >= since) and (until is None or at < until)


def _head(observed: Observed, head: str | None) -> None:
    """What is applied, and what is in the way of what git says now."""
    where = f"{observed.remote}/{observed.branch}" if observed.remote else observed.branch
    env = f", environment {plain(observed.env)}" if observed.env else ""
    applied = f"applied {observed.revision[:8]}" if observed.revision else "nothing applied yet"
    more = f", git is at {head[:8]}" if head and head != observed.revision else ""
    say(f"branch {plain(where)}{env}: {applied}{more}")
    if observed.stale:
        say(f"{word('Unknown')}: {plain(observed.stale['reason'])}, since {when(observed.stale['since'])}")
    if observed.refused:
        revision, why = observed.refused["revision"], plain(observed.refused["reason"])
        say(f"{word('refused')} {revision[:12]}: {why}; to apply it: reconciler confirm {revision[:12]} --reason '…'")
    for problem in observed.problems:
        _problem(problem)


def _previews(observed: Observed, left: Sequence[str], unread: Mapping[str, str]) -> None:
    """The branches that are deployed beside the tracked one, and what is wrong with them."""
    for branch, preview in sorted(observed.previews.items()):
        until = when(instant(preview.until))
        said = f"over since {until}: push to it to have it back" if preview.over else f"until {until}"
        say(f"preview of {plain(branch)}: {preview.revision[:8]}, {said}")
        for problem in preview.problems:
            _problem(problem, f"of {plain(branch)} ")
    for branch, why in sorted(unread.items()):
        held = "stays as it was" if branch in observed.previews else "is not previewed"
        say(f"{word('problem')} of {plain(branch)}: it {held}: {plain(why)}")
    if left:
        few = ", ".join(left[:FEW]) + (", …" if len(left) > FEW else "")
        say(f"{len(left)} more branches match and are not previewed, with commits no newer than those: {plain(few)}")


def _problem(problem: dict[str, Json], of: str = "") -> None:
    say(f"{word('problem')} {of}{plain(Problem(**problem))}")
