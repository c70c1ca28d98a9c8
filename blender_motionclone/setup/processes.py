"""Programs that run beside Blender and are only listened to. Without bpy."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from ...backend.wire.processes import DETACHED
from .interpreter import ROOT, WORKING, child_environment


def start_beside(
    command: Sequence[str], stdout: IO[Any] | int, stderr: IO[Any] | int, root: Path = ROOT, **how: Any
) -> subprocess.Popen:
    """Starts it with nothing to read, so that it can be ended with all that it starts. root: the folder of its modules,
    which it does not work in; how: of Popen. OSError when it cannot be started."""
    return subprocess.Popen(
        command,
        cwd=WORKING,
        env=child_environment(os.environ, root),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        **how,
        **DETACHED,
    )
