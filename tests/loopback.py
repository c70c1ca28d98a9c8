"""Servers on loopback for tests that kill clients. They can be told to misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(kw_only=True)
class Misbehaviour:
    """cuts: this many answers end after cut_after bytes; wrong: this many send wrong bytes; pause: seconds before each
    block; ranges: whether range requests work; sent: bytes of files sent."""

    cuts: int = 0
    cut_after: int = 300_000
    wrong: int = 0
    pause: float = 0.0
    ranges: bool = True
    sent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def takes(self, what: str) -> bool:
        """Whether this answer is one of the `cuts` or `wrong` ones; counts it."""
        with self.lock:
            left = getattr(self, what)
            setattr(self, what, max(0, left - 1))
            return left > 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def listening(handler: type[Handler], **given: object) -> Iterator[str]:
    """The address of a server with this handler. given: attributes of the handler."""
    server = _Server(("127.0.0.1", 0), type("Handler", (handler,), given))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores killed clients, which are not errors of the server."""
