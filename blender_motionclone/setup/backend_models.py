"""Which models the backend offers: asked of the backend itself, by a process that is looked at now and then. No bpy."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...backend.wire.processes import kill
from ..errors import UserError
from .interpreter import HINT
from .processes import start_beside

SECONDS_TO_LIST = 60.0

_list: ModelList | None = None
_models: list[dict[str, Any]] | None = None
_problem: UserError | None = None


def models() -> list[dict[str, Any]] | None:
    """Entries as `python -m backend models --json` gives them: "name", "title", "frames", "most_frames", "area",
    "multiple", "families", "controls", "missing", "tokenizer" (a folder on the worker's machine, for
    wire.tokens.read_tokenizer; None without one). None while they were not asked for, or could not be had."""
    return _models


def problem() -> UserError | None:
    """Why there are none."""
    return _problem


def fetching() -> bool:
    return _list is not None


def refresh(worker_command: Sequence[str], cwd: Path) -> None:
    """Asks anew, beside Blender; `poll` notices the answer. worker_command: what starts the worker."""
    global _list, _problem
    if _list:
        _list.drop()
    _list = _problem = None
    try:
        _list = ModelList(models_command(worker_command), cwd)
    except UserError as error:
        _problem = error


def poll() -> bool:
    """Whether an answer, or the end of all hope for one, has just come."""
    global _list, _models, _problem
    if _list is None:
        return False
    try:
        answer = _list.answer()
    except UserError as error:
        _list, _models, _problem = None, None, error
        return True
    if answer is None:
        return False
    _list, _models, _problem = None, answer, None
    return True


def fetch_blocking(worker_command: Sequence[str], cwd: Path) -> list[dict[str, Any]]:
    """For scripts. UserError when there are none."""
    refresh(worker_command, cwd)
    while fetching() and not poll():
        time.sleep(0.02)
    return answered()


def answered() -> list[dict[str, Any]]:
    """The models, or the UserError that keeps us from them."""
    if _problem or _models is None:
        raise _problem or UserError("The backend's models are not known yet.", "Try again in a moment.")
    return _models


def forget() -> None:
    """Leaves no process behind."""
    global _list, _models, _problem
    if _list:
        _list.drop()
    _list = _models = _problem = None


def models_command(worker_command: Sequence[str]) -> list[str]:
    """What lists the models where `worker_command` starts the worker: `serve` and what follows it are replaced."""
    for i in reversed(range(len(worker_command))):
        if worker_command[i] == "serve":
            return [*worker_command[:i], "models", "--json"]
        if re.search(r"\bserve\b", worker_command[i]):  # a whole command line, for ssh
            return [*worker_command[:i], re.sub(r"\bserve\b.*", "models --json", worker_command[i], flags=re.DOTALL)]
    raise UserError(
        "The preference Worker Command starts no worker: it does not end in `-m backend serve`.",
        "Correct it in Preferences > Add-ons > MotionClone.",
    )


class ModelList:
    """One question to the backend."""

    def __init__(self, command: Sequence[str], cwd: Path):
        """UserError when the program cannot be started."""
        self._program, self._until = command[0], time.monotonic() + SECONDS_TO_LIST
        # Files, not pipes: nobody has to read them while it writes.
        self._said, self._complained = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = start_beside(command, cwd, self._said, self._complained)
        except OSError as error:
            said = f"The backend's Python {self._program} cannot be started ({error.strerror})."
            raise UserError(said, HINT, "motionclone.install_backend") from None

    def answer(self) -> list[dict[str, Any]] | None:
        """None until it has come. UserError when there is none to be had."""
        code = self._process.poll()
        if code is None:
            if time.monotonic() > self._until:
                self.drop()
                said = f"The backend did not list its models within {SECONDS_TO_LIST:.0f} s."
                raise UserError(said, "Try again, or look whether the machine is busy.")
            return None
        if code:
            said = _last_line(self._complained) or f"exit code {code}"
            raise UserError(f"The backend cannot list its models: {said}", HINT, "motionclone.install_backend")
        return self._read()

    def drop(self) -> None:
        kill(self._process)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)

    def _read(self) -> list[dict[str, Any]]:
        self._said.seek(0)
        try:
            found = json.loads(self._said.read())
        except ValueError:
            found = None
        if not isinstance(found, list) or not all(isinstance(model, dict) and "name" in model for model in found):
            raise UserError(f"{self._program} did not answer as MotionClone's backend does.", HINT)
        return found


def _last_line(file: Any) -> str:
    file.seek(0)
    lines = file.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
