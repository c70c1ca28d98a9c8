"""The backend as a process of its own: starting, watching, stopping it. Without bpy."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ..backend.wire.job_state import CANCELLED, DONE, FAILED, RUNNING, JobState, read_state
from .errors import UserError
from .interpreter import HINT, current_environment

OUTPUT = "backend-output.txt"
SECONDS_TO_LIST = 60
SECONDS_TO_OBEY = 5.0


def list_models(interpreter: Path, root: Path) -> list[dict[str, Any]]:
    """The models the backend offers: dicts with "name", "title", "frames", "most_frames", "area", "multiple"."""
    command = [str(interpreter), "-m", "backend", "models", "--json"]
    try:
        answer = subprocess.run(
            command, cwd=root, env=current_environment(), capture_output=True, timeout=SECONDS_TO_LIST, **_detached()
        )
    except OSError as error:
        raise UserError(f"The backend's Python {interpreter} cannot be started ({error.strerror}).", HINT) from None
    except subprocess.TimeoutExpired:
        raise UserError(f"The backend did not answer within {SECONDS_TO_LIST} s.", "Try again, or restart.") from None
    if answer.returncode:
        said = answer.stderr.decode("utf-8", "replace").strip() or f"exit code {answer.returncode}"
        raise UserError(f"The backend cannot list its models: {_last_line(said)}", HINT)
    try:
        return json.loads(answer.stdout)
    except ValueError:
        raise UserError(f"{interpreter} did not answer as MotionClone's backend does.", HINT) from None


class BackendProcess:
    """`python -m backend run <folder>`. Call `poll` now and then; it never waits."""

    def __init__(self, interpreter: Path, root: Path, folder: Path):
        self.folder = folder
        self._cancelled_at: float | None = None
        command = [str(interpreter), "-m", "backend", "run", str(folder)]
        try:
            with (folder / OUTPUT).open("wb") as output:
                self._process = subprocess.Popen(
                    command,
                    cwd=root,
                    env=current_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    **_detached(),
                )
        except OSError as error:
            raise UserError(f"The backend's Python {interpreter} cannot be started ({error.strerror}).", HINT) from None

    def poll(self) -> JobState:
        """How far it is; finished once, and only once, the process has ended."""
        code = self._process.poll()
        state = read_state(self.folder)
        if code is not None:
            return _last_state(self.folder, state, code, self._cancelled_at is not None)
        if self._cancelled_at is not None:
            self._insist(time.monotonic() - self._cancelled_at)
            return JobState(state=RUNNING, stage="cancelling")
        return JobState(state=RUNNING, stage="finishing") if state.finished else state

    def cancel(self) -> None:
        """Asks the backend to stop; `poll` insists when it does not."""
        if self._cancelled_at is None and self._process.poll() is None:
            self._cancelled_at = time.monotonic()
            _interrupt(self._process)

    def _insist(self, seconds: float) -> None:
        if seconds > 2 * SECONDS_TO_OBEY:
            self._process.kill()
        elif seconds > SECONDS_TO_OBEY:
            self._process.terminate()


def _last_state(folder: Path, state: JobState, code: int, cancelled: bool) -> JobState:
    """What the user is told once the process has ended with `code`."""
    if code == 0 and (folder / "result.mp4").is_file():
        return JobState(state=DONE, message=state.message, step=state.steps, steps=state.steps)
    if cancelled or code == 130:
        return JobState(state=CANCELLED, message="The job was cancelled.")
    if state.state == FAILED and state.message:
        return state
    try:
        said = _last_line((folder / OUTPUT).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        said = ""
    return JobState(
        state=FAILED,
        message=f"The backend stopped with exit code {code}{f': {said}' if said else '.'}",
        hint=f"See {folder / OUTPUT}.",
    )


def _detached() -> dict[str, Any]:
    """Ctrl-C in Blender's terminal is not the backend's, and no console window opens on Windows."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _interrupt(process: subprocess.Popen) -> None:
    """Ctrl-C for the backend. Windows has none for a process without a console: there it is ended at once."""
    if sys.platform == "win32":
        process.terminate()
    else:
        process.send_signal(signal.SIGINT)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
