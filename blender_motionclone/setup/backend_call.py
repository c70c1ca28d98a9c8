"""Short questions to the backend, each a process of its own that is looked at now and then. Without bpy."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress

from ...backend.job_folder.plain_text import clean
from ...backend.wire.processes import kill
from ..errors import UserError
from .interpreter import HINT
from .processes import start_beside

MOST_BYTES, MOST_LINE = 4_000_000, 10_000  # of the answer, and of what is read for a last word
MOST_SAID = 100_000_000  # bytes that it may write at all


class BackendCall:
    """One question. It has to be dropped, or to be asked for its end until that has come."""

    def __init__(self, command: Sequence[str], seconds: float):
        """seconds: after which it is `late`. UserError when the program cannot be started."""
        self.program, self._until = command[0], time.monotonic() + seconds
        # Files, not pipes: nobody has to read them while it writes.
        self._said, self._complained = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = start_beside(command, self._said, self._complained)
        except OSError as error:
            said = f"The backend's Python {self.program} cannot be started ({error.strerror})."
            raise UserError(said, HINT, "motionclone.install_backend") from None

    def code(self) -> int | None:
        """The exit code, None until it has ended. UserError when it writes without end."""
        code = self._process.poll()
        if code is None and sum(os.fstat(file.fileno()).st_size for file in (self._said, self._complained)) > MOST_SAID:
            self.drop()
            raise UserError(f"{self.program} did not answer as MotionClone's backend does.", HINT)
        return code

    @property
    def late(self) -> bool:
        return time.monotonic() > self._until

    def said(self) -> bytes:
        """All that it has printed; nothing where that is more than any answer."""
        self._said.seek(0)
        answer = self._said.read(MOST_BYTES + 1)
        return answer if len(answer) <= MOST_BYTES else b""

    def complaint(self) -> str:
        """The last line on its stderr, or its exit code."""
        size = self._complained.seek(0, 2)
        self._complained.seek(max(0, size - MOST_LINE))
        lines = self._complained.read(MOST_LINE).decode("utf-8", "replace").split("\n")
        last = next((clean(line.strip(), 500) for line in reversed(lines) if line.strip()), "")
        return last or f"exit code {self._process.poll()}"

    def drop(self) -> None:
        """Ends it, unless it has ended."""
        kill(self._process)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)


def words_of(command: str, windows: bool = sys.platform == "win32") -> list[str]:
    """A command line as its user types it, in words; quotes of either kind hold words together. On Windows a backslash
    stands between folders. ValueError for a quote that is not closed."""
    words = shlex.shlex(command, posix=True, punctuation_chars=False)
    words.whitespace_split, words.commenters = True, ""
    if windows:
        words.escape = ""
    return list(words)


def command_beside(worker_command: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """What calls the backend where `worker_command` starts the worker: `serve` and what follows it are replaced."""
    for i in reversed(range(len(worker_command))):
        if worker_command[i] == "serve":
            return [*worker_command[:i], *arguments]
        if found := re.search(r"\bserve\b", worker_command[i]):  # a whole command line, for ssh
            return [*worker_command[:i], worker_command[i][: found.start()] + shlex.join(arguments)]
    raise UserError(
        "The preference Worker Command starts no worker: it does not end in `-m backend serve`.",
        "Correct it in Preferences > Add-ons > MotionClone.",
    )
