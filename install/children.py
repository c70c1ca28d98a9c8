"""Runs Python modules as child processes that end with this process, however it ends."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .paths import DATA, ROOT, data_folder

# The child reads from a stdin that nobody writes to. The read ends when the parent ends, even by SIGKILL, and then the
# child exits, so that no orphan changes an environment that the next run is working on. This pipe is moved away from
# file descriptor 0: processes started by the child must not inherit it, and on Windows every access to a pipe that a
# thread reads from waits for that thread (loading NumPy accesses it). os.read is used because Python aborts at exit
# while another thread is in a buffered read. The source root replaces the working directory in sys.path.
_END_WITH_PARENT = """
import os, runpy, sys, threading
parent, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
os.set_inheritable(parent, False)
os.dup2(nothing, 0)
os.close(nothing)
def watch():
    os.read(parent, 1)
    os._exit(1)
threading.Thread(target=watch, daemon=True).start()
del sys.argv[0]
sys.path.insert(0, sys.argv.pop(0))
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
_MISLEADING = ("__PYVENV_LAUNCHER__", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")
SECONDS_TO_END = 10
MAX_LINE = 2**20  # characters; longer lines are split
NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # otherwise Windows opens a console for each child of Blender


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment variables without settings for the current Python, which may be Blender's, and for other uses of
    pip."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k not in _MISLEADING}
    if kept.get(DATA):
        kept[DATA] = str(data_folder())  # absolute, because children have another working directory
    return kept | {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "PIP_USER": "0", **(extra or {})}


def run_module(
    python: Path,
    arguments: Sequence[str],
    on_line: Callable[[str], None],
    on_tick: Callable[[], None] = lambda: None,
    extra: Mapping[str, str] | None = None,
) -> int:
    """Runs `python -m arguments...` and returns its exit code. `on_line` gets each line of output; `on_tick` is called
    twice a second."""
    process = subprocess.Popen(
        [str(python), "-P", "-c", _END_WITH_PARENT, str(ROOT), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        cwd=ROOT.anchor,  # Windows neither renames nor removes a process's working directory
        env=clean_environment(extra),
        creationflags=NO_WINDOW,
    )
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    try:
        _follow(lines, on_line, on_tick)
        return process.wait()
    except BaseException:
        _end(process)
        raise


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout
    while line := process.stdout.readline(MAX_LINE):
        lines.put(line)
    lines.put(None)


def _follow(lines: queue.Queue[str | None], on_line: Callable[[str], None], on_tick: Callable[[], None]) -> None:
    while True:
        try:
            line = lines.get(timeout=0.5)
        except queue.Empty:
            on_tick()
            continue
        if line is None:
            return
        on_line(line)


def _end(process: subprocess.Popen[str]) -> None:
    """Closes the pipe that keeps the child alive, then kills the child if it does not end."""
    assert process.stdin
    process.stdin.close()
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
