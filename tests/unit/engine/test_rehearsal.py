"""A rehearsal leaves nothing behind: no file, no module, no path, no descriptor."""

import sys
from pathlib import Path

from reconciler.engine import rehearsal


def state():
    return sys.path[:], sys.path_hooks[:], set(sys.modules), len(list(Path("/proc/self/fd").iterdir())), Path.cwd()


def test_it_runs_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    rehearsal.rehearse()
    before = state()
    rounds = []
    done = rehearsal._round
    monkeypatch.setattr(rehearsal, "_round", lambda folder: rounds.append(done(folder)))
    rehearsal.rehearse()
    assert len(rounds) == rehearsal._ROUNDS
    assert state() == before
    assert list(tmp_path.iterdir()) == []
    assert not [path for path in sys.path_importer_cache if path.startswith(str(tmp_path))]


def test_without_a_place_nothing_happens(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    before = state()
    rehearsal.rehearse()
    assert state() == before
