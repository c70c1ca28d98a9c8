"""The worker process, `python -m backend serve`: reads messages from stdin and writes messages to stdout."""

from __future__ import annotations

import os
import signal
import threading

from ..wire.lines import Lines
from .engine import JobEngine
from .streams import Outbox, Printed, take_pipes
from .worker import Worker


def serve(engine: JobEngine, idle_seconds: float) -> None:
    """Runs until stdin is closed, SIGTERM arrives, or a message tells the worker to exit."""
    protocol_in, protocol_out = take_pipes()
    outbox = Outbox(protocol_out)
    worker = Worker(engine, outbox.send, Printed.installed(), idle_seconds)
    for number in (signal.SIGINT, signal.SIGTERM):  # Windows sends no SIGTERM; there, stdin is closed
        signal.signal(number, worker.stop)
    worker.hello()
    threading.Thread(target=_read, args=(protocol_in, worker), name="reader", daemon=True).start()
    worker.work()
    outbox.flush()


def _read(descriptor: int, worker: Worker) -> None:
    lines = Lines()
    try:
        while data := os.read(descriptor, 65536):
            for line in lines.feed(data):
                worker.take(line)
    finally:
        worker.leave()
