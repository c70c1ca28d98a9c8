"""A full disk, and a file that may not grow: a job's folder never says that the job is still running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from backend.bench.recording_client import DUMMY, ROOT, RecordingClient, make_job
from backend.wire import messages
from tests.worker_truth.case import Case, Tried, state_of

SIZE = "200k"
MOUNTING = ["unshare", "-rm", "sh", "-c"]
# Fills the disk during a job, which then fails, is cancelled, or still succeeds.
FILLING = """
import sys
from pathlib import Path
from backend.worker.one_job import run_to_end
from backend.job.progress import Progress
folder, then = Path(sys.argv[1]), sys.argv[2]
def function(folder, progress):
    progress.stage("sampling", 3)
    with open(folder / "filler", "wb", 0) as file:
        try:
            while True: file.write(bytes(512))
        except OSError: pass
    if then == "failed": (folder / "result.json").write_text("x" * 9000)
    if then == "cancelled": progress.cancel(); progress.check()
    return {}
try: run_to_end(folder, Progress(folder), function)
except Exception: pass
print((folder / "state.json").read_text())
"""


def can_mount() -> bool:
    try:
        return not subprocess.run([*MOUNTING, "true"], capture_output=True, check=False).returncode
    except OSError:
        return False


def mounted(disk: Path, commands: str) -> str:
    disk.mkdir(exist_ok=True)
    return f"mount -t tmpfs -o size={SIZE} none {disk} && {commands}"


def full_before(room: int) -> Case:
    def tried(root: Path) -> Tried:
        request, free, disk = make_job(root / "a", "x" * 40_000) / "job.json", make_job(root / "b"), root / "disk"
        fill = f"{{ head -c 300000 /dev/zero > {disk}/filler; truncate -s -{room} {disk}/filler; }}"
        shell = mounted(disk, f"cp {request} {disk} && {fill} && exec {' '.join(DUMMY)}")
        with RecordingClient([*MOUNTING, shell]) as recorder:
            recorder.client.submit("a", disk)
            recorder.client.submit("b", free)
            told = recorder.until((messages.Refused, messages.Failed), job="a").message
            recorder.until(messages.Done, job="b")
        return "The disk is full" in told and state_of(free)["state"] == "done", told

    return Case(f"a disk with {room} bytes left: it is said, the next job is done", tried)


def filled_within(then: str) -> Case:
    def tried(root: Path) -> Tried:
        job, disk = make_job(root / "a"), root / "disk"
        shell = mounted(disk, f'cp {job}/job.json {disk} && exec {sys.executable} -c "$CODE" {disk} {then}')
        done = subprocess.run(
            [*MOUNTING, shell], cwd=ROOT, env={**os.environ, "CODE": FILLING}, capture_output=True, check=True
        )
        told = json.loads(done.stdout)
        reason = told.get("message", "")
        return told["state"] == then and ("The disk is full" in reason) == (
            then == "failed"
        ), f"{told['state']} {reason}"

    return Case(f"a disk that fills up in a job that ends {then}: so says state.json", tried)


def no_growth(root: Path) -> Tried:
    """Where no disk can be mounted, the system limits the size of files."""
    job = make_job(root / "a", "x" * 40_000, steps=3)
    code = (
        "import resource, signal, sys; from pathlib import Path; from backend.worker.dummy_job import DummyEngine\n"
        "from backend.worker.one_job import run_to_end; from backend.job.progress import Progress\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "folder = Path(sys.argv[1])\n"
        "try: run_to_end(folder, Progress(folder), DummyEngine().run)\n"
        "except Exception: pass"
    )
    subprocess.run([sys.executable, "-c", code, str(job)], cwd=ROOT, capture_output=True, check=True)
    state = state_of(job)
    return state["state"] == "failed" and "cannot be written (File too large)" in state["message"], state["message"]


CASES = [Case("a disk that lets no file grow: the reason is in state.json", no_growth)]
if can_mount():
    CASES += [full_before(0), full_before(20_000), *map(filled_within, ("failed", "cancelled", "done"))]
