"""Which build of torch fits this machine, so that a machine without an NVIDIA GPU never downloads CUDA."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .failures import InstallError

TORCH = "2.13.0"
BUILDS = "https://download.pytorch.org/whl/"
CUDA, ROCM = "cu130", "rocm7.2"  # the builds that torch 2.13.0 was published with


@dataclass(frozen=True)
class Machine:
    """What the choice depends on. system and arch as `platform` names them, lower case."""

    system: str
    arch: str
    nvidia: bool = False
    rocm: bool = False


@dataclass(frozen=True)
class TorchBuild:
    """`requirement` is looked for where pip is set up to look, then at `index_url` if that finds nothing."""

    title: str
    requirement: str
    index_url: str | None
    download_mb: int

    def pip_attempts(self) -> list[list[str]]:
        """pip arguments to try in turn: a mirror or wheel folder that the user set up wins over the public index."""
        attempts = [[self.requirement]]
        if self.index_url:
            attempts.append([self.requirement, "--index-url", self.index_url])
        return attempts


def choose_build(machine: Machine) -> TorchBuild:
    """PyPI holds the CUDA build for Linux and the Metal build for Apple; the others have indexes of their own."""
    system, arch = machine.system, machine.arch
    if system == "darwin":
        if arch != "arm64":
            raise InstallError(
                "There is no current build of torch for Macs with an Intel processor.",
                "Use a Mac with Apple silicon, or Linux or Windows.",
            )
        return TorchBuild("Apple GPU build", f"torch=={TORCH}", None, 90)
    if system not in ("linux", "windows") or arch not in ("x86_64", "arm64"):
        raise InstallError(f"There is no build of torch for {system} on {arch}.", "Use 64-bit Linux, Windows or macOS.")
    if machine.nvidia:
        if system == "linux":
            return TorchBuild("NVIDIA build", f"torch=={TORCH}", None, 2600)
        return _special("NVIDIA build", CUDA, 1900)
    if machine.rocm and system == "linux" and arch == "x86_64":
        return _special("AMD ROCm build", ROCM, 4000)
    return _special("CPU build", "cpu", 200)


def _special(title: str, name: str, download_mb: int) -> TorchBuild:
    return TorchBuild(title, f"torch=={TORCH}+{name}", BUILDS + name, download_mb)


def this_machine(environ: Mapping[str, str] = os.environ) -> Machine:
    """Looks for the drivers' own tools and device files; starts nothing."""
    arch = platform.machine().lower()
    driver = Path("/proc/driver/nvidia/version")
    windows_tool = Path(environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "nvidia-smi.exe"
    return Machine(
        system=platform.system().lower(),
        arch={"amd64": "x86_64", "x64": "x86_64", "aarch64": "arm64"}.get(arch, arch),
        nvidia=driver.exists() or windows_tool.exists() or bool(shutil.which("nvidia-smi")),
        rocm=Path("/dev/kfd").exists() and bool(shutil.which("rocminfo") or Path("/opt/rocm").exists()),
    )
