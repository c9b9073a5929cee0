"""Print the slots of an expression or a deployment: those to come, or those that passed and their fate.

Given an expression it reads no repository and no log: what it prints depends on its arguments alone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import click

from reconciler.cli import _clock, _past
from reconciler.cli._log import deployment, reading
from reconciler.cli._place import Place
from reconciler.cli._print import plain, when
from reconciler.model.errors import InvalidRequestError
from reconciler.model.ids import instant
from reconciler.model.plan import Json
from reconciler.schedules import DECIDES, Schedule, ScheduleError, load

_COUNT, _MOST = 10, 10_000


@dataclass(frozen=True, slots=True)
class Window:
    """Which slots to print: from and to are included."""

    start: datetime
    stop: datetime | None
    count: int

    def slots(self, schedule: Schedule) -> Iterator[datetime]:
        """The slots of a schedule in this window."""
        return islice(schedule.slots(self.start - timedelta(microseconds=1), until=self.stop), self.count)


@click.command("slots")
@click.argument("name", required=False)
@click.option("--cron", help="Five fields, or six with seconds last: '0 9 * * MON-FRI'.")
@click.option("--interval", help="Seconds, or an ISO 8601 duration: 3600, PT1H, P1D.")
@click.option("--rrule", help="RFC 5545: 'FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=9'.")
@click.option("--timezone", help="The zone whose clock the schedule follows (default: UTC).")
@click.option("--anchor-date", help="A moment that the interval meets (default: 2020-01-01T00:00 there).")
@click.option("--day-or", type=bool, help="Day of month or day of week (true, default), or both at once (false).")
@click.option(
    "--from",
    "start",
    help="First moment, included (default: now; with --past: when it was created); without an offset it is UTC.",
)
@click.option("--to", "stop", help="Last moment, included.")
@click.option(
    "--count", type=click.IntRange(1, _MOST), help=f"How many at most (default: {_COUNT}; with --to {_MOST})."
)
@click.option("--past", is_flag=True, help="Of a deployment: the last slots up to now (--to), and what became of each.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list of UTC instants; see above for --past.")
@click.pass_obj
def command(
    obj: dict[str, Any] | None,
    /,
    *,
    name: str | None,
    start: str | None,
    stop: str | None,
    count: int | None,
    past: bool,
    as_json: bool,
    **rule: Json,
) -> None:
    """Print the slots of a cron expression, an interval or an rrule, or of a deployment's schedules by its NAME.

    \b
    reconciler slots hello/main
    reconciler slots hello/main --past --count 20
    reconciler slots --cron "30 2 * * *" --timezone America/New_York --from 2024-03-09T00:00:00Z
    reconciler slots --interval PT90M --anchor-date 2024-01-01T09:00:00Z --count 3 --json

    \b
    JSON of --past: a list of {due, schedule, fate, reason, runs}; fate is run, caught up, skipped, missed, resting
    (skipped, told when that ends), waiting or none (the schedule did not say so then); runs are {id, state, trigger}.
    """
    if past:
        _past_of(obj or {}, name, rule, (_clock.given("--from", start), _clock.given("--to", stop)), count, as_json)
        return
    window = Window(
        _clock.given("--from", start) or _clock.now(),
        _clock.given("--to", stop),
        count or (_MOST if stop else _COUNT),
    )
    given = {key: value for key, value in rule.items() if value is not None}
    if "interval" in given:
        given["interval"] = _seconds(given["interval"])
    if name is not None and given:
        raise InvalidRequestError("a deployment has schedules of its own", hint="give its name, or a rule, not both")
    show(_applied(obj or {}, name) if name is not None else [("", given)], window, as_json=as_json)


def _past_of(
    obj: Mapping[str, Any],
    name: str | None,
    rule: Mapping[str, Json],
    span: tuple[datetime | None, datetime | None],
    count: int | None,
    as_json: bool,
) -> None:
    """Print the slots behind of a deployment. Raises NotFoundError, InvalidRequestError."""
    if name is None or any(value is not None for value in rule.values()):
        raise InvalidRequestError("--past is of a deployment", hint="reconciler slots FLOW/DEPLOYMENT --past")
    with reading(Place.of(obj)) as log:
        known = deployment(log, name)
        first = span[0] - timedelta(microseconds=1) if span[0] else known.created_at
        found = _past.past(log, known, (first, min(_clock.now(), span[1] or _clock.now())), count or _COUNT)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _past.show(found)
        if not found and span[0] is None:
            click.echo(f"{name} is there since {when(instant(known.created_at))}: --from looks further back", err=True)


def _applied(obj: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Json]]]:
    """The active schedules of a deployment as applied, labelled. Raises NotFoundError."""
    with reading(Place.of(obj)) as log:
        known = deployment(log, name)
    if known.preview:
        click.echo(
            f"{name} is a preview of {plain(known.preview)}: its schedules are paused, and name no slots", err=True
        )
    elif known.paused or known.suspended:
        held = " and ".join(w for w, on in (("suspended", known.suspended), ("paused in git", known.paused)) if on)
        click.echo(f"{name} is {held}: these slots are skipped", err=True)
    active = [s.rule for s in known.schedules if s.rule.get("active", True)]
    return [(" ".join(f"{k} {rule[k]}" for k in DECIDES if rule.get(k) is not None), rule) for rule in active]


def show(rules: Sequence[tuple[str, Mapping[str, Json]]], window: Window, *, as_json: bool) -> None:
    """Print the slots of labelled rules. Raises InvalidRequestError for a rule that is no schedule."""
    schedules = [(label, _schedule(rule)) for label, rule in rules]
    if as_json:
        found = {slot for _, schedule in schedules for slot in window.slots(schedule)}
        click.echo(json.dumps([instant(slot) for slot in sorted(found)]))
        return
    for label, schedule in schedules:
        if label:
            click.echo(f"{label}:")
        lines = [line(schedule, slot) for slot in window.slots(schedule)]
        click.echo("\n".join(lines) if lines else "no slots there")


def line(schedule: Schedule, slot: datetime) -> str:
    """A slot for people: local time with its offset, the UTC instant, and what daylight saving did to it."""
    local = slot.astimezone(schedule.zone)
    shown = local.isoformat(sep=" ", timespec="microseconds" if slot.microsecond else "seconds")
    return f"{local:%a} {shown}  {instant(slot)}  {_note(schedule, slot, local)}".rstrip()


def _note(schedule: Schedule, slot: datetime, local: datetime) -> str:
    asked, clock = schedule.asked(slot), local.replace(tzinfo=None)
    if asked != clock:
        day = "that day" if asked.date() == clock.date() else f"{asked:%Y-%m-%d}"
        return f"shifted: {asked:%H:%M} does not exist on {day}"
    if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        return f"{'second' if local.fold else 'first'} of two {local:%H:%M}"
    return ""


def _schedule(rule: Mapping[str, Json]) -> Schedule:
    try:
        return load(rule)
    except ScheduleError as error:
        option = f"--{error.key.replace('_', '-')}: " if error.key else ""
        raise InvalidRequestError(f"{option}{error}") from None


def _seconds(text: str) -> float | str:
    """A plain number is seconds; anything else is left to the schedule to read."""
    try:
        return float(text)
    except ValueError:
        return text
