"""The demo: clones the motion of a small scene into three clips with one command, starting from an empty machine."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..backend import Backend
from ..failures import InstallError
from ..logs import append
from ..paths import ROOT
from ..pip import MAX_LINES
from .blender import Host, find_host

FOLDER = ROOT / "demo"
SCRIPT = ROOT / "install" / "developing" / "in_blender" / "make_demo.py"
RESULTS = {
    "contact_sheet.png": "the reference, each clip without guidance, and with the scene's motion",
    "demo.mp4": "the same side by side, moving",
    "demo.blend": "the scene, with the three clips as strips in its sequencer",
}


def make_demo(blender: str | None) -> None:
    """Writes demo/. Raises InstallError."""
    begin = time.monotonic()
    print("1 of 4: the backend's environment", flush=True)
    backend = Backend().make()
    print("2 of 4: Blender", flush=True)
    host = find_host(blender)
    print(f"  {host.title}", flush=True)
    _clear()
    print("3 of 4: cloning the motion of a small scene, six clips", flush=True)
    clone_in_blender(host, backend)
    print("4 of 4: pictures", flush=True)
    command = [str(backend), "-m", "backend.clips.contact_sheet", str(FOLDER / "takes.json")]
    run_logged(command, FOLDER / "pictures.log", {}, "The contact sheet could not be made.")
    print(f"\nDone in {_clock(time.monotonic() - begin)}. In {FOLDER}:", flush=True)
    for name, meaning in RESULTS.items():
        print(f"  {name:18} {meaning}")


def clone_in_blender(host: Host, backend: Path) -> None:
    """Runs the add-on in Blender. Jobs are created in demo/jobs; the user's Blender settings are not used."""
    with tempfile.TemporaryDirectory(prefix="motionclone-", ignore_cleanup_errors=True) as user:
        variables = {
            "BLENDER_USER_RESOURCES": user,
            "MOTIONCLONE_BACKEND_PYTHON": str(backend),
            "MOTIONCLONE_DATA": str(FOLDER),
        }
        command = host.command(SCRIPT, [str(FOLDER)])
        run_logged(command, FOLDER / "blender.log", variables, "Blender could not make the demo.")


def run_logged(command: Sequence[str], log: Path, variables: Mapping[str, str], failure: str) -> None:
    """Runs a program with its output in `log`. Lines that start with `> ` are also printed, with the elapsed time.

    Raises InstallError with `failure` and the reason when it fails.
    """
    begin = time.monotonic()
    output = deque[str](maxlen=MAX_LINES)
    log.write_bytes(b"")
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                append(log, line)
                output.append(line.rstrip())
                if line.startswith("> "):
                    print(f"  {_clock(time.monotonic() - begin)}  {line[2:].rstrip()}", flush=True)
        except BaseException:
            _stop(process)
            raise
    if process.returncode:
        raise InstallError(
            f"{failure} {_reason(output, process.returncode)}".rstrip(), "The details are in {log}."
        ).about(log=log)


def _stop(process: subprocess.Popen[str]) -> None:
    """Lets Blender stop its backend, then kills it if necessary."""
    if os.name == "posix":
        process.send_signal(signal.SIGINT)
    else:
        process.terminate()
    try:
        process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()


def _reason(output: Sequence[str], code: int) -> str:
    """The last error message that Python or an operator printed. Crashes print none."""
    for line in reversed(output):
        found = re.match(r"(?:RuntimeError: )?Error: (.+)|[\w.]*Error: (.+)", line)
        if found:
            return found[1] or found[2]
    hint = " Is a driver for EGL or OpenGL installed?" if code < 0 or code in (134, 139) else ""
    return f"It ended with exit code {code}.{hint}"


def _clear() -> None:
    """Removes the files of an earlier demo and nothing else."""
    try:
        FOLDER.mkdir(exist_ok=True)
        shutil.rmtree(FOLDER / "jobs", ignore_errors=True)
        for name in (*RESULTS, "takes.json"):
            (FOLDER / name).unlink(missing_ok=True)
    except OSError as error:
        raise InstallError("{folder} cannot be written to ({reason}).", "Make the folder writable.").about(
            folder=FOLDER, reason=error.strerror
        ) from None


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
