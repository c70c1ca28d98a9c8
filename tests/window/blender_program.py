"""The same Blender as a script or a farm runs it, without a window: `blender -b ...`."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from install.developing.window import enter

SECONDS = 900  # a busy machine may need long


def alone(folder: Path, surroundings: Mapping[str, str]) -> list[str]:
    """What starts a program with its own settings and nothing of this machine's. An empty variable is left out."""
    settings = {
        "HOME": "/tmp/home",
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "MESA_SHADER_CACHE_DIR": "/var/cache/mesa",
        "BLENDER_USER_RESOURCES": str(folder / "blender"),
        **surroundings,
    }
    return ["env", "-i", *(f"{name}={value}" for name, value in settings.items() if value)]


class BlenderProgram:
    """root: the Debian folder; folder: for what is said and made, seen inside under the same name, as are places."""

    def __init__(self, root: Path, folder: Path, places: Sequence[Path], surroundings: Mapping[str, str]):
        self.folder, self._root, self._places, self._surroundings = folder, root, [folder, *places], surroundings

    def run(self, *arguments: str, **surroundings: str) -> subprocess.CompletedProcess[str]:
        """surroundings: besides, or instead."""
        command = [*alone(self.folder, {**self._surroundings, **surroundings}), "blender", *arguments]
        return subprocess.run(
            enter(self._root, self._places, command), capture_output=True, text=True, errors="replace", timeout=SECONDS
        )
