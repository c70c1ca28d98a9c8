"""Helpers for tests of the worker, shared with its benchmark."""

from __future__ import annotations

import queue
import subprocess
import threading
from typing import Any

from backend.bench.recording_client import DUMMY as COMMAND
from backend.bench.recording_client import PATIENCE, ROOT, RecordingClient, make_job
from backend.wire import messages
from backend.wire.encoding import encode, parse
from backend.wire.lines import Lines

__all__ = ["COMMAND", "PATIENCE", "ROOT", "Line", "RecordingClient", "make_job"]


class Line:
    """A worker's pipes without a client that would say only what it should."""

    def __enter__(self) -> Line:
        self._worker = subprocess.Popen(COMMAND, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._worker.stdin
        self._worker.stdin.close()
        self._worker.wait(PATIENCE)

    def write(self, content: bytes) -> None:
        assert self._worker.stdin
        self._worker.stdin.write(content)
        self._worker.stdin.flush()

    def say(self, message: Any) -> None:
        self.write(encode(message))

    def until(self, kind: type, job: str = "") -> Any:
        """The next message of this kind, about this job if one is named; queue.Empty when nothing more comes."""
        while True:
            message = self._heard.get(timeout=PATIENCE)
            if isinstance(message, kind) and job in ("", getattr(message, "job", None)):
                return message

    def _listen(self) -> None:
        assert self._worker.stdout
        lines = Lines()
        while content := self._worker.stdout.read1(65536):
            for line in lines.feed(content):
                self._heard.put(parse(line, messages.FROM_WORKER))
