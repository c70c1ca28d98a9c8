"""Processes of a host's own, alike on all systems. Standard library only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

# Ctrl-C in the host's terminal is not the worker's, and no console window opens on Windows.
DETACHED: dict[str, Any]
if sys.platform == "win32":
    DETACHED = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
else:
    DETACHED = {"start_new_session": True}


def kill(process: subprocess.Popen) -> None:
    """A process that was started with DETACHED, and what it started itself.

    Windows has no such group to kill: there an ffmpeg ends when the pipe it reads from does.
    """
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
