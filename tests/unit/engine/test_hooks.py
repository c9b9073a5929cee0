"""Hooks: called with flow, run and state; what they raise changes nothing."""

import asyncio
import logging

import pytest

from reconciler import flow, task


def test_hooks_are_called_in_order_and_one_that_raises_is_logged(caplog):
    caplog.set_level(logging.INFO, "reconciler")
    told = []

    def breaks(a_flow, flow_run, state):
        raise KeyError("mine")

    async def later(a_flow, flow_run, state):
        await asyncio.sleep(0)
        told.append((flow_run.name, state.result()))

    @flow(flow_run_name="run-{n}", on_completion=[breaks, later])
    def main(n):
        return n

    @main.on_completion
    def last(a_flow, flow_run, state):
        told.append((a_flow is main, flow_run.state is state, state.is_final()))

    assert main(3) == 3
    assert told == [("run-3", 3), (True, True, True)]
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "the hook breaks of run-3 failed")
    assert "KeyError: 'mine'" in record.exc_text


def test_hooks_of_async_flows_may_be_async_too():
    told = []

    async def later(a_task, task_run, state):
        await asyncio.sleep(0)
        told.append(state.name)

    async def breaks(a_task, task_run, state):
        raise ValueError("swallowed")

    @task(on_running=[later], on_failure=[breaks, later])
    async def fails():
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        asyncio.run(fails())
    assert told == ["Running", "Failed"]


@pytest.mark.parametrize(("error", "called"), [(KeyboardInterrupt, ["Crashed"]), (SystemExit, []), (ValueError, [])])
def test_what_interrupts_a_flow_in_a_script_is_a_crash(error, called):
    told = []

    @flow(on_crashed=[lambda *given: told.append(given[2].name)])
    def main():
        raise error

    with pytest.raises(error):
        main()
    assert told == called
