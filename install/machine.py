"""The properties of this machine that determine the torch build, read from the drivers' tools and device files."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .children import NO_WINDOW

Version = tuple[int, ...]


@dataclass(frozen=True)
class Nvidia:
    """An NVIDIA GPU. driver: its version, None if it does not answer; capability: the highest of the GPUs, None if
    unknown."""

    driver: Version | None = None
    capability: Version | None = None


@dataclass(frozen=True)
class Machine:
    """system and arch as named by `platform`, in lower case and with one name per architecture."""

    system: str
    arch: str
    nvidia: Nvidia | None = None
    rocm: bool = False
    macos: Version | None = None


def this_machine(arch: str | None = None, environ: Mapping[str, str] = os.environ) -> Machine:
    """Examines this machine. `arch` is that of the Python for torch, which may differ on 64-bit Windows and on a
    Mac."""
    return Machine(
        system=platform.system().lower(),
        arch=arch or one_name(platform.machine()),
        nvidia=find_nvidia(environ),
        rocm=Path("/dev/kfd").exists(),
        macos=_version(platform.mac_ver()[0]) if platform.mac_ver()[0] else None,
    )


def one_name(arch: str) -> str:
    """The one name that we use for an architecture."""
    arch = arch.lower()
    return {"amd64": "x86_64", "x64": "x86_64", "aarch64": "arm64"}.get(arch, arch)


def find_nvidia(environ: Mapping[str, str] = os.environ) -> Nvidia | None:
    """The NVIDIA GPU, or None without NVIDIA's driver."""
    windows_tool = Path(environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "nvidia-smi.exe"
    tool = shutil.which("nvidia-smi") or (str(windows_tool) if windows_tool.exists() else None)
    driver = Path("/proc/driver/nvidia/version")
    if tool:
        found = parse_smi(_ask([tool, "--query-gpu=driver_version,compute_cap", "--format=csv,noheader"]))
        if found.driver:
            return found
    if driver.exists():
        return Nvidia(parse_driver(driver.read_text(encoding="utf-8", errors="replace")))
    return Nvidia() if tool else None


def parse_smi(output: str) -> Nvidia:
    """Parses lines such as `580.65.06, 8.9`, one per GPU. Old drivers do not print the second column."""
    rows = re.findall(r"^(\d+(?:\.\d+)+)(?:, (\d+\.\d+))?", output, re.MULTILINE)
    capabilities = [_version(capability) for _, capability in rows if capability]
    return Nvidia(_version(rows[0][0]) if rows else None, max(capabilities, default=None))


def parse_driver(output: str) -> Version | None:
    """Parses `NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May ...`"""
    found = re.search(r"Module\D*?(?:for \S+)?\s+(\d+\.\d+(?:\.\d+)*)", output)
    return _version(found[1]) if found else None


def _version(text: str) -> Version:
    return tuple(int(number) for number in text.split("."))


def _ask(command: list[str]) -> str:
    try:
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=30, creationflags=NO_WINDOW
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
