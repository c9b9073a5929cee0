"""What an attempt said is taken in bounded, in pieces, and again when it could not be recorded."""

import pytest

from reconciler.daemon import heard
from reconciler.daemon.heard import JOURNAL_LIMIT, MOST_FACTS, Heard
from reconciler.engine import journal
from reconciler.engine.journal import Journal


@pytest.fixture
def attempt(tmp_path):
    return Heard(1, tmp_path), Journal(tmp_path, run="r", attempt=1, address=None)


def step(writer):
    writer.write("step", index=0, step="git_clone", id=None, seconds=0.5, ok=True)


def test_facts_come_in_pieces_and_the_last_word_at_the_end(attempt):
    said, writer = attempt
    step(writer)
    assert (said.read(1.0), len(said.facts), said.end()) == (False, 1, None)
    writer.write("running")
    assert (said.read(2.0), said.running_since) == (True, 2.0)
    writer.write("completed", result=3)
    assert (said.read(3.0), len(said.facts), said.end()["result"]) == (False, 2, 3)


def test_the_clock_of_a_flow_stands_still_while_it_is_paused(attempt):
    said, writer = attempt
    for at, fact in ((1.0, {"fact": "running"}), (5.0, {"fact": "paused"}), (9.0, {"fact": "resumed"})):
        said._clock(fact["fact"], at)
    assert (said.running_since, said.paused_since) == (5.0, None)
    step(writer)
    said.read(10.0)
    said.again()
    assert (said.running_since, said.facts, said.offset) == (None, [], 0)
    said.read(11.0)
    assert len(said.facts) == 1


def test_a_run_that_writes_without_end_is_not_listened_to_without_end(attempt, tmp_path):
    said, writer = attempt
    writer.write("step", index=0, step="x" * 10_000, id=None, seconds=0.5, ok=True)
    line = (tmp_path / journal.JOURNAL).read_bytes()
    with (tmp_path / journal.JOURNAL).open("ab") as file:
        file.write(line * (2 * JOURNAL_LIMIT // len(line)))
    said.read(1.0)
    assert len(said.facts) == MOST_FACTS
    assert said.offset < JOURNAL_LIMIT + 1024 * 1024


@pytest.mark.parametrize(
    ("final", "message"),
    [
        ({"fact": "failed", "error": {"type": "ValueError", "message": "no"}}, "ValueError: no"),
        ({"fact": "failed", "error": {"type": "reconciler.StepError", "message": "no"}}, "no"),
        ({"fact": "failed", "error": {"type": "ValueError", "message": "no"}, "message": "said"}, "said"),
        ({"fact": "timed_out", "seconds": 3}, "it ran longer than its 3 s"),
    ],
)
def test_an_end_has_one_line_of_message(tmp_path, final, message):
    assert heard.complete(tmp_path, final)["message"] == message
