"""Explain from the log why a deployment, a slot of it or a run did what it did."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from reconciler.cli import _clock
from reconciler.cli._log import deployment, reading
from reconciler.cli._log import observed as observe
from reconciler.cli._next import next_due
from reconciler.cli._place import Place
from reconciler.cli._print import paint, plain, print_json, say, shortly, when
from reconciler.cli._waits import Waits
from reconciler.core import explain, health, rows
from reconciler.core.explain import Answer, Because
from reconciler.core.versions import Version
from reconciler.daemon import past
from reconciler.model.errors import InvalidRequestError, NotFoundError
from reconciler.model.fact import Event
from reconciler.model.ids import instant
from reconciler.model.state import Run
from reconciler.stores import Log

PAGE = 1000
SHOWN = 20
"""Facts of a deployment that are shown: the newest."""


@click.command("explain")
@click.argument("name")
@click.option("--slot", metavar="DUE", help="What became of the slot due then; without an offset it is UTC.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_obj
def command(obj: dict[str, Any], *, name: str, slot: str | None, as_json: bool) -> None:
    """Explain from the log why NAME (a deployment, or a run by its id) did what it did.

    \b
    reconciler explain report/weekly                               which version, what waits, what comes next
    reconciler explain report/weekly --slot 2026-03-02T09:00:00Z   why that slot ran, waited or did not run
    reconciler explain 7c1d7bb2bd05f9a3                            why a run is what it is, at which version

    \b
    JSON: {subject, verdict, said, because}; because is a list of {seq, at, said} that `events` has in full. A slot's
    verdict is run, skipped, missed, ahead (not due yet), open (nobody looked yet) or none (no such slot).
    """
    place = Place.of(obj)
    due = _clock.given("--slot", slot)
    with reading(place) as log:
        if "/" in name:
            answer = _slot(log, name, due) if due is not None else _now(log, name, place)
        elif due is not None:
            raise InvalidRequestError("--slot belongs to a deployment", hint="explain FLOW/DEPLOYMENT --slot DUE")
        else:
            answer = _run(log, name, place)
    if as_json:
        print_json(
            {"subject": name, "verdict": answer.verdict, "said": answer.said,
             "because": [b.json() for b in answer.because]}
        )  # fmt: skip
        return
    for line in answer.said.splitlines():
        say(plain(shortly(line)))
    for because in answer.because:
        number = paint(f"#{because.seq}".rjust(8), bold=True)
        say(f"{number}  {when(instant(because.at))}  {plain(shortly(because.said))}")


def _own(log: Log, name: str) -> Iterator[Event]:
    seq = 0
    while page := log.events(seq, limit=PAGE, subject=name):
        yield from page
        seq = page[-1].seq


def _slot(log: Log, name: str, due: datetime) -> Answer:
    """Raises NotFoundError for a name that the log never had."""
    if not log.events(subject=name, limit=1):
        deployment(log, name)
    return explain.slot(_own(log, name), log.slots_run(name, due, due), due, _clock.now())


def _now(log: Log, name: str, place: Place) -> Answer:
    """Which version and why, what stands in the way, what runs and waits, what comes next."""
    try:
        known = deployment(log, name)
    except NotFoundError:
        found = list(_own(log, name))
        if not found:
            raise
        last = explain.facts_of(found[-1])
        return Answer("pruned", f"{name} is not deployed any more: {last.said}", tuple(_told(found)))
    observed, now = observe(log), _clock.now()
    preview = observed.previews.get(known.preview)
    axes = health.status(known, observed, preview.revision if preview else observed.revision)
    said = [f"{name} is {axes.health}{f': {axes.reason}' if axes.reason else ''}"]
    version = _version(list(past.read(log, name)), now)
    said += [version] if version else []
    waits = Waits(place, log)
    said += [_live(run, waits) for run in observed.runs.values() if run.deployment == name]
    if known.last_run:
        at = when(instant(known.last_at)) if known.last_at else ""
        said.append(f"its last run {known.last_run} ended {known.last_state} at {at}")
    due = next_due(known, now)
    said.append(f"its next slot is {when(due)}" if due else "no slot is ahead")
    return Answer(axes.health, "\n".join(said), tuple(_told(list(_own(log, name)))))


def _told(events: list[Event]) -> list[Because]:
    return [explain.facts_of(event) for event in events[-SHOWN:]]


def _version(found: list[Version], at: datetime) -> str:
    """Why a deployment was at its version at one moment; empty before its first."""
    before = [step for step in found if step.at <= instant(at) and step.applied]
    if not before or before[-1].what == "pruned":
        return ""
    step = before[-1]
    why = {"created": "it was created", "updated": f"its spec changed ({', '.join(step.changed) or 'file'})"}
    why |= {"quarantined": f"it is held: {step.reason}", "released": f"its quarantine ended: {step.reason}"}
    moved = f"commit {(step.commit or 'none')[:12]} changed its source"
    revision = (step.revision or "")[:12]
    return f"version {step.name} since {when(step.at)}: {why.get(step.what, moved)} at revision {revision}"


def _live(run: Run, waits: Waits) -> str:
    move = waits.next(rows.run_row(run))
    return f"run {run.id} is {run.state} since {when(instant(run.since))}{_because(run.reason)}; next: {move}"


def _run(log: Log, name: str, place: Place) -> Answer:
    """Why a run exists, why it is where it is, and why at its version."""
    row = log.run(name)
    run = rows.run_of(row)
    said = [f"run {run.id} ({run.name}) of {run.deployment or 'a script'} is {run.state}" + _because(run.reason)]
    said.append(f"it was made by {_asked(run)}" + _because(run.made_for))
    if run.source_commit:
        version = _version(list(past.read(log, run.deployment)), run.created_at) if run.deployment else ""
        said.append(f"it is pinned to commit {run.source_commit[:12]}, what was applied when it was made")
        said += [f"then {run.deployment} was at {version}"] if version else []
    if not run.final:
        said.append(f"next: {Waits(place, log).next(row)}")
    return Answer(str(run.state), "\n".join(said), tuple(map(_moved, _own(log, run.id))))


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _asked(run: Run) -> str:
    if run.trigger == "schedule":
        return f"schedule {run.cause}, due {when(instant(run.due))}"
    return f"{run.who or 'a request'} ({run.trigger}), due {when(instant(run.due))}"


def _moved(event: Event) -> Because:
    data = event.data
    if event.type == "RunCreated":
        return Because(event.seq, event.at, "created" + _because(data.get("reason", "")))
    if event.type == "RunResumed":
        return Because(event.seq, event.at, data.get("reason") or "resumed")
    attempt = f", attempt {data['attempt']}" if data.get("attempt") else ""
    until = f" until {when(data['until'])}" if data.get("until") else ""
    return Because(event.seq, event.at, f"{data['state']}{attempt}{until}" + _because(data.get("reason", "")))
