"""Progress of an installation: sentences for a person or, for the add-on, one JSON object per line on stdout.

{"kind": "plan", "text": ..., "where": ..., "download_bytes": ..., "disk_bytes": ...}   once, before any download
{"kind": "progress", "stage": "download", "done": 3, "total": 9, "text": ...}           total is 0 if unknown
{"kind": "note", "text": ...}                                                           information, not a problem
The last line is one of:
{"kind": "done", "text": ..., "python": ...}
{"kind": "failed", "message": ..., "hint": ...}
{"kind": "cancelled", "message": ..., "hint": ...}

Each with text also has "templates", which say what the text was made of: see sentences.py.

The stages of an environment are, in order, `python` (creating it), `download` (in bytes), `unpack` (in packages) and
`check`; `download` and `unpack` are repeated for each layer. The stages of a model are `verify` (existing files, in
bytes), `search` (in other programs' folders), `ask` (the hub) and `download`. Download progress covers all layers, or
all files of the model. Ignore unknown kinds and keys.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from .failures import InstallError, as_typed
from .sentences import templates_of

MB = 1_000_000
SECONDS_BETWEEN_LINES = 15  # for a person; the add-on gets every message


class Report:
    """Reports to a person, or as JSON lines if `as_json` is set. Repeated progress is reported once."""

    def __init__(self, as_json: bool = False):
        self._as_json, self._last, self._printed_at = as_json, (), 0.0

    def plan(self, text: str, where: str, download_mb: float, disk_mb: float) -> None:
        """Reports what will be downloaded."""
        size = {"download_bytes": int(download_mb * MB), "disk_bytes": int(disk_mb * MB)}
        self._print(f"  {text}", {"kind": "plan", "text": text, "where": where, **size})

    def stage(self, stage: str, text: str) -> None:
        """Starts a new stage."""
        self._printed_at = time.monotonic()
        self._print(f"  {text}", {"kind": "progress", "stage": stage, "done": 0, "total": 0, "text": text})

    def progress(self, stage: str, done: int, total: int, text: str) -> None:
        """Reports progress; `done` and `total` are bytes if the stage is `download`."""
        if (stage, done, total) == self._last:
            return
        self._last = (stage, done, total)
        message = {"kind": "progress", "stage": stage, "done": done, "total": total, "text": text}
        if self._as_json:
            self._print("", message)
        elif stage == "download" and time.monotonic() - self._printed_at > SECONDS_BETWEEN_LINES:
            self._printed_at = time.monotonic()
            self._print(
                f"    {done / MB:.0f} of about {total / MB:.0f} MB" if total else f"    {done / MB:.0f} MB", message
            )

    def note(self, text: str) -> None:
        """Reports information."""
        self._print(f"  {text}", {"kind": "note", "text": text})

    def done(self, text: str, python: str) -> None:
        """Reports success. `python` is the path of the interpreter, if any."""
        self._print(text, {"kind": "done", "text": text, "python": python})

    def failed(self, error: InstallError) -> None:
        """Reports a failure."""
        message = {"kind": "failed", "message": error.message, "hint": error.hint}
        self._end(message | {"templates": templates_of((error.message, error.hint))})

    def cancelled(self) -> None:
        """Reports that the user stopped the installation."""
        self._end({"kind": "cancelled", "message": "Stopped.", "hint": "Run the same command to continue."})

    def _end(self, message: dict[str, Any]) -> None:
        if self._as_json:
            self._print("", message)
        else:
            print(as_typed(f"\n{message['message']}\n{message['hint']}").rstrip(), file=sys.stderr)

    def _print(self, line: str, message: dict[str, Any]) -> None:
        if "text" in message:
            message["templates"] = templates_of((message["text"],))
        print(json.dumps(message) if self._as_json else as_typed(line), flush=True)
