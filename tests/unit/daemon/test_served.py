"""Processes that serve: what they leave behind, and those that do not listen."""

import json
import socket
import threading

import pytest

from reconciler.daemon import served
from reconciler.daemon.served import Served
from reconciler.engine import marker

ME = marker.myself()
WHO = {"pid": ME.pid, "started": ME.started, "boot": ME.boot}
ROW = {"who": WHO, "deployments": ["a/b"], "limit": None}


@pytest.mark.parametrize(
    "left",
    [
        [], {}, 5, "x", [5], [ROW | {"who": WHO | {"pid": "1"}}], [ROW | {"who": []}], [ROW | {"deployments": 5}],
        [ROW | {"deployments": [["a"]]}], [ROW | {"limit": "1"}], [ROW | {"who": WHO | {"started": ME.started + 1}}],
    ],
    ids="list map number text numbers pid who deployments nested limit another".split(),
)  # fmt: skip
def test_what_no_daemon_wrote_is_not_believed(left, tmp_path):
    (tmp_path / "served").write_text(json.dumps([ROW]))
    assert set(Served(tmp_path / "served", print).takers()) == {"a/b"}
    (tmp_path / "served").write_text(json.dumps(left))
    assert Served(tmp_path / "served", print).takers() == {}


def test_who_does_not_listen_holds_up_others_once_and_serves_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(served, "SEND", 0.05)
    serving = Served(tmp_path / "served", lambda _request: None)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = serving.join(ME, ["a/b"], None, ours)
        listens = threading.Thread(target=serving.listen, args=(process, ours))
        listens.start()
        ours.settimeout(0.05)
        handed = 0
        while serving.hand(tmp_path / str(handed) / "1", "a/b"):
            handed += 1
        listens.join(20)
        assert not listens.is_alive()
        assert serving.takers() == {}
        assert handed > 1


def test_a_line_without_an_end_ends_the_conversation(tmp_path):
    serving = Served(tmp_path / "served", lambda _request: None)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = serving.join(ME, ["a/b"], None, ours)
        listens = threading.Thread(target=serving.listen, args=(process, ours))
        listens.start()
        theirs.sendall(b"x" * served.SAID * 2)
        listens.join(20)
        assert not listens.is_alive()
        assert serving.takers() == {}
