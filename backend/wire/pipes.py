"""The host's two ends of a worker's pipes, which neither wait nor grow without bound. Standard library only."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Hashable
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any

from .messages import Preview, Progress

MOST_UNSENT = 256 * 2**20  # bytes: a worker that does not read
MOST_UNHEARD = 10_000  # messages: one that says more than anybody could need
MANY = 200  # messages from which on progress is only told as it is by now
MOST_AT_ONCE = 1000  # messages: a tick of the host's has a budget


class Budget:
    """Of what may happen so often at once, and so often a second afterwards."""

    def __init__(self, burst: int = 20, per_second: float = 5.0):
        self._burst, self._per_second = float(burst), per_second
        self._left, self._at = self._burst, time.monotonic()

    def allows(self) -> bool:
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Outgoing:
    """Lines on their way to the worker: whoever says one does not wait until the pipe has room."""

    def __init__(self, pipe: IO[bytes]):
        self._pipe, self._lines = pipe, SimpleQueue[bytes | None]()
        self._guard, self._unsent = threading.Lock(), 0
        self.overflowed = False
        self._thread = threading.Thread(target=self._write, name="worker's stdin", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """overflowed is set, and the line is lost, when too many wait already."""
        with self._guard:
            if self._unsent > MOST_UNSENT:
                self.overflowed = True
                return
            self._unsent += len(line)
        self._lines.put(line)

    def end(self, seconds: float) -> None:
        """Closes the pipe once all is written, and waits for that, but at most so long."""
        self._lines.put(None)
        self._thread.join(seconds)

    def _write(self) -> None:
        with suppress(OSError):  # a broken pipe: the worker's end is noticed by the reader
            while (line := self._lines.get()) is not None:
                size = len(line)
                while line:
                    line = line[self._pipe.write(line) :]
                with self._guard:
                    self._unsent -= size
        with suppress(OSError):
            self._pipe.close()


class Heard:
    """Messages from the worker that the host has not fetched yet."""

    def __init__(self) -> None:
        self._guard, self._count = threading.Lock(), itertools.count()
        self._messages: dict[Hashable, Any] = {}
        self.overflowed = False

    def put(self, message: Any, last: bool = False) -> None:
        """overflowed is set, and the message is lost, when too many wait already and it is not the `last`."""
        with self._guard:
            key: Hashable = next(self._count)
            if len(self._messages) > MANY and isinstance(message, Progress | Preview):
                key = type(message), message.job
                self._messages.pop(key, None)  # what it was before
            if len(self._messages) >= MOST_UNHEARD and not last:
                self.overflowed = True
                return
            self._messages[key] = message

    def take(self) -> list[Any]:
        """The next ones in order, not too many for one tick."""
        with self._guard:
            keys = list(itertools.islice(self._messages, MOST_AT_ONCE))
            return [self._messages.pop(key) for key in keys]
