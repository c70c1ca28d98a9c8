"""Starting and killing child processes, the same on all systems. Standard library only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

# Ctrl-C in the host's terminal does not reach the worker, and no console window opens on Windows.
DETACHED: dict[str, Any]
if sys.platform == "win32":
    DETACHED = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
else:
    DETACHED = {"start_new_session": True}


def kill(process: subprocess.Popen) -> None:
    """Kills a process that was started with DETACHED, with its children.

    Windows has no process group to kill. There, a child such as ffmpeg ends when the pipe that it reads from is closed.
    """
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
