"""Why a slot ran, waits, was skipped or missed, decided from the log's own facts. Called by `explain`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler import schedules
from reconciler.model.fact import Event
from reconciler.model.ids import instant, moment
from reconciler.model.plan import Json

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Because:
    """One fact that an answer rests on."""

    seq: int
    at: datetime
    said: str

    def json(self) -> dict[str, Json]:
        """The object that `explain --json` prints."""
        return {"seq": self.seq, "at": instant(self.at), "said": self.said}


@dataclass(frozen=True, slots=True)
class Answer:
    """One word, the sentence that goes with it, and the facts behind it in the order of the log."""

    verdict: str
    said: str
    because: tuple[Because, ...] = ()


@dataclass(slots=True)
class _Then:
    """A deployment as the log had it at one moment."""

    exists: bool = False
    gone: Because | None = None
    rules: dict[str, Mapping[str, Json]] = field(default_factory=dict)
    git: dict[str, Mapping[str, Json]] = field(default_factory=dict)
    """Its schedules as git has them, while others are held."""
    quarantined: Because | None = None
    declared: Because | None = None
    resting: Because | None = None
    """Paused in git."""
    held: Because | None = None
    """Suspended by an operator."""


_HELD = {
    "DeploymentSuspended": "suspended by {who}",
    "DeploymentResumed": "resumed by {who}",
    "DeploymentQuarantined": "quarantined at {version} by {who}",
    "DeploymentReleased": "released by {who}",
}
"""What operators do to deployments."""


def facts_of(event: Event) -> Because:
    """A deployment's own fact in words."""
    data = event.data
    match event.type:
        case "DeploymentCreated":
            said = f"created: {data.get('reason') or 'declared in ' + data['file']}"
        case "DeploymentUpdated":
            said = f"updated to generation {data.get('generation', 1)}: {data.get('reason', '')}"
        case "DeploymentMoved":
            said = f"its source moved to {str(data['source'].get('commit'))[:8]}"
        case "DeploymentPruned":
            said = f"pruned: {data['reason']}"
        case word if word in _HELD:
            said = _HELD[word].format(**data) + (f": {data['reason']}" if data["reason"] else "")
        case "SlotsSkipped" | "SlotsMissed":
            what = event.type.removeprefix("Slots").lower()
            said = f"{data['count']} slots {what}, {data['first']} to {data['last']}: {data['reason']}"
        case "BackfillRequested":
            said = f"backfill of {data['count']} slots by {data['who']}"
        case other:
            said = other
    return Because(event.seq, event.at, said)


def slot(events: Iterable[Event], runs: Sequence[Mapping[str, Json]], due: datetime, now: datetime) -> Answer:
    """What became of the slot at `due`: one line a schedule that names it; the verdict is the first that says most.

    `events` are all facts of the deployment, oldest first; `runs` the rows of its runs with that due.
    """
    then, told = _Then(), []
    for event in events:
        if event.at <= due:
            _follow(then, event)
        if event.type in {"SlotsSkipped", "SlotsMissed"} and _covers(event, due):
            told.append(event)
    named = [ident for ident, rule in then.rules.items() if _names(rule, due)]
    answers = [_ran(row, then) for row in runs]
    done = {row["schedule"] for row in runs if row["trigger"] != "backfill"}
    for event in told:
        if event.data["schedule"] not in done:
            done.add(event.data["schedule"])
            answers.append(_stretch(event, then))
    left = [ident for ident in named if ident not in done and ident not in {row["schedule"] for row in runs}]
    if left or not answers:
        answers.append(_not_told(then, left, due, now))
    facts = {b.seq: b for answer in answers for b in answer.because}
    return Answer(answers[0].verdict, "\n".join(a.said for a in answers), tuple(facts[seq] for seq in sorted(facts)))


def _stretch(event: Event, then: _Then) -> Answer:
    verdict = event.type.removeprefix("Slots").lower()
    said = f"{verdict}: {event.data['reason']} (schedule {event.data['schedule']})"
    return Answer(verdict, said, (*_basis(then), facts_of(event)))


def _follow(then: _Then, event: Event) -> None:
    said = facts_of(event)
    match event.type:
        case "DeploymentCreated" | "DeploymentUpdated":
            then.exists, then.gone, then.declared = True, None, said
            then.git = _rules(event.data)
            then.rules = then.rules if then.quarantined else then.git
            then.resting = said if event.data.get("paused") else None
        case "DeploymentPruned":
            then.exists, then.gone, then.held, then.quarantined = False, said, None, None
        case "DeploymentQuarantined":
            then.rules, then.quarantined = _rules(event.data["held"]), said
        case "DeploymentReleased":
            then.rules, then.quarantined = then.git, None
        case "DeploymentSuspended":
            then.held = said
        case "DeploymentResumed":
            then.held = None


def _rules(data: Mapping[str, Json]) -> dict[str, Mapping[str, Json]]:
    return {rule["id"]: rule for rule in data.get("schedules", ())}


def _covers(event: Event, due: datetime) -> bool:
    return moment(event.data["first"]) <= due <= moment(event.data["last"])


def _names(rule: Mapping[str, Json], due: datetime) -> bool:
    try:
        return schedules.next_slot(schedules.load(rule), due - _TICK) == due
    except schedules.ScheduleError:
        return False


def _basis(then: _Then) -> tuple[Because, ...]:
    found = {b.seq: b for b in (then.declared, then.resting, then.quarantined, then.held) if b is not None}
    return tuple(found[seq] for seq in sorted(found))


def _ran(row: Mapping[str, Json], then: _Then) -> Answer:
    said = f"run {row['id']} ({row['name']}) was made for it: {row['state']}{_reason(row)}"
    return Answer("run", said, _basis(then))


def _reason(row: Mapping[str, Json]) -> str:
    why = "; ".join(str(row[key]) for key in ("made_for", "reason") if row.get(key))
    return f" ({why})" if why else ""


def _not_told(then: _Then, named: Sequence[str], due: datetime, now: datetime) -> Answer:
    """The log says nothing of that moment: because nothing was to be said, or not yet."""
    basis = _basis(then)
    if not then.exists:
        if then.gone is not None:
            return Answer("none", f"there was no deployment then: it was {then.gone.said}", (then.gone,))
        return Answer("none", "there was no deployment of this name yet")
    if not named:
        return Answer("none", f"no schedule names that moment; {_nearest(then, due)}", basis)
    if all(not then.rules[ident].get("active", True) for ident in named):
        return Answer("none", "its schedule is inactive in git", basis)
    if then.held is not None or then.resting is not None:
        what = then.held.said if then.held is not None else "paused in git"
        return Answer("skipped", f"{what}; told in the log when that ends", basis)
    if due > now:
        return Answer("ahead", f"it is not due yet: {_ago(due - now)} to go", basis)
    why = "no daemon has looked since: the next one runs it within 60 s of its due, else goes by `catchup`"
    return Answer("open", why, basis)


def _nearest(then: _Then, due: datetime) -> str:
    ahead = []
    for ident, rule in then.rules.items():
        try:
            following = schedules.next_slot(schedules.load(rule), due)
        except schedules.ScheduleError:
            continue
        if following is not None:
            ahead.append((following, ident))
    if not ahead:
        return "it has no schedule with a slot after it"
    at, ident = min(ahead)
    return f"the next slot after it is {instant(at)} of schedule {ident}"


def _ago(span: timedelta) -> str:
    return str(span - timedelta(microseconds=span.microseconds))
