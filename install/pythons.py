"""Finds the Python interpreters of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
_ASK = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"


def find_python(version: str) -> Path | None:
    """The interpreter of this 'major.minor' version: this one, from PATH, from Windows' launcher, pyenv or uv."""
    if version == RUNNING:
        return Path(sys.executable)
    for command in _candidates(version):
        found = _ask(command, version)
        if found:
            return found
    return None


def _candidates(version: str) -> Iterator[list[str]]:
    """Commands that may start it. Being on PATH proves nothing: a version manager's stand-in may refuse to run."""
    for name in (f"python{version}", "python3", "python"):
        if shutil.which(name):
            yield [name]
    if shutil.which("py"):
        yield ["py", f"-{version}"]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for folder in sorted(pyenv.glob(f"{version}.*"), reverse=True):
        yield [str(folder / "bin" / "python")]
    uv = shutil.which("uv")
    if uv:
        answer = subprocess.run([uv, "python", "find", version], capture_output=True, text=True)
        if answer.returncode == 0:
            yield [answer.stdout.strip()]


def _ask(command: list[str], version: str) -> Path | None:
    try:
        answer = subprocess.run([*command, "-c", _ASK], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = answer.stdout.split("\n")
    if answer.returncode == 0 and lines[0].strip() == version:
        return Path(lines[1].strip())
    return None
