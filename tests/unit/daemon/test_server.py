"""The socket under more callers than it has places for."""

import json
import socket

from reconciler.daemon import state_dir
from reconciler.daemon.server import MOST, Server


def heard(line: socket.socket) -> dict[str, object]:
    with line, line.makefile("rb") as stream:
        return json.loads(stream.readline())


def test_who_comes_when_all_places_are_taken_is_told_and_comes_in_when_they_are_free(tmp_path):
    state = state_dir.prepare(tmp_path / "state", allow_network_fs=False)
    listens = Server(state, lambda verb, _args, _who, _line, _pid: verb)
    listens.start()

    def dial() -> socket.socket:
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(20)
        while line.connect_ex(state.address("socket")):
            pass  # more than it can take up at once
        return line

    try:
        held = [dial() for _ in range(MOST)]
        late = heard(dial())
        for line in held:
            line.sendall(b'{"verb": "x"}\n')
        answers = [heard(line) for line in held]
        assert "has 256 conversations already" in str(late)
        assert answers == [{"ok": "x"}] * MOST
        while "error" in (again := _asked(dial())):
            assert "already" in str(again)  # the last of them is just going
        assert again == {"ok": "y"}
    finally:
        listens.stop()


def _asked(line: socket.socket) -> dict[str, object]:
    line.sendall(b'{"verb": "y"}\n')
    return heard(line)
