"""Finds the host of the add-on: a Blender on this machine, or bpy (Blender as a Python module) in its own
environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..environments import Environment, Layer
from ..failures import InstallError
from ..paths import ROOT
from ..pythons import Python, find_python, probe

MINIMUM = (4, 2)
BPY = {"5.2": ("5.2.3", "3.13"), "4.5": ("4.5.15", "3.11"), "4.2": ("4.2.23", "3.11")}  # newest first: bpy, Python


@dataclass(frozen=True)
class Host:
    """A program that runs scripts with bpy. `program` is Blender, or the interpreter of a bpy environment."""

    title: str
    program: Path
    is_blender: bool

    def command(self, script: Path, arguments: Sequence[str]) -> list[str]:
        """The command line that runs `script` without a window and without user settings. Errors set the exit code."""
        if not self.is_blender:
            return [str(self.program), str(script), *arguments]
        options = ["--background", "--factory-startup", "--python-exit-code", "1"]
        return [str(self.program), *options, "--python", str(script), "--", *arguments]


def find_host(chosen: str | None) -> Host:
    """The Blender named by `chosen`, otherwise one found on this machine, otherwise bpy in an environment. Raises
    InstallError."""
    if chosen:
        return _named_blender(Path(chosen).expanduser())
    for program in usual_places(sys.platform, os.environ):
        version = blender_version(program)
        if version and version >= MINIMUM:
            return _blender(program, version)
    for series, (release, python) in BPY.items():
        if find_python(python):
            print(f"  No Blender found; using Blender {release} as a Python module.", flush=True)
            return make_bpy(series)
    wanted = " or ".join(sorted({python for _, python in BPY.values()}))
    raise InstallError(
        "There is no Blender 4.2 or newer on this machine, and no Python that Blender's module exists for.",
        "Name a Blender with --blender PATH, or install Python {wanted}.",
    ).about(wanted=wanted)


def make_bpy(series: str, extra: Sequence[str] = ()) -> Host:
    """Creates the bpy environment of a Blender series if it is missing. Raises InstallError if its Python is not
    installed."""
    release, python = BPY[series]
    base = find_python(python)
    if base is None:
        raise InstallError("Blender {release} as a module needs Python {python}, which was not found.").about(
            release=release, python=python
        )
    title = f"Blender {release}, about 350 MB to download"
    layers = [Layer("bpy", title, [[f"bpy=={release}"]], foundation=True, download_mb=350, disk_mb=1050)]
    if extra:
        layers.append(Layer("tests", "pytest", [list(extra)]))
    program = Environment(ROOT / f".venv-bpy-{series}", lambda: _sound(base), layers).make()
    return Host(f"Blender {release} (module)", program, is_blender=False)


def _sound(base: Path) -> Python:
    python = probe([str(base)])
    if python is None:
        raise InstallError("{base} does not start.", "Install this Python again.").about(base=base)
    return python


def blender_version(program: Path) -> tuple[int, int] | None:
    """(major, minor) as reported by the program, or None when it is not Blender."""
    try:
        command = [str(program), "--version"]
        answer = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"^Blender (\d+)\.(\d+)", answer.stdout, re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else None


def _named_blender(program: Path) -> Host:
    if program.suffix == ".app":
        program = program / "Contents" / "MacOS" / "Blender"
    if not program.exists():
        raise InstallError("There is no {program}.", "Give --blender the path of Blender's program file.").about(
            program=program
        )
    version = blender_version(program)
    if version is None:
        raise InstallError("{program} is not Blender.", "Give --blender the path of Blender's program file.").about(
            program=program
        )
    if version < MINIMUM:
        found = f"{version[0]}.{version[1]}"
        raise InstallError("{program} is Blender {found}.", "MotionClone needs Blender 4.2 or newer.").about(
            program=program, found=found
        )
    return _blender(program, version)


def _blender(program: Path, version: tuple[int, int]) -> Host:
    return Host(f"Blender {version[0]}.{version[1]} at {program}", program, is_blender=True)


def usual_places(platform: str, environ: Mapping[str, str]) -> Iterator[Path]:
    """Blender programs in the usual folders, the most likely first and newer ones before older ones."""
    on_path = shutil.which("blender")
    if on_path:
        yield Path(on_path)
    if platform == "darwin":
        for folder in (Path("/Applications"), Path.home() / "Applications"):
            yield from sorted(folder.glob("Blender*.app/Contents/MacOS/Blender"), reverse=True)
    elif platform == "win32":
        folder = Path(environ.get("PROGRAMFILES", r"C:\Program Files")) / "Blender Foundation"
        yield from sorted(folder.glob("Blender */blender.exe"), key=_by_version, reverse=True)
        for folder in (Path.home() / "Downloads", Path.home() / "Desktop", Path.home()):
            yield from sorted(folder.glob("blender-*/blender.exe"), key=_by_version, reverse=True)
            yield from sorted(folder.glob("blender-*/blender-*/blender.exe"), key=_by_version, reverse=True)
        steam = Path(environ.get("PROGRAMFILES(X86)", r"C:\Program Files (x86)")) / "Steam"
        yield from (steam / "steamapps" / "common" / "Blender").glob("blender.exe")
    else:
        paths = ("/usr/bin/blender", "/snap/bin/blender", "/var/lib/flatpak/exports/bin/org.blender.Blender")
        yield from (path for path in map(Path, paths) if path.exists())
        home = Path.home()
        for folder in (Path("/opt"), home, *(home / name for name in ("Downloads", "Applications", "blender", "bin"))):
            yield from sorted(folder.glob("blender-*/blender"), key=_by_version, reverse=True)
        yield from (home / ".steam" / "steam" / "steamapps" / "common" / "Blender").glob("blender")


def _by_version(program: Path) -> list[int]:
    """Sort key that puts Blender 4.10 after 4.9."""
    return [int(number) for number in re.findall(r"\d+", program.parent.name)]
