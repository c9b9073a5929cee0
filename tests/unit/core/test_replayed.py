"""A replay beside the run that it replays."""

import pytest
from helpers_facts import a_run

from reconciler.core import rows
from reconciler.core.replayed import LINES, MOST, Outcome, compare, outputs
from reconciler.model.state import State


def an_outcome(number: int, state: State = State.COMPLETED, *, error=None, parameters=None, **detail) -> Outcome:
    detail |= {"error": f"digest {number}"} if error else {}
    row = rows.run_row(a_run(number, state=state, detail=detail))
    return Outcome(row, None, parameters, error)


def error(message: str, kind: str = "ValueError") -> dict:
    return {"type": kind, "message": message, "traceback": "differs"}


def differing(before: Outcome, after: Outcome, *results) -> dict:
    found = compare(before, after, results or (None, None))
    return {each.field: (each.before, each.after) for each in found.differences}


def test_the_same_result_is_the_same_outcome_though_nobody_has_it_any_more():
    assert differing(an_outcome(1, result="d"), an_outcome(2, result="d")) == {}
    assert differing(an_outcome(1, result="d"), an_outcome(2, result="e"), None, 3) == {"result": ("d", 3)}


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (1, 2, {"result": (1, 2)}),
        ({"repr": "<A at 0x7f00aa00bb>"}, {"repr": "<A at 0x7f00cc00dd>"}, {}),
        ({"repr": "<A 1>"}, {"repr": "<A 2>"}, {"result": ({"repr": "<A 1>"}, {"repr": "<A 2>"})}),
    ],
)
def test_results_are_compared_without_where_they_lay_in_memory(one, two, expected):
    assert differing(an_outcome(1, result="d"), an_outcome(2, result="e"), one, two) == expected


def test_failing_again_in_the_same_way_is_the_same_outcome():
    one, two = (an_outcome(n, State.FAILED) for n in (1, 2))
    said = [error(f"no file /runs/{of.row['id']}/{n}/work/x") for n, of in enumerate((one, two), 1)]
    one, two = (an_outcome(n, State.FAILED, error=e) for n, e in enumerate(said, 1))
    assert differing(one, two) == {}
    other = an_outcome(2, State.FAILED, error=error("other", "KeyError"))
    assert differing(one, other)["error.type"] == ("ValueError", "KeyError")
    assert differing(one, an_outcome(2)).keys() == {"state", "error.type", "error.message"}


def test_of_an_error_that_was_purged_only_the_state_is_compared():
    purged = an_outcome(1, State.FAILED)
    purged.row["detail"]["error"] = "d"
    assert differing(purged, an_outcome(2, State.FAILED, error=error("x"))) == {}


def test_what_else_was_not_the_same_is_told_and_does_not_count():
    one = an_outcome(1, parameters={"a": 1, "b": 2}, tree="t", interpreter="python 3.11")
    two = an_outcome(2, parameters={"a": 1, "b": 3}, tree="u", interpreter="python 3.12")
    found = compare(one, two, (None, None))
    assert found.same
    assert [each.field for each in found.circumstances] == ["tree", "interpreter", "parameters.b"]


def test_outputs_differ_in_more_than_times_and_ids():
    one, two = an_outcome(1), an_outcome(2)
    texts = [f"2024-01-0{n} 10:00:00,123 INFO x\n{of.row['id']}/{n} ran\nsame\n" for n, of in enumerate((one, two), 1)]
    assert outputs(one, two, (texts[0], texts[1])) == ([], False)
    lines, cut = outputs(one, two, (texts[0], texts[1].replace("same", "other")))
    assert (lines[-2:], cut) == (["-same", "+other"], False)
    long = "\n".join(map(str, range(MOST + 1)))
    lines, cut = outputs(one, two, (long, ""))
    assert (len(lines), cut) == (LINES, True)
