"""Runs that are over are counted once per commit, whatever happens between a count and its note."""

import json
from datetime import timedelta

import pytest
from helpers_facts import NOW
from helpers_git import Repo

from reconciler.daemon import notes as daemon_notes
from reconciler.daemon.notes import Notes, Tally
from reconciler.git.repository import Repository
from reconciler.model.errors import SourceUnavailableError, StoreError
from reconciler.model.events import RunMoved
from reconciler.stores import Rows
from reconciler.stores.sqlite import SqliteStore


class Place:
    """A repository with one commit, a log, and its notes; a new object each time, as after a restart."""

    def __init__(self, root):
        self.repo = Repo(root / "r")
        self.head = self.repo.commit({"a": "1"})
        self.folder = root / "notes"
        self.log = root / "log.db"
        self.store = SqliteStore.open(self.log)
        self.runs = 0

    def end(self, state, *, deployment="etl/d", commit=None, count=1):
        """Runs that are over, in the log."""
        facts, rows, seq = [], {}, self.store.head()[0]
        for _ in range(count):
            self.runs += 1
            run = f"{self.runs:016x}"
            facts.append(RunMoved(run=run, state=state, attempt=1))
            rows[run] = {
                "id": run, "seq": seq + len(facts), "name": run, "deployment": deployment, "state": state,
                "final": True, "due": None, "created_at": "2026-11-22T09:00:00.000000Z", "started_at": None,
                "finished_at": None, "tags": [], "trigger": "manual", "cause": run,
                "source_commit": commit or self.head,
            }  # fmt: skip
        at = NOW + timedelta(seconds=self.runs)
        return self.store.append(facts, at=at, revision=None, expect=seq, rows=Rows(runs=rows))

    def notes(self):
        return Notes(self.log, self.folder, lambda: Repository.open(self.repo.path), lambda: NOW)

    def write(self):
        return self.notes().write()

    def shown(self, commit=None):
        return self.repo.git("notes", "--ref=reconciler", "show", commit or self.head).split("\n")[1:]


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.store.close()


def test_runs_are_summed_up_by_deployment_and_state(place):
    assert place.write() == 0  # an empty log
    place.end("Completed", count=11)
    place.end("Failed")
    place.end("Cancelled", deployment="a/b")
    assert place.write() == 1
    lines = ["  a/b: 1 run, 1 Cancelled, last at 2026-11-22T09:00:13Z"]
    lines += ["  etl/d: 12 runs, 11 Completed, 1 Failed, last at 2026-11-22T09:00:12Z"]
    assert place.shown() == lines
    assert place.write() == 0
    place.end("Completed", count=1200)
    assert place.write() == 1
    assert place.shown()[1].startswith("  etl/d: 1212 runs, 1211 Completed, 1 Failed")


def test_a_commit_elsewhere_or_none_at_all_is_passed_over(place):
    place.end("Completed", commit="b" * 40)
    place.end("Completed", commit="../../x")
    assert place.write() == 0
    assert {each.name for each in place.folder.iterdir()} == {"through", f"{'b' * 40}.json"}


def test_a_crash_between_count_and_note_neither_loses_nor_doubles(place):
    place.end("Completed")
    place.write()
    through = (place.folder / "through").read_text()
    place.end("Completed")
    place.write()
    (place.folder / "through").write_text(through)  # the note was written, what says so was not
    place.repo.git("update-ref", "-d", "refs/notes/reconciler")  # nor was the note
    place.end("Failed")
    assert place.write() == 1
    assert place.shown() == ["  etl/d: 3 runs, 2 Completed, 1 Failed, last at 2026-11-22T09:00:03Z"]


@pytest.mark.parametrize("spoiled", ["", "nonsense", f"1 {'0' * 64}", "99999 x", "-5 x"])
def test_a_place_that_is_no_place_of_this_log_counts_all_anew(place, spoiled):
    place.end("Completed", count=2)
    place.write()
    (place.folder / "through").write_text(spoiled)
    place.end("Completed")
    place.write()
    assert place.shown() == ["  etl/d: 3 runs, 3 Completed, last at 2026-11-22T09:00:03Z"]


@pytest.mark.parametrize("spoiled", ["", "[]", '{"seq": "x"}', '{"seq": 1, "states": 3}'])
def test_a_count_that_is_damaged_is_told_and_made_anew(place, spoiled):
    place.end("Completed", count=2)
    place.write()
    (place.folder / f"{place.head}.json").write_text(spoiled)
    place.end("Completed")
    with pytest.raises(StoreError, match="counted anew"):
        place.write()
    place.write()
    assert place.shown() == ["  etl/d: 3 runs, 3 Completed, last at 2026-11-22T09:00:03Z"]


def test_what_cannot_be_written_is_told_once_and_made_up_for(place, caplog):
    blocked = place.repo.path / ".git/refs/notes"
    blocked.touch()
    place.end("Completed")
    notes = place.notes()
    with pytest.raises(SourceUnavailableError):
        notes.write()
    assert [notes._tried() for _ in range(4)] == [60, 300, 900, 900]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    blocked.unlink()
    assert [notes._tried() for _ in range(2)] == [daemon_notes.PACE, 0]
    assert place.shown() == ["  etl/d: 1 run, 1 Completed, last at 2026-11-22T09:00:01Z"]


def test_a_thread_writes_what_it_is_told_and_once_more_at_its_end(place):
    notes = place.notes()
    notes.start()
    notes.tell(place.end("Completed"))
    notes.stop()
    assert place.shown() == ["  etl/d: 1 run, 1 Completed, last at 2026-11-22T09:00:01Z"]


def test_a_note_stays_short(place):
    tally = Tally()
    (event,) = place.end("Completed")
    for n in range(daemon_notes.MOST_LINES + 5):
        tally.seq = 0
        tally.count(event, f"f/{n:03d}")
    lines = tally.text().splitlines()
    assert (len(lines), lines[-1]) == (101, "and 5 more deployments")
    assert Tally.load(json.dumps(tally.json()).encode()) == tally
