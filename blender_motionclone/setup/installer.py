"""Runs `python -m install ...` as a process and reads its JSON lines. Without bpy.

install/reports.py describes the lines. `doctor` prints a single one with its findings and its report.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from ...backend.job_folder.problem import Problem, with_templates
from ...backend.job_folder.reading import parse_json
from ...backend.wire.processes import kill
from ..declarations import Operators
from .backend_call import start_process

MB = 1_000_000
DOCTOR = "Press Ask the Doctor in Preferences > Add-ons > MotionClone to find the problem."


@dataclass(frozen=True)
class Plan:
    """What an installation will download and store; text: a sentence about it."""

    text: str
    download_bytes: int
    disk_bytes: int


@dataclass
class Report:
    """What an installer has reported so far. stage (of install/reports.py), text and factor: its progress, factor None
    if unknown; megabytes: (done, total) of a download; problem: its error, None while it runs and after success;
    findings, report: the doctor's; models: the catalog's."""

    plan: Plan | None = None
    stage: str = ""
    text: str = ""
    factor: float | None = None
    megabytes: tuple[int, int] | None = None
    note: str = ""
    problem: Problem | None = None
    cancelled: bool = False
    done: bool = False
    findings: list[dict[str, Any]] = field(default_factory=list)
    report: str = ""
    models: list[dict[str, Any]] = field(default_factory=list)

    def read_line(self, line: str) -> None:
        """Processes one line. Skips lines that are no message, of an unknown kind, or malformed."""
        try:
            message = parse_json(line.encode("utf-8", "replace"))
            kind = next((key for key in ("findings", "models") if key in message), None) or message["kind"]
            getattr(self, f"_{kind}", lambda _: None)(message)
        except (ValueError, TypeError, KeyError):
            return

    def _plan(self, message: dict[str, Any]) -> None:
        self.plan = Plan(_said(message, "text"), int(message["download_bytes"]), int(message["disk_bytes"]))

    def _progress(self, message: dict[str, Any]) -> None:
        done, total = float(message["done"]), float(message["total"])
        self.factor = min(1.0, done / total) if total else None
        self.stage, self.text = str(message["stage"]), _said(message, "text")
        loads = self.stage == "download" and total
        self.megabytes = (round(done / MB), round(total / MB)) if loads else None

    def _note(self, message: dict[str, Any]) -> None:
        self.note = _said(message, "text")

    def _done(self, message: dict[str, Any]) -> None:
        self.done, self.text = True, _said(message, "text")

    def _failed(self, message: dict[str, Any]) -> None:
        self.problem = Problem(_said(message, "message"), _said(message, "hint"), repair=Operators.DOCTOR)

    def _cancelled(self, message: dict[str, Any]) -> None:
        self.cancelled = True

    def _findings(self, message: dict[str, Any]) -> None:
        told = [dict(finding) for finding in message["findings"]]
        for finding in told:
            said = (str(finding["text"]), str(finding["hint"]))
            finding["text"], finding["hint"] = with_templates(said, message.get("templates"))
        self.findings, self.done = told, True
        self.report = str(message.get("report", ""))

    def _models(self, message: dict[str, Any]) -> None:
        self.models, self.done = [dict(model) for model in message["models"]], True


def _said(message: dict[str, Any], name: str) -> str:
    """A text for the user, to be translated."""
    return with_templates((str(message[name]),), message.get("templates"))[0]


class Installer:
    """A running `python -m install`. Call `poll` regularly; it never waits."""

    def __init__(self, root: Path, arguments: Sequence[str]):
        """root: the extension's folder. Problem when it cannot be started."""
        self.arguments, self.reported = tuple(arguments), Report()
        self._cancelled = False
        self._lines, self._last_words = SimpleQueue[str](), deque[str](maxlen=20)
        command = [sys.executable, "-m", "install", *arguments, "--json"]
        try:
            self._process = start_process(
                command, subprocess.PIPE, subprocess.PIPE, root, encoding="utf-8", errors="replace"
            )
        except OSError as error:
            raise Problem("Blender's Python {executable} cannot be started ({reason}).").about(
                executable=sys.executable, reason=error.strerror
            ) from None
        self._readers = [
            threading.Thread(target=read, args=(pipe,), daemon=True)
            for read, pipe in ((self._read_output, self._process.stdout), (self._note, self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def poll(self) -> bool:
        """Processes new lines. Returns whether it is still running. After its end `reported` says how it went."""
        ended = self._process.poll() is not None and not any(reader.is_alive() for reader in self._readers)
        with suppress(Empty):
            while True:
                self.reported.read_line(self._lines.get_nowait())
        if ended:
            self._conclude(self._process.returncode)
        return not ended

    def cancel(self) -> None:
        """Asks it to stop, together with its children. The same command continues from there."""
        if self._process.poll() is None:
            self._cancelled = True
            # Windows has no Ctrl-C for a process without a console. One that is terminated there can continue too.
            self._process.terminate() if sys.platform == "win32" else self._process.send_signal(signal.SIGINT)

    def close(self, seconds: float = 5.0) -> None:
        """Stops it and waits for its end."""
        self.cancel()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            kill(self._process)
            self._process.wait()
        for reader in self._readers:
            reader.join(1.0)

    def wait(self) -> None:
        """Blocks until its end."""
        self._process.wait()
        for reader in self._readers:
            reader.join()

    def _conclude(self, code: int) -> None:
        """Ending without a final message is a failure, unless it was cancelled: on Windows it cannot send one."""
        reported = self.reported
        if self._cancelled and not (reported.done or reported.problem):
            reported.cancelled = True
        if code == 0 or reported.done or reported.problem or reported.cancelled:
            return
        said = next((line for line in reversed(self._last_words) if line), f"exit code {code}")
        reported.problem = Problem("The installer stopped: {said}", DOCTOR, repair=Operators.DOCTOR).about(said=said)

    def _read_output(self, pipe) -> None:
        with pipe:
            for line in pipe:
                self._lines.put(line)

    def _note(self, pipe) -> None:
        with pipe:
            self._last_words.extend(line.strip() for line in pipe)
