"""The backend's environment, `.venv`: torch, diffusers and what reads and writes clips."""

from __future__ import annotations

from pathlib import Path

from .environments import ROOT, Layer, interpreter, make_environment
from .failures import InstallError
from .pythons import RUNNING, find_python
from .torch_build import TORCH, choose_build, this_machine

FOLDER = ROOT / ".venv"
REQUIREMENTS = ROOT / "install" / "requirements.txt"
TEST_REQUIREMENTS = ROOT / "install" / "requirements-test.txt"
PYTHONS = ("3.13", "3.12", "3.11", "3.14")  # that torch has builds for, best supported first


def make_backend(for_tests: bool = False) -> Path:
    """The interpreter of the finished environment."""
    build = choose_build(this_machine())
    torch = Layer(
        "torch",
        f"torch {TORCH}, {build.title}, about {build.download_mb} MB to download",
        build.pip_attempts(),
        foundation=True,
    )
    rest = Layer("requirements", "diffusers and its company", [["-r", str(REQUIREMENTS)]], [REQUIREMENTS])
    layers = [torch, rest]
    if for_tests:
        layers.append(Layer("tests", "pytest and checkers", [["-r", str(TEST_REQUIREMENTS)]], [TEST_REQUIREMENTS]))
    return make_environment(FOLDER, _base_python(), layers, needs_gb=3 * build.download_mb / 1000 + 1.5)


def existing_backend() -> Path:
    """The interpreter of `.venv`, which must have been made before."""
    python = interpreter(FOLDER)
    if not python.exists():
        raise InstallError(f"There is no backend environment at {FOLDER}.", "Make it with: python3 -m install backend")
    return python


def _base_python() -> Path:
    """The running Python when torch has builds for it, else another one of this machine."""
    running = RUNNING
    for version in (running, *PYTHONS) if running in PYTHONS else PYTHONS:
        found = find_python(version)
        if found:
            return found
    raise InstallError(
        f"torch {TORCH} has no build for Python {running}, and no other Python was found.",
        "Install Python 3.13 and start the command again.",
    )
