"""Creates virtual environments in layers. A layer is installed once, and again only when its content changes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from .children import NO_WINDOW, clean_environment, run_module
from .clearing import empty_environment
from .failures import OTHER_FOLDER, REPAIR, InstallError
from .files import is_link
from .packages import broken, discard, sweep
from .paths import interpreter, work_folder
from .pip import Pip, Share, downloads, kept_mb
from .pip_failures import NoBuild
from .pythons import Python, uv
from .reports import Report
from .state import State, check_ours, read_state, write_state
from .work import clear_downloads, locked_work_folder

EMPTY_MB = 60  # an environment with nothing but pip


@dataclass(frozen=True)
class Layer:
    """One run of pip.

    attempts: argument lists that are tried in turn while pip finds no matching build; foundation: a layer that cannot
    be replaced below others, so that a change of its content requires a new environment.
    """

    name: str
    description: str
    attempts: Sequence[Sequence[str]]
    files: Sequence[Path] = ()
    foundation: bool = False
    download_mb: int = 0
    disk_mb: int = 0

    @property
    def fingerprint(self) -> str:
        """A hash of the arguments and the requirements files. It does not change when the source tree is moved."""
        names = {str(path): path.name for path in self.files}
        attempts = [[names.get(argument, argument) for argument in attempt] for attempt in self.attempts]
        content = hashlib.sha256(repr(attempts).encode())
        for path in self.files:
            content.update(path.read_bytes())
        return content.hexdigest()

    def left_mb(self, work: Path) -> float:
        """The approximate size of what must still be downloaded. An unfinished installation may have left part of
        it."""
        return max(0.0, self.download_mb - kept_mb(downloads(work, self.name)))


@dataclass
class Environment:
    """A virtual environment to create.

    folder: its path; find_base: finds the Python to create it from, called only when needed; wheels: a folder to
    install from instead of an index; build: the torch build, recorded in its state.
    """

    folder: Path
    find_base: Callable[[], Python]
    layers: Sequence[Layer]
    report: Report = field(default_factory=Report)
    wheels: Path | None = None
    build: str = ""

    def make(self, repair: bool = False) -> Path:
        """Installs the missing layers and returns the interpreter. Continues where a stopped or killed run left off.

        repair: checks every installed file first. Raises InstallError.
        """
        check_ours(self.folder)
        with locked_work_folder(self.folder) as work:
            state = self._sound_state(repair)
            missing = [layer for layer in self.layers if state.layers.get(layer.name) != layer.fingerprint]
            if missing or not state.python:
                self._check_space(missing)
                self._make_empty(state)
                for layer, share in zip(missing, shares(missing), strict=True):
                    self._install(layer, state, share)
                self._check_whole()
            clear_downloads(work)  # also after a run that was killed just before this
        return interpreter(self.folder)

    def _sound_state(self, repair: bool) -> State:
        """The state of what can be kept. The rest is removed."""
        state = read_state(self.folder) if self.folder.exists() else None
        reason = self._why_anew(state)
        if state is None or reason:
            if self.folder.exists() and any(self.folder.iterdir()):
                self.report.note(f"{self.folder.name} {reason}; it is recreated.")
            empty_environment(self.folder)
            return State()
        if state.installing or repair:
            sweep(self.folder)
            damaged = broken(self.folder, deep=True)
            if damaged or repair:
                state.layers = {}
                write_state(self.folder, state)  # first, so that an interruption cannot leave an unnoticed gap
            for package in damaged:
                self.report.note(f"{package.name} is incomplete and is reinstalled.")
                discard(self.folder, package)
        return state

    def _why_anew(self, state: State | None) -> str:
        """Why the environment must be recreated, as the end of a sentence; empty when the existing one can be used."""
        if state is None or not state.python:
            return "was not finished"
        if not _runs(interpreter(self.folder)):
            return "does not start"
        wanted = {layer.name: layer.fingerprint for layer in self.layers}
        if any(
            layer.foundation and state.layers.get(layer.name) not in (None, layer.fingerprint) for layer in self.layers
        ):
            return "was made for another build"
        if state.installing and state.installing not in wanted.values():
            return "was interrupted while other versions were installed"
        return ""

    def _check_space(self, missing: Sequence[Layer]) -> None:
        """Raises InstallError unless there is enough space. During an installation each download exists twice, as kept
        and as installed by pip."""
        work = work_folder(self.folder)
        download = 0 if self.wheels else sum(layer.left_mb(work) + layer.download_mb for layer in missing)
        needed = (sum(layer.disk_mb for layer in missing) + download + EMPTY_MB) / 1000
        free = shutil.disk_usage(self.folder.parent).free / 1e9
        if free < needed:
            raise InstallError(
                "{parent} has {free} GB free; about {needed} GB are needed.", f"Free some space. {OTHER_FOLDER}"
            ).about(parent=self.folder.parent, free=f"{free:.1f}", needed=f"{needed:.1f}")

    def _make_empty(self, state: State) -> None:
        if state.python:
            return
        base = self.find_base()
        self.report.stage("python", f"{self.folder.name}: an empty environment of Python {base.version}")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_state(self.folder, state)
        output: list[str] = []
        program = uv()
        folder = self.folder.resolve() if is_link(self.folder) else self.folder  # venv creates none behind a link
        if base.makes_environments:
            code = run_module(base.executable, ["venv", str(folder)], output.append)
        elif program:
            command = [program, "venv", "--seed", "--allow-existing", "--python", str(base.executable), str(folder)]
            code = _run_uv(command, self.wheels, output.append)
        else:
            raise InstallError(
                "{executable} cannot create virtual environments.", "Install Python 3.13 and try again."
            ).about(executable=base.executable)
        if code:
            lines = "".join(output).strip().splitlines()
            raise InstallError(
                "The virtual environment {folder} could not be created: {reason}",
                "Free some space if the disk is full. Otherwise install Python 3.13 from python.org and try again.",
            ).about(folder=self.folder, reason=lines[-1] if lines else f"exit code {code}")
        state.python, state.build = base.version, self.build
        write_state(self.folder, state)

    def _install(self, layer: Layer, state: State, share: Share) -> None:
        self.report.stage("download", f"{self.folder.name}: {layer.description}")
        state.installing, state.build = layer.fingerprint, self.build
        state.layers.pop(layer.name, None)
        write_state(self.folder, state)
        python = interpreter(self.folder)
        pip = Pip(self.folder, python, work_folder(self.folder), self.report, self.wheels, layer.name)
        attempts = [*pip.from_kept(layer.attempts[0]), *layer.attempts]
        first_match(attempts, partial(pip.install, share=share))
        state.installing = ""
        state.layers[layer.name] = layer.fingerprint
        write_state(self.folder, state)

    def _check_whole(self) -> None:
        for package in broken(self.folder, deep=False):
            raise InstallError("{package} in {folder} is incomplete.", f"{REPAIR}.").about(
                package=package.name, folder=self.folder
            )


def shares(layers: Sequence[Layer]) -> list[Share]:
    """Each layer's share of one common progress, because the user sees a single download."""
    sizes = [layer.download_mb for layer in layers]
    return [Share(sum(sizes[:number]), sum(sizes)) for number in range(len(sizes))]


def first_match(attempts: Sequence[Sequence[str]], run: Callable[[Sequence[str]], None]) -> None:
    """Calls `run` with each attempt in turn while pip finds no matching build. Any other error is raised."""
    for number, arguments in enumerate(attempts, 1):
        try:
            return run(arguments)
        except NoBuild:
            if number == len(attempts):
                raise


def _runs(python: Path) -> bool:
    """Whether the interpreter starts and has pip. It does not after its folder was moved or its base Python was
    removed."""
    command = [str(python), "-m", "pip", "--version"]
    try:
        answer = subprocess.run(
            command, capture_output=True, timeout=60, env=clean_environment(), creationflags=NO_WINDOW
        )
        return answer.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run_uv(command: Sequence[str], wheels: Path | None, on_line: Callable[[str], None]) -> int:
    """Runs uv, which ignores pip's settings, so the wheel folder is passed in uv's own variables."""
    offline = {"UV_OFFLINE": "1", "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(wheels)} if wheels else {}
    environ = {**os.environ, **offline}
    answer = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", env=environ, creationflags=NO_WINDOW
    )
    on_line(answer.stdout + answer.stderr)
    return answer.returncode
