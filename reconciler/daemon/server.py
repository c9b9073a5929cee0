"""The socket that people's commands come in by: one JSON line in, one out, the peer's uid checked. Started by wiring.

A request is `{"verb": ..., "args": {...}}`; the answer is `{"ok": value}` or `{"error": {reason, message, hint,
exit_code}}`. Who asks is who the kernel says is at the other end.
"""

import contextlib
import json
import logging
import os
import pwd
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from reconciler.daemon.asked import Stay
from reconciler.daemon.state_dir import StateDir
from reconciler.model.errors import AccessError, InvalidRequestError, ReconcilerError
from reconciler.model.plan import Json

log = logging.getLogger("reconciler")

REQUEST_LIMIT = 2 * 1024 * 1024
TIMEOUT = 30.0
MOST = 256
"""Conversations at once: each is a thread and a descriptor, and the runs need theirs."""

Answer = Callable[[str, Mapping[str, Json], str, socket.socket, int], Json | Stay]
"""(verb, args, who, line, pid of who asks) to the value; raises ReconcilerError."""


class Server:
    """Answers on the state directory's socket."""

    def __init__(self, state: StateDir, answer: Answer) -> None:
        self._state = state
        self._server: _Listener | None = None
        self._answer = answer

    def start(self) -> None:
        """Listen; 0600 from the first moment."""
        address = self._state.new_address("socket")
        umask = os.umask(0o177)
        try:
            self._server = _Listener(address, _Conversation)
        finally:
            os.umask(umask)
        self._server.answer = self._answer
        threading.Thread(target=self._server.serve_forever, args=(0.2,), name="socket", daemon=True).start()

    def stop(self) -> None:
        """Stop listening and remove the socket."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        (self._state.root / "socket").unlink(missing_ok=True)


class _Listener(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128
    answer: Answer

    def __init__(self, address: str, handler: type["_Conversation"]) -> None:
        super().__init__(address, handler)
        self._places = threading.BoundedSemaphore(MOST)

    def verify_request(self, request: Any, _client_address: Any) -> bool:
        """Whether there is a place for one more; who finds none is told."""
        if self._places.acquire(blocking=False):
            return True
        with contextlib.suppress(OSError):
            request.settimeout(0)
            full = ReconcilerError(f"the daemon has {MOST} conversations already", hint="ask again in a moment")
            request.sendall(json.dumps({"error": told(full)}).encode() + b"\n")
        return False

    def process_request(self, request: Any, client_address: Any) -> None:
        """On a thread of its own."""
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The whole conversation."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()


class _Conversation(socketserver.StreamRequestHandler):
    timeout = TIMEOUT
    server: _Listener

    def handle(self) -> None:
        try:
            line = self.rfile.readline(REQUEST_LIMIT + 1)
            reply = self._reply(line)
            value = reply.get("ok")
            if isinstance(value, Stay):
                self.wfile.write(json.dumps({"ok": value.value}).encode() + b"\n")
                value.then(self.connection)
            else:
                self.wfile.write(json.dumps(reply).encode() + b"\n")
        except OSError:
            return  # the other end went away

    def _reply(self, line: bytes) -> dict[str, Json]:
        try:
            return {"ok": self._value(line)}
        except ReconcilerError as error:
            return {"error": told(error)}
        except Exception:
            log.exception("a request failed")
            return {"error": told(ReconcilerError("internal error; the daemon's log has the details"))}

    def _value(self, line: bytes) -> Json:
        who, pid = _peer(self.connection)
        if len(line) > REQUEST_LIMIT:
            raise InvalidRequestError(f"the request is longer than {REQUEST_LIMIT} bytes")
        try:
            request = json.loads(line)
            verb, args = request["verb"], dict(request.get("args") or {})
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InvalidRequestError("the request is no JSON object with verb and args") from None
        return self.server.answer(str(verb), args, who, self.connection, pid)


def _peer(connection: socket.socket) -> tuple[str, int]:
    """The login name and pid at the other end. Raises AccessError for another user than the daemon's or root."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _gid = struct.unpack("3i", data)
    if uid not in {os.geteuid(), 0}:
        raise AccessError(f"uid {uid} may not ask this daemon, which runs as uid {os.geteuid()}")
    return _name(uid), pid


@cache
def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def told(error: ReconcilerError) -> dict[str, Json]:
    """An error as it travels."""
    return {"reason": error.reason, "message": error.message, "hint": error.hint, "exit_code": error.exit_code}
