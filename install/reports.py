"""How far an installation is: sentences for a person, or for the add-on one JSON object a line on stdout.

{"kind": "plan", "text": ..., "where": ..., "download_bytes": ..., "disk_bytes": ...}   once, before anything is fetched
{"kind": "progress", "stage": "download", "done": 3, "total": 9, "text": ...}           total is 0 where it is unknown
{"kind": "note", "text": ...}                                                           worth showing, nothing is wrong
And last, one of:
{"kind": "done", "text": ..., "python": ...}
{"kind": "failed", "message": ..., "hint": ...}
{"kind": "cancelled", "message": ..., "hint": ...}

Stages of an environment in their order: `python` (the empty environment), `download` (done and total in bytes),
`unpack` (in packages) and `check`; `download` and `unpack` come again for each part. Stages of a model: `verify` (files
that are there, in bytes), `search` (in the folders of other programs), `ask` (the hub) and `download`. Downloads count
all parts, or all of the model's files, together. Pass over unknown kinds and keys.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from .failures import as_typed

MB = 1_000_000
SECONDS_BETWEEN_LINES = 15  # for a person; the add-on gets every message


class Report:
    """`as_json` picks the form; the last progress of a stage is kept from being told twice."""

    def __init__(self, as_json: bool = False):
        self._as_json, self._last, self._told = as_json, (), 0.0

    def plan(self, text: str, where: str, download_mb: float, disk_mb: float) -> None:
        size = {"download_bytes": int(download_mb * MB), "disk_bytes": int(disk_mb * MB)}
        self._say(f"  {text}", {"kind": "plan", "text": text, "where": where, **size})

    def stage(self, stage: str, text: str) -> None:
        """A new piece of work."""
        self._told = time.monotonic()
        self._say(f"  {text}", {"kind": "progress", "stage": stage, "done": 0, "total": 0, "text": text})

    def progress(self, stage: str, done: int, total: int, text: str) -> None:
        """done and total: bytes where the stage is `download`."""
        if (stage, done, total) == self._last:
            return
        self._last = (stage, done, total)
        message = {"kind": "progress", "stage": stage, "done": done, "total": total, "text": text}
        if self._as_json:
            self._say("", message)
        elif stage == "download" and time.monotonic() - self._told > SECONDS_BETWEEN_LINES:
            self._told = time.monotonic()
            self._say(
                f"    {done / MB:.0f} of about {total / MB:.0f} MB" if total else f"    {done / MB:.0f} MB", message
            )

    def note(self, text: str) -> None:
        self._say(f"  {text}", {"kind": "note", "text": text})

    def done(self, text: str, python: str) -> None:
        self._say(text, {"kind": "done", "text": text, "python": python})

    def failed(self, message: str, hint: str) -> None:
        self._end({"kind": "failed", "message": message, "hint": hint})

    def cancelled(self) -> None:
        self._end({"kind": "cancelled", "message": "Stopped.", "hint": "The same command goes on from here."})

    def _end(self, message: dict[str, Any]) -> None:
        if self._as_json:
            self._say("", message)
        else:
            print(as_typed(f"\n{message['message']}\n{message['hint']}").rstrip(), file=sys.stderr)

    def _say(self, line: str, message: dict[str, Any]) -> None:
        print(json.dumps(message) if self._as_json else as_typed(line), flush=True)
