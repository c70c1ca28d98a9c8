"""Logs and caches that exceed their limits, and the view of the disk usage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from backend.bench.recording_client import DUMMY, ROOT, RecordingClient, make_job
from backend.job_folder import log_size
from backend.job_folder.state import JobState, write_state
from backend.job_folder.storage import keep_newest, size_of
from backend.wire import messages
from backend.wire.client import Lost
from install import logs
from tests.worker_truth.case import Case, Tried, child
from tests.worker_truth.child import FIRST, LAST

MAX_MB = log_size.MAX_BYTES / 2**20
OLD_HOURS = 2.0


def flooded(root: Path) -> Tried:
    job, largest = make_job(root / "a"), 0
    with RecordingClient(child("serve")) as recorder:
        recorder.client.submit("a", job)
        while not any(isinstance(message, messages.Done) for message in recorder.received):
            largest = max(largest, _size(job / "log.txt"))
            time.sleep(0.02)
            recorder.received += recorder.client.poll()
        recorder.until(messages.Done)
    content = (job / "log.txt").read_bytes()
    words = content.startswith(FIRST.encode()) and content.rstrip().endswith(LAST.encode())
    return words and len(content) <= log_size.MAX_BYTES, (
        f"{len(content) / 2**20:.1f} MB left of 120 MB, {largest / 2**20:.0f} MB at most meanwhile"
    )


def crashed(root: Path) -> Tried:
    job = make_job(root / "a")
    with RecordingClient(child("serve", crash=True)) as recorder:
        recorder.client.submit("a", job)
        lost = recorder.until(Lost)
    log = (job / "log.txt").read_bytes()
    return "ran out of memory" in lost.message and b"std::bad_alloc" in log[-200:], lost.message


def old_log(root: Path) -> Tried:
    job = make_job(root / "a", "error")
    (job / "log.txt").write_bytes(FIRST.encode() + b"x" * 50_000_000)
    with RecordingClient(DUMMY) as recorder:
        recorder.client.submit("a", job)
        recorder.until(messages.Failed)
    content = (job / "log.txt").read_bytes()
    holds = content.startswith(FIRST.encode()) and b"ZeroDivisionError" in content[-200:]
    return holds and len(content) <= log_size.MAX_BYTES, f"{len(content) / 2**20:.1f} MB of 48"


def installer_log(root: Path) -> Tried:
    log, largest = root / "install.log", 0
    for number in range(3000):
        logs.append(log, f"{FIRST if not number else ''}{'x' * 9999}\n")
        largest = max(largest, _size(log))
    logs.append(log, f"{LAST}\n")
    content = log.read_bytes()
    holds = content.startswith(FIRST.encode()) and logs.last_lines(log, 1) == [LAST]
    return holds and largest <= logs.MAX_BYTES, f"{largest / 2**20:.1f} MB at most of 29"


def caches(root: Path) -> Tried:
    """Sparse files, because only their size matters."""
    kept = [
        _old(root / "cache" / f"{number:064x}" / "1.safetensors", 2**30, OLD_HOURS + number) for number in range(12)
    ]
    keep_newest((path.parent for path in kept), most=100, most_bytes=4 * 10**9)
    left = [path.exists() for path in kept]
    return left == [True] * 3 + [False] * 9, f"{size_of(root / 'cache') / 1e9:.1f} GB left of 12.9"


def storage(root: Path) -> Tried:
    data = Path(os.environ["MOTIONCLONE_DATA"])
    job = make_job(data / "jobs" / "20260101-101010-abcdef")
    write_state(JobState(state="done"), job)
    mine = [_old(job / "result.mp4", 900), _old(data / "models" / "mine.safetensors", 7000)]
    goes = [
        _old(data / "inversion" / ("a" * 64) / "1.safetensors", 5000),
        _old(data / "motion" / f"{'b' * 64}.safetensors", 300),
        _old(data / "motion" / f"{'b' * 64}.4711.part", 200),
        _old(data / "received" / ("c" * 64) / "job.json", 100),
        _old(job / f"checkpoint.safetensors.{'0' * 12}.part", 600),
    ]
    before, after = _stored(), _stored("--clean")
    promised, freed = sum(row["removable"] for row in before), after[0]["freed"]
    holds = all(path.exists() for path in mine) and not any(path.exists() for path in goes)
    return holds and promised == freed == 6200 and {row["name"] for row in before} >= {"jobs", "models"}, (
        f"{freed} bytes freed as promised, {len(mine)} files of the user's kept"
    )


def _stored(*more: str) -> list[dict]:
    command = [sys.executable, "-m", "backend", "storage", "--json", *more]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


def _old(path: Path, size: int, hours: float = OLD_HOURS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.truncate(path, size)
    then = time.time() - hours * 3600
    for each in (path, path.parent):
        os.utime(each, (then, then))
    return path


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


CASES = [
    Case(f"a job floods its log by three ways: {MAX_MB:.0f} MB, first and last words", flooded),
    Case("a job crashes after that: the host tells why", crashed),
    Case("a log of earlier runs is 48 MB: it is shortened", old_log),
    Case("the installer's log: 4 MB, first and last words", installer_log),
    Case("a cache beyond its bytes: the longest unused go", caches),
    Case("storage: sizes are told, clean frees them, nothing of the user's", storage),
]
