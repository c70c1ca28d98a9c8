"""Chooses the torch build for a machine, so that a machine without an NVIDIA GPU never downloads CUDA."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .failures import InstallError
from .machine import Machine, Nvidia
from .paths import ROOT
from .sentences import Sentence

TORCH = "2.13.0"
BUILDS = "https://download.pytorch.org/whl/"
LOCKS = ROOT / "install" / "locks"

# NVIDIA's and torch's requirements. CUDA 13 supports Turing (7.5) and newer, CUDA 12.6 Maxwell (5.0) to Hopper.
CUDA_13_DRIVER, CUDA_13_OLDEST = (580,), (7, 5)
CUDA_12_DRIVER, CUDA_12_OLDEST, CUDA_12_NEWEST = (525, 60), (5, 0), (9, 0)
OLDEST_MACOS = (14,)


@dataclass(frozen=True)
class TorchBuild:
    """A build of torch.

    name: for --build; requirement: searched in pip's configured index first, then at `index_url`; lock: our file with
    its hashes and those of its dependencies; without one, pip checks the hash from the index; download_mb, disk_mb:
    with torch's dependencies; note: information for the user about this choice.
    """

    name: str
    title: str
    requirement: str
    index_url: str | None
    lock: str | None
    download_mb: int
    disk_mb: int
    note: str = ""

    def pip_attempts(self) -> list[list[str]]:
        """pip arguments to try in turn: the user's mirror or wheel folder comes before the public index."""
        wanted = [self.requirement]
        if self.lock:
            wanted = ["--no-deps", "--require-hashes", "-r", str(LOCKS / self.lock)]
        return [wanted, [*wanted, "--index-url", self.index_url]] if self.index_url else [wanted]


def _special(name: str, title: str, local: str, lock: str | None, download_mb: int, disk_mb: int) -> TorchBuild:
    """A build from PyTorch's own index."""
    return TorchBuild(name, title, f"torch=={TORCH}+{local}", BUILDS + local, lock, download_mb, disk_mb)


def _from_pypi(name: str, title: str, download_mb: int, disk_mb: int) -> TorchBuild:
    return TorchBuild(name, title, f"torch=={TORCH}", None, "torch.txt", download_mb, disk_mb)


CPU = _special("cpu", "CPU", "cpu", "torch-cpu.txt", 192, 850)
CPU_WINDOWS = _from_pypi("cpu", "CPU", 122, 600)
CUDA_13 = _from_pypi("cuda13", "NVIDIA, CUDA 13", 2730, 6500)
CUDA_13_WINDOWS = _special("cuda13", "NVIDIA, CUDA 13", "cu130", None, 1900, 4500)
CUDA_12 = _special("cuda12", "NVIDIA, CUDA 12.6", "cu126", None, 3000, 6500)
ROCM = _special("rocm", "AMD, ROCm", "rocm7.2", None, 4500, 16000)
APPLE = _from_pypi("apple", "Apple GPU", 111, 550)

NAMES = ("cpu", "cuda13", "cuda12", "rocm", "apple")


def choose_build(machine: Machine, wanted: str | None = None) -> TorchBuild:
    """The build called `wanted` (see NAMES), otherwise the one that fits the machine. Raises InstallError if there is
    none."""
    builds = _builds(machine)
    if wanted:
        if wanted not in builds:
            raise InstallError(
                "There is no {wanted} build of torch for {system} on {arch}.", "Choose one of: {builds}."
            ).about(wanted=wanted, system=machine.system, arch=machine.arch, builds=", ".join(builds))
        return builds[wanted]
    if "apple" in builds:
        return builds["apple"]
    if machine.nvidia:
        return _for_nvidia(machine.nvidia, builds)
    return builds["rocm"] if machine.rocm and "rocm" in builds else builds["cpu"]


def _builds(machine: Machine) -> dict[str, TorchBuild]:
    """The builds for this system and architecture, by name. PyPI has the CUDA 13 build for Linux, the CPU build for
    Windows and the Metal build for Apple. Raises InstallError."""
    system, arch = machine.system, machine.arch
    if system == "darwin" and arch == "arm64" and (machine.macos or OLDEST_MACOS) < OLDEST_MACOS:
        raise InstallError("torch needs macOS 14 or newer.", "Update macOS and start the installation again.")
    if system == "darwin" and arch == "arm64":
        return {"apple": APPLE}
    if system == "darwin":
        raise InstallError(
            "There is no current build of torch for Macs with an Intel processor.",
            "Use a Mac with Apple silicon, or Linux or Windows.",
        )
    if system == "windows" and arch == "x86_64":
        return {"cpu": CPU_WINDOWS, "cuda13": CUDA_13_WINDOWS, "cuda12": CUDA_12}
    if system == "linux" and arch == "x86_64":
        return {"cpu": CPU, "cuda13": CUDA_13, "cuda12": CUDA_12, "rocm": ROCM}
    if system == "linux" and arch == "arm64":
        return {"cpu": CPU, "cuda13": CUDA_13}
    raise InstallError(
        "There is no build of torch for {system} on {arch}.",
        "Use 64-bit Linux, Windows on x86-64 (with a Python for it), or a Mac with Apple silicon.",
    ).about(system=system, arch=arch)


def _for_nvidia(nvidia: Nvidia, builds: dict[str, TorchBuild]) -> TorchBuild:
    """The newest CUDA build that the driver and the GPU support, otherwise the CPU build with the reason as its
    note."""
    driver, capability = nvidia.driver, nvidia.capability
    if driver is None:
        return replace(builds["cpu"], note="The NVIDIA driver does not respond, so the GPU cannot be used. " + _UPDATE)
    if driver >= CUDA_13_DRIVER and (capability is None or capability >= CUDA_13_OLDEST):
        return builds["cuda13"]
    if "cuda12" in builds and driver >= CUDA_12_DRIVER and _known_to_12(capability):
        return builds["cuda12"]
    version = ".".join(map(str, driver))
    if capability is not None and capability < CUDA_12_OLDEST:
        return replace(builds["cpu"], note="This NVIDIA GPU is too old for torch, so the CPU is used.")
    note = Sentence("The NVIDIA driver {version} is too old for this GPU's build. " + _UPDATE, version=version)
    return replace(builds["cpu"], note=note)


_UPDATE = "Install NVIDIA's driver 580 or newer and start the installation again; until then the CPU is used."


def _known_to_12(capability: tuple[int, ...] | None) -> bool:
    return capability is None or CUDA_12_OLDEST <= capability <= CUDA_12_NEWEST
