"""The host's ends of a worker's pipes. They neither block nor grow without bound. Standard library only."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Hashable
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any

from .messages import Preview, Progress

MAX_UNSENT = 256 * 2**20  # bytes, for a worker that does not read
MAX_UNHEARD = 10_000  # messages, for a worker that sends too many
MANY = 200  # messages; with more waiting, only the latest progress and preview are kept
MAX_AT_ONCE = 1000  # messages, because the host's tick has a time budget


class Budget:
    """A rate limit: `burst` events at once, then `per_second`."""

    def __init__(self, burst: int = 20, per_second: float = 5.0):
        self._burst, self._per_second = float(burst), per_second
        self._left, self._at = self._burst, time.monotonic()

    def allows(self) -> bool:
        """Whether one more event is allowed now; if so, it is counted."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Outbox:
    """Lines to send to the worker. Senders do not wait until the pipe has room."""

    def __init__(self, pipe: IO[bytes]):
        self._pipe, self._lines = pipe, SimpleQueue[bytes | None]()
        self._guard, self._unsent = threading.Lock(), 0
        self.overflowed = False
        self._thread = threading.Thread(target=self._write, name="worker's stdin", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Queues a line. When too many bytes are waiting already, the line is dropped and `overflowed` is set."""
        with self._guard:
            if self._unsent > MAX_UNSENT:
                self.overflowed = True
                return
            self._unsent += len(line)
        self._lines.put(line)

    def end(self, seconds: float) -> None:
        """Closes the pipe after everything is written, and waits at most `seconds` for that."""
        self._lines.put(None)
        self._thread.join(seconds)

    def _write(self) -> None:
        with suppress(OSError):  # a broken pipe: the reader notices that the worker has ended
            while (line := self._lines.get()) is not None:
                size = len(line)
                while line:
                    line = line[self._pipe.write(line) :]
                with self._guard:
                    self._unsent -= size
        with suppress(OSError):
            self._pipe.close()


class Inbox:
    """Messages from the worker that the host has not fetched yet."""

    def __init__(self) -> None:
        self._guard, self._count = threading.Lock(), itertools.count()
        self._messages: dict[Hashable, Any] = {}
        self.overflowed = False

    def put(self, message: Any, last: bool = False) -> None:
        """Queues a message. When too many are waiting already, all but the `last` one are dropped and `overflowed` is
        set."""
        with self._guard:
            key: Hashable = next(self._count)
            if len(self._messages) > MANY and isinstance(message, Progress | Preview):
                key = type(message), message.job
                self._messages.pop(key, None)  # the outdated one
            if len(self._messages) >= MAX_UNHEARD and not last:
                self.overflowed = True
                return
            self._messages[key] = message

    def take(self) -> list[Any]:
        """Returns the next messages in order, but not too many for one tick."""
        with self._guard:
            keys = list(itertools.islice(self._messages, MAX_AT_ONCE))
            return [self._messages.pop(key) for key in keys]
