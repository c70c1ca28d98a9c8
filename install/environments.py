"""Makes virtual environments in layers: each layer is installed once, and again only when its content changes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .failures import InstallError
from .pip import NO_MATCH, pip_install

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Layer:
    """One pip run. `attempts` are argument lists tried in turn while pip finds no such build; a `foundation`
    cannot be swapped under what lies on it: when its content changes, the environment is made anew."""

    name: str
    says: str
    attempts: Sequence[Sequence[str]]
    files: Sequence[Path] = ()
    foundation: bool = False

    @property
    def fingerprint(self) -> str:
        """Changes when the arguments or a named requirements file change."""
        content = hashlib.sha256(repr([list(attempt) for attempt in self.attempts]).encode())
        for path in self.files:
            content.update(path.read_text(encoding="utf-8").encode())
        return content.hexdigest()


def interpreter(folder: Path, windows: bool = os.name == "nt") -> Path:
    """Where a virtual environment keeps its Python."""
    return folder / "Scripts" / "python.exe" if windows else folder / "bin" / "python"


def make_environment(folder: Path, base: Path, layers: Sequence[Layer], needs_gb: float) -> Path:
    """The environment's interpreter, with all layers installed. Does nothing when they are; goes on where a broken
    install stopped. needs_gb: free space that a fresh one takes."""
    if _outdated(folder, layers):
        print(f"  {folder.name} is broken or was made for something else; making it anew.", flush=True)
        shutil.rmtree(folder)
    missing = [layer for layer in layers if not _installed(folder, layer)]
    if missing:
        _check_space(folder.parent, needs_gb * len(missing) / len(layers))
    if not folder.exists():
        _make_empty(folder, base)
    for number, layer in enumerate(layers, 1):
        if layer in missing:
            print(f"  {folder.name}, {number} of {len(layers)}: {layer.says}", flush=True)
            _install(folder, layer)
    return interpreter(folder)


def _install(folder: Path, layer: Layer) -> None:
    for number, arguments in enumerate(layer.attempts, 1):
        try:
            pip_install(interpreter(folder), arguments, folder / "install.log")
            break
        except InstallError as error:
            if number == len(layer.attempts) or NO_MATCH not in error.message:
                raise
    _stamp(folder, layer).write_text(layer.fingerprint, encoding="utf-8")


def _stamp(folder: Path, layer: Layer) -> Path:
    return folder / f"installed-{layer.name}"


def _installed(folder: Path, layer: Layer) -> bool:
    stamp = _stamp(folder, layer)
    return stamp.exists() and stamp.read_text(encoding="utf-8") == layer.fingerprint


def _outdated(folder: Path, layers: Sequence[Layer]) -> bool:
    if not folder.exists():
        return False
    if not _runs(interpreter(folder)):
        return True
    return any(
        layer.foundation and _stamp(folder, layer).exists() and not _installed(folder, layer) for layer in layers
    )


def _runs(python: Path) -> bool:
    """Whether the interpreter starts and has pip: an interrupted `venv`, a moved folder or a removed Python fail."""
    try:
        return subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _check_space(folder: Path, needs_gb: float) -> None:
    free = shutil.disk_usage(folder).free / 1e9
    if free < needs_gb:
        raise InstallError(
            f"{folder} has {free:.1f} GB free; about {needs_gb:.1f} GB are needed.",
            "Free some space and start the same command again.",
        )


def _make_empty(folder: Path, base: Path) -> None:
    answer = subprocess.run([str(base), "-m", "venv", str(folder)], capture_output=True, text=True)
    if answer.returncode == 0:
        return
    shutil.rmtree(folder, ignore_errors=True)
    said = (answer.stdout + answer.stderr).strip()
    if "ensurepip" in said:
        raise InstallError(
            f"{base} cannot make virtual environments.",
            "On Debian and Ubuntu install its venv package (apt install python3-venv) and start the command again.",
        )
    raise InstallError(f"The virtual environment {folder} could not be made.", said.splitlines()[-1] if said else "")
