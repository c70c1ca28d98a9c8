"""What tests of the worker need; its bench needs the same."""

from __future__ import annotations

from backend.bench.talk import DUMMY as COMMAND
from backend.bench.talk import PATIENCE, ROOT, Talk, make_job

__all__ = ["COMMAND", "PATIENCE", "ROOT", "Talk", "make_job"]
