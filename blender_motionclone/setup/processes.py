"""Programs that run beside Blender and are only listened to. Without bpy."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from ...backend.wire.processes import DETACHED
from .interpreter import current_environment


def start_beside(
    command: Sequence[str], cwd: Path, stdout: IO[Any] | int, stderr: IO[Any] | int, **how: Any
) -> subprocess.Popen:
    """Starts it with nothing to read, so that it can be ended with all that it starts. how: of Popen. OSError when it
    cannot be started."""
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=current_environment(),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        **how,
        **DETACHED,
    )
