"""A small fold and what it folds: facts, rows and a store to put them in, for every test of stores."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from reconciler.model.events import DeploymentCreated, DeploymentPruned, RevisionApplied, RunCreated, RunMoved
from reconciler.model.fact import Event, Fact
from reconciler.model.ids import canonical, instant
from reconciler.model.state import FINAL
from reconciler.stores import Payload, Rows, Store

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
FINAL_WORDS = {str(state) for state in FINAL}


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def run_id(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:16]


def created(
    number: int,
    *,
    deployment="etl/nightly",
    tags=(),
    trigger="schedule",
    cause="0 9 * * *",
    schedule="",
    due=NOW,
    origin="",
    generation=1,
    source_commit=None,
) -> RunCreated:
    return RunCreated(
        run=run_id(number),
        deployment=deployment,
        name=f"run-{number}",
        due=instant(due),
        schedule=schedule,
        trigger=trigger,
        cause=cause,
        spec="0" * 64,
        version="v1",
        generation=generation,
        source_commit=source_commit,
        tags=tags,
        origin=origin,
    )


def moved(number: int, state: str, **detail) -> RunMoved:
    return RunMoved(run=run_id(number), state=state, detail=detail)


def deployed(name: str, **fields) -> DeploymentCreated:
    return DeploymentCreated(deployment=name, file="specs/a.yaml", spec="0" * 64, source={"kind": "whole"}, **fields)


def pruned(name: str) -> DeploymentPruned:
    return DeploymentPruned(deployment=name, reason="git dropped it")


def applied(revision: str) -> RevisionApplied:
    return RevisionApplied(revision=revision, tree="t" * 40)


def fold(events: Iterable[Event], runs: dict | None = None) -> Rows:
    """Rows of everything the events say; `runs` holds the rows from before them."""
    rows = Rows({}, {}, {})
    for event in events:
        data = event.data
        if event.type == "RunCreated":
            rows.runs[event.subject] = _new(event)
        elif event.type.startswith("Run"):
            old = rows.runs.get(event.subject) or (runs or {})[event.subject]
            final = data["state"] in FINAL_WORDS
            over = {"finished_at": instant(event.at)} if final else {}
            rows.runs[event.subject] = {**old, "state": data["state"], "final": final, **over}
        elif event.type == "DeploymentCreated":
            rows.deployments[event.subject] = {"name": event.subject, "tags": list(data.get("tags", ()))}
        elif event.type == "DeploymentPruned":
            rows.deployments[event.subject] = None
        elif event.type == "RevisionApplied":
            rows.meta["revision"] = data["revision"]
    return rows


def _new(event: Event) -> dict:
    return {
        "id": event.subject,
        "seq": event.seq,
        "name": event.data["name"],
        "deployment": event.data["deployment"],
        "state": "Scheduled",
        "final": False,
        "due": event.data["due"],
        "created_at": instant(event.at),
        "started_at": None,
        "finished_at": None,
        "tags": list(event.data.get("tags", ())),
        "schedule": event.data.get("schedule", ""),
        "trigger": event.data["trigger"],
        "cause": event.data["cause"],
        "origin": event.data.get("origin", ""),
        "generation": event.data["generation"],
        "source_commit": event.data.get("source_commit"),
    }


def tell(store: Store, *facts: Fact, at: datetime = NOW, payloads: Iterable[Payload] = ()) -> list[Event]:
    """Append facts with the rows they fold to, as the daemon does."""
    expect, _ = store.head()
    events = [Event(expect + i, f.type, f.subject, at, None, f.data()) for i, f in enumerate(facts, 1)]
    new = {event.subject for event in events if event.type == "RunCreated"}
    old = {f.run: store.run(f.run) for f in facts if isinstance(f, RunMoved) and f.run not in new}
    return store.append(facts, at=at, revision="r1", expect=expect, rows=fold(events, old), payloads=payloads)


def state(store) -> bytes:
    """All that a store holds, as one value to compare."""
    return canonical(
        [
            store.head(),
            list(store.deployments()),
            store.runs(limit=10_000),
            [[*key, n] for key, n in sorted(store.counts().items())],
            store.meta("revision"),
            [p.digest for p in store.payloads()],
        ]
    )
