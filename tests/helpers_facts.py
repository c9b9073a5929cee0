"""Builders of declared and observed state, and the ledger over a log in memory, for tests of decisions."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler import schedules
from reconciler.core import pinned, plan, project, rows
from reconciler.core.plan import Policy
from reconciler.daemon.ledger import Ledger
from reconciler.model.ids import canonical, digest, run_id
from reconciler.model.plan import Declared, Desired, Plan, Problem, Source, SourceKind
from reconciler.model.state import Deployment, Observed, Run, Scheduled, State
from reconciler.stores import Rows
from reconciler.stores.memory import MemoryStore

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def a_rule(**fields) -> dict:
    """A schedule as a spec holds it, with its identity; hourly unless said otherwise."""
    rule = fields or {"interval": 3600}
    return {"id": schedules.identity(rule), **rule}


def a_spec(name: str = "etl/nightly", **fields) -> dict:
    """An effective spec; `name` reads flow/deployment."""
    flow_name, _, own = name.partition("/")
    return {
        "name": own,
        "flow_name": flow_name,
        "entrypoint": "flow.py:main",
        "version": None,
        "paused": False,
        "schedules": [],
        "concurrency_limit": None,
        "collision_strategy": "ENQUEUE",
        "work_pool": {"name": "process", "work_queue_name": "default", "job_variables": {}},
        "tags": [],
        "parameters": {},
        "pull": None,
        "flow": {"known": True},
        **fields,
    }


def a_declared(spec: dict, *, file: str = "", commit: str | None = "s" * 40, source: Source | None = None) -> Declared:
    name = f"{spec['flow_name']}/{spec['name']}"
    return Declared(
        name, file or f"specs/{spec['name']}.yaml", 1, digest(spec), commit, source or Source(SourceKind.WHOLE)
    )


def desired_of(
    *specs: dict | tuple[dict, Declared],
    revision: str = "r1",
    whole: str | None = None,
    broken: Iterable[str] = (),
    **fields,
) -> Desired:
    """What these specs say at a revision; a spec may come with the `Declared` that carries it."""
    pairs = [pair if isinstance(pair, tuple) else (pair, a_declared(pair)) for pair in specs]
    found = frozenset(broken)
    return Desired(
        revision=revision,
        tree=f"tree of {revision}",
        whole_commit=whole or f"{revision}-commit",
        deployments={declared.name: declared for _, declared in pairs},
        specs={declared.digest: spec for spec, declared in pairs},
        broken=found,
        problems=tuple(Problem(file, 1, 1, "", "broken") for file in sorted(found)),
        **fields,
    )


def texts_of(desired: Desired) -> dict[str, bytes]:
    return {name: canonical(spec) for name, spec in desired.specs.items()}


def a_deployment(name: str = "etl/nightly", **fields) -> Deployment:
    given = {
        "file": "specs/nightly.yaml",
        "line": 1,
        "digest": "d" * 64,
        "spec_commit": "s" * 40,
        "source": Source(SourceKind.WHOLE),
        "label": None,
        "generation": 1,
        "paused": False,
        "schedules": (),
        "limit": None,
        "collision": "ENQUEUE",
        "pool": "process",
        "queue": "default",
        "tags": (),
        "retries": 0,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Deployment(name=name, **(given | fields))


def a_scheduled(accounted: datetime = NOW, **fields) -> Scheduled:
    rule = a_rule(**fields)
    return Scheduled(rule["id"], rule, accounted)


def a_run(number: int = 1, **fields) -> Run:
    given = {
        "name": f"run-{number}",
        "deployment": "etl/nightly",
        "state": State.SCHEDULED,
        "since": NOW,
        "due": NOW,
        "created_at": NOW,
        "trigger": "schedule",
        "cause": "hourly",
        "who": "",
        "parameters": "",
        "spec": "d" * 64,
        "spec_commit": None,
        "source_commit": "c" * 40,
        "version": "cccccccc",
        "generation": 1,
        "tags": (),
        "pool": "process",
        "queue": "default",
        "retries": 0,
        "seq": number,
    }
    return Run(id=run_id("etl/nightly", str(number), NOW), **(given | fields))


def observed_of(*deployments: Deployment, runs: Iterable[Run] = (), **fields) -> Observed:
    given = {"branch": "main", "revision": "r0", "tree": "t0", "whole_commit": "w" * 40}
    observed = Observed(deployments={d.name: d for d in deployments}, **(given | fields))
    for run in runs:
        observed.place(run)
    return observed


def a_ledger() -> Ledger:
    return Ledger(MemoryStore())


def apply(
    ledger: Ledger, desired: Desired, *, now: datetime = NOW, policy: Policy | None = None, pools: Mapping | None = None
) -> Plan:
    """Plan and make durable what follows, as the loop does."""
    observed, desired = ledger.observed, replace(desired, pools=desired.pools if pools is None else pools)
    made = plan.plan(desired, observed, policy or Policy())
    facts = plan.facts(made, desired, observed)
    if facts and not made.refused:
        facts = [*pinned.before(made, desired, observed, now), *facts]
    tell(ledger, *facts, now=now)
    return made


def tell(ledger: Ledger, *facts, now: datetime = NOW) -> list:
    """Stage and flush facts; the events."""
    ledger.stage(list(facts), now)
    return ledger.flush()


def picture(observed: Observed) -> bytes:
    """Everything that an observed state says, as one value to compare."""
    return canonical(
        [
            observed.seq,
            rows.repository_row(observed),
            {name: rows.deployment_row(d) for name, d in observed.deployments.items()},
            {name: rows.run_row(r) for name, r in observed.runs.items()},
        ]
    )


def history(store: MemoryStore) -> list:
    """Every event of a log."""
    return store.events(limit=10**9)


def rows_of(events: Iterable) -> Rows:
    """The projections of a whole log, finished runs too: what `verify` compares with."""
    observed, touched = project.replay(events)
    return Rows(
        deployments={name: rows.deployment_row(d) for name, d in observed.deployments.items()},
        runs={name: rows.run_row(r) for name, r in touched.runs.items()},
        meta={"repository": rows.repository_row(observed)} if touched.repository else {},
    )
