"""What tests of the worker need; its bench needs the same."""

from __future__ import annotations

from backend.bench.recording_client import DUMMY as COMMAND
from backend.bench.recording_client import PATIENCE, ROOT, RecordingClient, make_job

__all__ = ["COMMAND", "PATIENCE", "ROOT", "RecordingClient", "make_job"]
