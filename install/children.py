"""Runs Python modules as children that end with us, however we end."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .places import DATA, ROOT, data_folder

# A stdin that nobody writes to is the tether: reading from it ends when the parent does, even by SIGKILL, and takes the
# child along, so that no orphan changes an environment that the next run already works on. It is moved away from file
# descriptor 0 first: what the child starts must not inherit it, and on Windows whoever touches a pipe that a thread
# reads from waits for that thread, as loading NumPy does. os.read, because a buffered read that another thread is in
# makes Python abort at its end. The tree's root takes the place of the working directory among the module folders.
_TETHERED = """
import os, runpy, sys, threading
tether, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
os.set_inheritable(tether, False)
os.dup2(nothing, 0)
os.close(nothing)
def watch():
    os.read(tether, 1)
    os._exit(1)
threading.Thread(target=watch, daemon=True).start()
del sys.argv[0]
sys.path.insert(0, sys.argv.pop(0))
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
_MISLEADING = ("__PYVENV_LAUNCHER__", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")
SECONDS_TO_END = 10
MOST_LINE = 2**20  # characters; what is longer comes in pieces
NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows would open a console for each child of Blender's


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Without the settings of the Python that runs us, which may be Blender's, and of a pip that is used otherwise."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k not in _MISLEADING}
    if kept.get(DATA):
        kept[DATA] = str(data_folder())  # absolute: children work elsewhere
    return kept | {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "PIP_USER": "0", **(extra or {})}


def run_module(
    python: Path,
    arguments: Sequence[str],
    on_line: Callable[[str], None],
    on_tick: Callable[[], None] = lambda: None,
    extra: Mapping[str, str] | None = None,
) -> int:
    """The exit code of `python -m arguments...`. on_line gets each line it prints, on_tick is called twice a second."""
    process = subprocess.Popen(
        [str(python), "-P", "-c", _TETHERED, str(ROOT), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        cwd=ROOT.anchor,  # Windows neither renames nor removes a folder that somebody works in
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
    while line := process.stdout.readline(MOST_LINE):
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
    """Cuts the tether, then insists."""
    assert process.stdin
    process.stdin.close()
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
