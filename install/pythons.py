"""Finds the Python interpreters on this machine and their properties."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from .children import NO_WINDOW, clean_environment
from .failures import InstallError
from .machine import one_name
from .sentences import Sentence, joined

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
SUPPORTED = ("3.13", "3.12", "3.11", "3.14")  # versions with torch builds, best supported first
OLDEST_GLIBC = (2, 28)  # required by the wheels of torch and others

STORE = "This is the Microsoft Store's Python: Windows hides its files from Blender and other programs."
OTHER_THAN_STORE = "Install Python 3.13 from python.org and use that one."

_ASK = """
import importlib.util, json, os, platform, struct, sys, sysconfig
def has(name):
    try:
        __import__(name)
        return True
    except ImportError:
        return False
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2],
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "arch": platform.machine(),
    "bits": 8 * struct.calcsize("P"),
    "makes_environments": has("venv") and has("ensurepip"),
    "ssl": has("ssl"),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "libc": list(platform.libc_ver()),
    "system": os.uname().version if hasattr(os, "uname") else "",
}))
"""


@dataclass(frozen=True)
class Python:
    """The properties of an interpreter.

    version: 'major.minor'; executable: in a virtual environment, the one it was created from, because the environment
    may be about to be recreated; arch: named by machine.one_name; libc: (name, version); system: the kernel's version
    text.
    """

    version: str
    executable: Path
    arch: str
    bits: int
    makes_environments: bool
    ssl: bool
    free_threaded: bool
    libc: tuple[str, str]
    system: str

    def unfit(self) -> str:
        """Why it cannot run the backend, as the end of a sentence that starts with its path; empty when it can."""
        reasons = {
            "is the Microsoft Store's: Windows hides its files from other programs": from_store(self.executable),
            "cannot make secure connections: its ssl module is missing": not self.ssl,
            "is a 32-bit Python": self.bits != 64,
            "is a free-threaded build, which the backend's packages do not support": self.free_threaded,
            "is for Intel processors, but this Mac has Apple silicon": self.arch == "x86_64" and "ARM64" in self.system,
            "is for a system without glibc 2.28 or newer, which torch needs": not self._glibc_fits(),
        }
        return next((reason for reason, is_so in reasons.items() if is_so), "")

    def _glibc_fits(self) -> bool:
        if not sys.platform.startswith("linux"):
            return True
        name, version = self.libc
        numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
        return name == "glibc" and numbers >= OLDEST_GLIBC


def from_store(program: Path) -> bool:
    """Whether the program is a Microsoft Store app. Windows redirects what such a program writes to AppData."""
    return "windowsapps" in [part.lower() for part in PureWindowsPath(program).parts]


def running_from_store() -> bool:
    """Whether this Python is the Microsoft Store's. Other programs could not find the files that it creates."""
    base = Path(sys.base_prefix)
    return sys.platform == "win32" and from_store(base) and not _is_blenders(base)


def check_running() -> None:
    """Raises InstallError when this Python is the Microsoft Store's."""
    if running_from_store():
        raise InstallError(STORE, OTHER_THAN_STORE)


def backend_base() -> Python:
    """The Python to create the backend's environment from. Raises InstallError with the problem of each candidate.

    The Python that runs this code comes first, unless it is Blender's own, which an update may move. One that cannot
    create environments is accepted if uv is installed.
    """
    reasons = []
    for python in _each_once(_found()):
        unfit = python.unfit()
        if not unfit and not (python.makes_environments or uv()):
            unfit = "cannot create virtual environments: its venv or ensurepip module is missing"
        if not unfit:
            return python
        template = "{python} (Python {version}) " + unfit + "."
        reasons.append(Sentence(template, python=python.executable, version=python.version))
    raise InstallError(joined(["No usable Python was found.", *reasons]), _next_step(" ".join(reasons)))


def find_python(version: str) -> Path | None:
    """The interpreter of a version 'major.minor': this one, or one from PATH, Windows' launcher, pyenv or uv."""
    if version == RUNNING:
        return Path(sys.executable)
    found = _find(version)
    return found.executable if found and not from_store(found.executable) else None


def probe(command: list[str]) -> Python | None:
    """The interpreter's properties, or None when it does not start. Being on PATH is not enough: a version manager's
    stub may refuse to run."""
    try:
        answer = subprocess.run(
            [*command, "-c", _ASK],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=30,
            env=clean_environment(),
            creationflags=NO_WINDOW,
        )
        facts = json.loads(answer.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    facts |= {"executable": Path(facts["executable"]), "arch": one_name(facts["arch"]), "libc": tuple(facts["libc"])}
    return Python(**facts)


def uv() -> str | None:
    """The path of the program uv, or None."""
    return shutil.which("uv")


def _found() -> Iterator[Python]:
    """Yields the possible interpreters, the most suitable first."""
    own = probe([sys.executable])
    blenders = own is not None and _is_blenders(Path(sys.base_prefix))
    if own and own.version in SUPPORTED and not blenders:
        yield own
    for version in SUPPORTED:
        found = _find(version)
        if found and not (blenders and _is_same(found, own)):
            yield found
    if own and own.version in SUPPORTED and blenders:
        yield own


def _each_once(pythons: Iterator[Python]) -> Iterator[Python]:
    """Removes duplicates: `python3` and `python3.13` may be links to one file."""
    seen: list[Python] = []
    for python in pythons:
        if not any(_is_same(python, other) for other in seen):
            seen.append(python)
            yield python


def _is_same(one: Python, other: Python | None) -> bool:
    return other is not None and os.path.realpath(one.executable) == os.path.realpath(other.executable)


def _is_blenders(prefix: Path) -> bool:
    """Whether it is Blender's Python, <blender>/4.2/python or, on a Mac, Contents/Resources/4.2/python."""
    return prefix.name == "python" and bool(re.fullmatch(r"\d+\.\d+", prefix.parent.name))


def _find(version: str) -> Python | None:
    for command in _candidates(version):
        found = probe(command)
        if found and found.version == version:
            return found
    return None


def _candidates(version: str) -> Iterator[list[str]]:
    """Yields commands that may start it."""
    for name in (f"python{version}", "python3", "python"):
        if shutil.which(name):
            yield [name]
    if shutil.which("py"):
        yield ["py", f"-{version}"]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for folder in sorted(pyenv.glob(f"{version}.*"), reverse=True):
        yield [str(folder / "bin" / "python")]
    program = uv()
    if program:
        answer = subprocess.run(
            [program, "python", "find", version], capture_output=True, encoding="utf-8", errors="replace"
        )
        if answer.returncode == 0:
            yield [answer.stdout.strip()]


def _next_step(reasons: str) -> str:
    if "virtual environments" in reasons:
        version = re.search(r"Python (\d\.\d+)\) cannot create virtual", reasons)
        package = f"python{version[1]}-venv" if version else "python3-venv"
        return Sentence(
            "On Debian and Ubuntu: sudo apt install {package}. Or install uv. Then try again.", package=package
        )
    if "Intel" in reasons or "32-bit" in reasons:
        return "Install the 64-bit Python 3.13 for this machine's processor from python.org and try again."
    return Sentence(
        "Install Python {supported} from python.org or your package manager and try again.", supported=SUPPORTED[0]
    )
