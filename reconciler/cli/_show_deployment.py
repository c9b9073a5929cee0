"""A deployment as applied: its axes, spec, schedules, version and problems. Called by `show`."""

from reconciler.cli import _clock
from reconciler.cli._log import deployment, payload
from reconciler.cli._log import observed as observe
from reconciler.cli._next import next_due, reached, slots_ahead
from reconciler.cli._place import Place
from reconciler.cli._print import compact, fields, paint, plain, print_json, say, when, word
from reconciler.cli._tip import tip
from reconciler.cli.status import active, shown
from reconciler.daemon import client
from reconciler.git.provenance import version_info
from reconciler.git.repository import Repository
from reconciler.model.errors import ReconcilerError
from reconciler.model.ids import instant
from reconciler.model.plan import Json, Problem
from reconciler.model.state import Deployment, Observed, Scheduled
from reconciler.schedules import DECIDES
from reconciler.stores import Log

SLOTS = 3
APART = {"schedules", "parameter_openapi_schema", "flow", "name", "tags", "paused", "version"}
"""Fields of a spec that are shown elsewhere, or are no one's reading."""


def show(place: Place, log: Log, name: str, *, as_json: bool) -> None:
    """Print a deployment. Raises NotFoundError, naming the nearest."""
    told = everything(place, log, deployment(log, name))
    if as_json:
        print_json(told)
    else:
        _text(told)


def everything(place: Place, log: Log, known: Deployment) -> dict[str, Json]:
    """All that is known of a deployment."""
    observed, now = observe(log), _clock.now()
    spec = payload(log, known.digest)
    info, note = _version(place, observed, known, spec or {})
    hold = known.suspended
    return shown(known, observed, tip(place.repo, observed, known.preview), active(observed).get(known.name)) | {
        "next_due": next_due(known, now),
        "file": known.file,
        "line": known.line,
        "created_at": instant(known.created_at),
        "updated_at": instant(known.updated_at),
        "paused": known.paused,
        "previewed": _previewed(observed, known),
        "suspended": {"reason": hold.reason, "who": hold.who, "at": instant(hold.at)} if hold else None,
        "quarantine": _quarantine(observed, known),
        "tags": list(known.tags),
        "source": known.source.json(),
        "schedules": [_schedule(s) for s in known.schedules],
        "version_info": info,
        "version_note": note,
        "spec": spec,
        "secrets": _secrets(place, known.name, spec),
        "problems": [p for p in _problems(observed, known) if p["file"] == known.declared.file],
    }


def _quarantine(observed: Observed, known: Deployment) -> dict[str, Json] | None:
    """What is held, and what git has meanwhile."""
    held = known.quarantine
    if held is None:
        return None
    wanted, whole = held.wanted, observed.whole_commit
    return {
        "version": held.version,
        "reason": held.reason,
        "who": held.who,
        "at": instant(held.at),
        "git": {
            "version": wanted.version(whole),
            "source_commit": wanted.source_commit(whole),
            "spec_commit": wanted.spec_commit,
            "generation": wanted.generation,
            "spec": f"{wanted.file}:{wanted.line}",
        },
    }


def _problems(observed: Observed, known: Deployment) -> list[dict[str, Json]]:
    preview = observed.previews.get(known.preview)
    return preview.problems if preview else observed.problems


def _previewed(observed: Observed, known: Deployment) -> dict[str, Json] | None:
    """The branch that it previews, at which commit and until when."""
    preview = observed.previews.get(known.preview)
    if preview is None:
        return None
    return {"branch": known.preview, "revision": preview.revision, "until": instant(preview.until)}


def _secrets(place: Place, name: str, spec: Json) -> list[Json] | None:
    """The secrets that a spec names, and what gives each; None where only a daemon could say, and none answers."""
    if "{{" not in str(spec):
        return []
    try:
        found: list[Json] = client.ask(place.state, "secrets", {"deployment": name})
    except ReconcilerError:
        return None
    return found


def _schedule(scheduled: Scheduled) -> dict[str, Json]:
    rests = not scheduled.rule.get("active", True)
    after = reached(scheduled, _clock.now())
    return {
        "id": scheduled.id,
        "rule": {k: v for k, v in scheduled.rule.items() if k != "id"},
        "accounted": instant(scheduled.accounted),
        "next": [] if rests else slots_ahead(scheduled.rule, after, SLOTS),
    }


def _version(place: Place, observed: Observed, known: Deployment, spec: dict[str, Json]) -> tuple[Json, str | None]:
    """version_info and why it is not what was asked for; None where the commit is not in this repository."""
    commit = known.source_commit(observed.whole_commit)
    if commit is None:
        return None, known.version(observed.whole_commit)
    branch = known.source.branch or (None if known.source.repository else observed.branch)
    try:
        with Repository.open(place.repo, trust_owner=True) as repo:
            return version_info(repo, commit, branch=branch, version_type=spec.get("version_type"), label=known.label)
    except ReconcilerError as error:
        return None, error.message


def _text(told: dict[str, Json]) -> None:
    branch = told["previewed"]
    held = told["quarantine"]
    git = held["git"] if held else {}
    last, hold, info = told["last_run"], told["suspended"], told["version_info"] or {}
    fields(
        [
            ("deployment", told["deployment"]),
            ("sync", told["sync"]),
            ("health", told["health"]),
            ("last run", f"{last['state']} ({last['id']}) {when(last['finished_at'])}" if last else "none"),
            ("reason", told["reason"]),
            ("suspended", f"by {hold['who']} at {when(hold['at'])}: {hold['reason']}" if hold else None),
            ("quarantined", f"by {held['who']} at {when(held['at'])}: {held['reason']}" if held else None),
            ("version", told["version"]),
            ("git has", f"{git['version']}, generation {git['generation']} ({git['spec']})" if held else None),
            ("source commit", told["source_commit"]),
            ("message", info.get("message")),
            ("version type", info.get("type")),
            ("url", info.get("url")),
            ("version note", told["version_note"]),
            ("spec", f"{told['file']}:{told['line']}"),
            ("spec commit", told["spec_commit"]),
            ("generation", f"{told['generation']}, since {when(told['updated_at'])}"),
            ("paused", "in git" if told["paused"] and not branch else None),
            (
                "preview",
                f"of {branch['branch']} at {branch['revision']} until {when(branch['until'])}" if branch else None,
            ),
            ("tags", ", ".join(told["tags"])),
            ("next due", when(told["next_due"])),
            ("secrets", _secrets_text(told["secrets"])),
        ]
    )
    for schedule in told["schedules"]:
        _schedule_text(schedule)
    spec_text(told["spec"])
    for problem in told["problems"]:
        say(f"{word('problem')} {plain(Problem(**problem))}")


def _secrets_text(found: list[dict[str, Json]] | None) -> str | None:
    if found is None:
        return "no daemon answers, and only it knows them"
    return ", ".join(f"{one['name']} ({_source(one)})" for one in found) or None


def _source(one: dict[str, Json]) -> str:
    if one["source"]:
        return str(one["source"])
    why = "not for previews" if one["refused"] else "missing"
    return f"{why}: {'runs fail' if one['needed'] else 'the fallback is used'}"


def _schedule_text(schedule: dict[str, Json]) -> None:
    rule = schedule["rule"]
    words = " ".join(f"{k} {compact(rule[k])}" for k in DECIDES if rule.get(k) is not None)
    ahead = "inactive" if rule.get("active") is False else ", ".join(map(when, schedule["next"])) or "no slot ahead"
    extra = f" with {compact(rule['parameters'])}" if rule.get("parameters") else ""
    say(f"{paint('schedule', bold=True)} {plain(schedule['id'])}: {words}{extra}; next: {ahead}")


def spec_text(spec: Json) -> None:
    """The fields of an effective spec that are not shown elsewhere, and its parameters."""
    if spec is None:
        say("the spec was purged")
        return
    say(paint("fields:", bold=True))
    fields([(f"  {k}", compact(v, 200)) for k, v in sorted(spec.items()) if k not in APART and v not in (None, [], {})])
    schema = spec.get("parameter_openapi_schema") or {}
    for name, part in (schema.get("properties") or {}).items():
        needed = " (required)" if name in (schema.get("required") or ()) else ""
        rest = {k: v for k, v in part.items() if k not in ("title", "position")} if isinstance(part, dict) else part
        say(f"  parameter {plain(name)}{needed}: {compact(rest, 120)}")
