"""The results of the device benchmark, row by row and as a table."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

Value = str | float | int | bool | None
# Figures that must be true on every device. Otherwise the exit code is 1.
PROMISES = ("within_limits", "within_prediction", "finite", "continued_alike", "repeats_exactly")
WORDS = {True: "yes", False: "no", None: ""}


class Report:
    """Rows of figures by section. Each row is printed to stderr at once and, if given, written to `out`."""

    def __init__(self, seconds: float, out: Path | None = None):
        self._began, self._seconds, self._out = time.monotonic(), seconds, out
        self.rows: list[dict[str, Value]] = []
        self.failed = False
        if out:
            out.write_text("", encoding="utf-8")

    @property
    def seconds_left(self) -> float:
        return self._seconds - (time.monotonic() - self._began)

    def add(self, section: str, **figures: Value) -> None:
        self.failed |= any(figures.get(promise) is False for promise in PROMISES) or "error" in figures
        row = {"section": section} | {key: _rounded(value) for key, value in figures.items()}
        self.rows.append(row)
        line = json.dumps(row, ensure_ascii=False)
        print(line, file=sys.stderr, flush=True)
        if self._out:
            with self._out.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def attempt(self, section: str, work: Callable[[Report], None]) -> None:
        """Runs a section. An exception becomes a row, and the benchmark continues."""
        try:
            work(self)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.add(section, error=f"{type(error).__name__}: {error}"[:400], at=f"{where.name}, line {where.lineno}")

    def table(self) -> str:
        """One Markdown table per section. Columns are in the order in which the figures arrived."""
        parts = []
        for section in dict.fromkeys(row["section"] for row in self.rows):
            rows = [row for row in self.rows if row["section"] == section]
            columns = [key for key in dict.fromkeys(key for row in rows for key in row) if key != "section"]
            lines = [f"| {' | '.join([str(section), *(c.replace('_', ' ') for c in columns)])} |"]
            lines.append("|---" * (len(columns) + 1) + "|")
            lines += [f"| | {' | '.join(_cell(row.get(column)) for column in columns)} |" for row in rows]
            parts.append("\n".join(lines))
        return "\n\n".join(parts)


def _rounded(value: Value) -> Value:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _cell(value: Value) -> str:
    if value is None or isinstance(value, bool):
        return WORDS[value]
    return str(value).replace("|", "\\|").replace("\n", " ")
