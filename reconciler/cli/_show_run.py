"""A run as the log tells it, with what lies beside the chain. Called by `show`."""

import json

from reconciler.cli._log import payload
from reconciler.cli._next import next_move
from reconciler.cli._place import Place
from reconciler.cli._print import compact, fields, paint, plain, print_json, say, when
from reconciler.cli.runs import shown
from reconciler.core import rows
from reconciler.daemon import client
from reconciler.model.plan import Json
from reconciler.stores import Log

RECORDED = (
    "since",
    "until",
    "start_at",
    "made_for",
    "schedule",
    "cause",
    "who",
    "spec",
    "spec_commit",
    "pool",
    "queue",
    "retries",
)
PROVEN = ("steps", "exit", "commit", "tree", "interpreter", "flow_name", "flow_version", "git_present")


def show(place: Place, log: Log, name: str, *, as_json: bool) -> None:
    """Print a run. Raises NotFoundError, ConflictError."""
    row = log.run(name)
    told = everything(place, log, row)
    if as_json:
        print_json(told)
    else:
        _text(told)


def everything(place: Place, log: Log, row: dict[str, Json]) -> dict[str, Json]:
    """All that is recorded of a run."""
    detail = row["detail"]
    served = row["final"] or client.answers(place.state)
    return {
        **shown(log, row),
        **{key: row[key] for key in RECORDED},
        "next": next_move(rows.run_of(row), served=served) or None,
        "result": payload(log, detail.get("result")),
        "error": payload(log, detail.get("error")),
        **{key: detail.get(key) for key in PROVEN},
    }


def _text(run: dict[str, Json]) -> None:
    source = f"{run['source_commit'] or 'none'}  (tree {(run['tree'] or 'not laid out yet')[:16]})"
    fields(
        [
            ("run", f"{run['id']} ({run['name']})"),
            ("deployment", f"{run['deployment']}, generation {run['generation']}"),
            ("state", run["state"]),
            ("reason", run["reason"]),
            ("since", when(run["since"])),
            ("until", when(run["until"])),
            ("next", run["next"]),
            ("attempt", f"{run['attempt']} of {run['retries'] + 1}"),
            ("due", when(run["due"])),
            ("starts", when(run["start_at"])),
            ("made for", run["made_for"]),
            ("created", f"{when(run['created_at'])} by {_asked(run)}"),
            ("started", when(run["started_at"])),
            ("finished", when(run["finished_at"])),
            ("exit", _exit(run["exit"])),
            ("version", run["version"]),
            ("source commit", source),
            ("spec commit", run["spec_commit"]),
            ("flow", " ".join(str(run[k]) for k in ("flow_name", "flow_version") if run[k])),
            ("interpreter", run["interpreter"]),
            ("goes to", f"pool {run['pool']}, queue {run['queue']}"),
            ("tags", ", ".join(run["tags"])),
            ("parameters", "purged" if run["parameters"] is None else compact(run["parameters"], 2000)),
            ("steps", ", ".join(_step(step) for step in run["steps"] or ())),
            ("result", None if run["result"] is None else compact(run["result"], 2000)),
        ]
    )
    _error(run["error"])


def _asked(run: dict[str, Json]) -> str:
    return f"schedule {run['cause']}" if run["trigger"] == "schedule" else f"{run['who']} ({run['trigger']})"


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
    for line in text.splitlines() if isinstance(text, str) else [json.dumps(text)]:
        say(f"  {plain(line)}")
