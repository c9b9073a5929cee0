"""A run as the log tells it, with what lies beside the chain. Called by `show`."""

import json

from reconciler.cli._log import payload
from reconciler.cli._place import Place
from reconciler.cli._print import ahead, compact, fields, paint, plain, print_json, say, shortly, table, when
from reconciler.cli._waits import Waits
from reconciler.cli.runs import shown
from reconciler.core import retries, rows
from reconciler.core.script import TRIGGER
from reconciler.engine import timeline
from reconciler.model.plan import Json
from reconciler.model.state import REPLAY
from reconciler.stores import Log, RunFilter

RECORDED = ("since until start_at made_for schedule cause who origin spec spec_commit pool queue retries").split()
SHOWN = 40
"""Tasks and subflows that are printed."""
LONG = 20_000
"""Characters of an error that are printed."""
PROVEN = ("steps", "exit", "commit", "tree", "interpreter", "flow_name", "flow_version", "git_present")


def show(place: Place, log: Log, name: str, *, as_json: bool) -> None:
    """Print a run. Raises NotFoundError, ConflictError."""
    row = log.run(name)
    told = everything(place, log, row)
    if as_json:
        print_json(told)
    else:
        _text(told, Waits(place, log))


def everything(place: Place, log: Log, row: dict[str, Json]) -> dict[str, Json]:
    """All that is recorded of a run."""
    detail, waits = row["detail"], Waits(place, log)
    spec = payload(log, row["spec"]) or {}
    return {
        **shown(log, row, waits),
        **{key: row[key] for key in RECORDED},
        "attempts": retries.attempts(rows.run_of(row)),
        "start_at": row["start_at"],
        "labels": {**(spec.get("labels") or {}), **row["labels"]},
        "variables": _names(payload(log, row["variables"])),
        **_again(log, row["id"]),
        "next": waits.next(row),
        "result": payload(log, detail.get("result")),
        "error": payload(log, detail.get("error")),
        **{key: detail.get(key) for key in PROVEN},
        **_timeline(place, row),
    }


def _again(log: Log, run: str) -> dict[str, list[str]]:
    """The runs that tried it again, and those that replayed it."""
    found = log.runs(RunFilter(origin=run))
    return {
        "retried_by": [each["id"] for each in found if each["trigger"] != REPLAY],
        "replayed_by": [each["id"] for each in found if each["trigger"] == REPLAY],
    }


def _timeline(place: Place, row: dict[str, Json]) -> dict[str, Json]:
    """Pull steps, tasks and subflows of the latest attempt, as its journal tells them."""
    over = row["state"] if row["final"] else None
    found = timeline.timeline(place.state.attempt(row["id"], row["attempt"]), row["attempt"], over=over)
    return {"timeline": [entry.json() for entry in found.entries], "timeline_left_out": found.left_out}


def _names(variables: Json) -> list[str]:
    """What job variables were given: their values may be secrets."""
    found = []
    for name, value in (variables or {}).items():
        found += [f"{name}.{key}" for key in value] if isinstance(value, dict) else [name]
    return found


def _text(run: dict[str, Json], waits: Waits) -> None:
    left = ahead(run["until"], waits.now)
    source = f"{run['source_commit'] or 'none'}  (tree {(run['tree'] or 'not laid out yet')[:16]})"
    deployment = f"{run['deployment']}, generation {run['generation']}"
    if called := run["trigger"] == TRIGGER:
        source, deployment = "a script's run: its source is not recorded", f"none: a script called {run['flow_name']}"
    fields(
        [
            ("run", f"{run['id']} ({run['name']})"),
            ("deployment", deployment),
            ("state", run["state"]),
            ("reason", shortly((run["waiting"] or run)["reason"])),
            ("since", when(run["since"])),
            ("until", f"{when(run['until'])} ({left})" if left else None),
            ("next", shortly(run["next"] or "")),
            ("attempt", f"{run['attempt']} of {run['attempts']}"),
            ("due", when(run["due"])),
            ("not before", when(run["start_at"])),
            ("created", f"{when(run['created_at'])} by {_asked(run)}"),
            ("replay of" if run["trigger"] == REPLAY else "retry of", run["origin"]),
            ("tried again by", ", ".join(run["retried_by"])),
            ("replayed by", ", ".join(run["replayed_by"])),
            ("started", when(run["started_at"])),
            ("finished", when(run["finished_at"])),
            ("exit", _exit(run["exit"])),
            ("version", run["version"]),
            ("source commit", source),
            ("spec commit", run["spec_commit"]),
            ("flow", " ".join(str(run[k]) for k in ("flow_name", "flow_version") if run[k])),
            ("interpreter", run["interpreter"]),
            ("goes to", None if called else f"pool {run['pool']}, queue {run['queue']}"),
            ("tags", ", ".join(run["tags"])),
            ("labels", ", ".join(f"{name}={value}" for name, value in run["labels"].items())),
            ("job variables", ", ".join(run["variables"])),
            ("parameters", "purged" if run["parameters"] is None else compact(run["parameters"], 2000)),
            ("steps", ", ".join(_step(step) for step in run["steps"] or ())),
            ("result", None if run["result"] is None else compact(run["result"], 2000)),
        ]
    )
    _error(run["error"])
    _tasks(run["timeline"], run["timeline_left_out"])


def _tasks(entries: list[dict[str, Json]], left_out: int) -> None:
    """The tasks and subflows, indented below what they are in; the pull steps were told above."""
    found = [e for e in entries if e["kind"] != "step"]
    if not found:
        return
    depth: dict[str | None, int] = {None: 0}
    rows = []
    for entry in found[:SHOWN]:
        depth[entry["id"]] = depth.get(entry["parent"], 0) + 1
        seconds = "" if entry["seconds"] is None else f"{entry['seconds']:.3f} s"
        again = f"attempt {entry['attempt']}" if entry["attempt"] > 1 else ""
        name = "  " * min(depth[entry["id"]] - 1, 10) + entry["name"]
        rows.append([name, entry["kind"], entry["state"], seconds, again, entry["message"]])
    say(paint("timeline:", bold=True))
    table(["NAME", "KIND", "STATE", "TOOK", "", ""], rows)
    more = len(found) - len(rows) + left_out
    if more:
        say(f"  and {more} more: --json tells the first {len(entries)}")


def _asked(run: dict[str, Json]) -> str:
    why = f": {run['made_for']}" if run["made_for"] else ""
    return f"schedule {run['cause']}{why}" if run["trigger"] == "schedule" else f"{run['who']} ({run['trigger']}){why}"


def _exit(status: Json) -> str | None:
    if not status:
        return None
    return f"signal {status['signal']}" if status.get("signal") else f"code {status.get('code')}"


def _step(step: dict[str, Json]) -> str:
    return f"{step.get('step')} {step['seconds']:.3f} s" if "seconds" in step else str(step.get("step"))


def _error(error: Json) -> None:
    if not isinstance(error, dict):
        return
    say(paint("error:", bold=True))
    text = error.get("traceback") or f"{error.get('type')}: {error.get('message')}"
    if isinstance(text, str) and len(text) > LONG:
        cut = f"[... {len(text) - LONG} characters left out, --json has them ...]"
        text = f"{text[: LONG // 2]}\n{cut}\n{text[-LONG // 2 :]}"
    for line in text.splitlines() if isinstance(text, str) else [json.dumps(text)]:
        say(f"  {plain(line)}")
