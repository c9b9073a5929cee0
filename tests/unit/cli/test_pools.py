"""Work pools as `pools` shows them."""

from helpers_facts import a_deployment, a_run, observed_of

from reconciler.cli.pools import shown
from reconciler.model.state import State

S = State
BIG = {
    "type": "process",
    "file": "specs/p.yaml",
    "concurrency_limit": 2,
    "work_queues": {"hi": {"priority": 1}, "lo": {"priority": 2, "paused": True}},
}


def test_pools_queues_and_who_waits_in_the_order_of_their_turn():
    sent = [a_deployment("etl/a", pool="big", queue="hi"), a_deployment("etl/b")]
    waits = {"state": S.AWAITING_CONCURRENCY_SLOT, "pool": "big", "reason": "work pool big is full (2 of 2)"}
    runs = [
        a_run(1, state=S.RUNNING, pool="big", queue="hi"),
        a_run(2, queue="lo", **waits),
        a_run(3, queue="hi", **waits),
        a_run(4, state=S.SCHEDULED, pool="big"),
        a_run(5, state=S.AWAITING_RETRY, pool="big", queue="gone", reason="attempt 1 of 2 failed"),
    ]
    big, process = shown(observed_of(*sent, runs=runs, pools={"big": BIG}))
    assert [(q["queue"], q["priority"], q["paused"], q["active"], q["waiting"]) for q in big["queues"]] == [
        ("hi", 1, False, 1, 1),
        ("lo", 2, True, 0, 1),
        ("default", None, False, 0, 0),
        ("gone", None, False, 0, 1),
    ]
    assert [r["run"] for r in big["running"]] == [runs[0].id]
    assert [w["run"] for w in big["waits"]] == [runs[2].id, runs[1].id, runs[4].id]
    assert (big["active"], big["waiting"], big["deployments"], big["concurrency_limit"]) == (1, 3, 1, 2)
    assert (process["pool"], process["file"], process["type"], process["deployments"]) == (
        "process",
        None,
        "process",
        1,
    )


def test_a_pool_that_is_only_named_is_not_declared():
    pools = {"big": BIG, "named": {"type": "process", "file": "specs/a.yaml", "work_queues": {}, "implicit": True}}
    assert [(p["pool"], p["type"], p["declared"]) for p in shown(observed_of(a_deployment("etl/b"), pools=pools))] == [
        ("big", "process", True),
        ("named", "process", False),
        ("process", "process", False),
    ]


def test_a_pool_that_is_not_there(verbs, spec):
    verbs.repo.commit({"specs/a.yaml": spec(), "flows/f.py": "def hello(): ...\n"})
    assert "no log here yet" in str(verbs("pools").exception)
