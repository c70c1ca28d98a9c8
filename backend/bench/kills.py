"""Kills the worker or its host with SIGKILL at random times, and checks whether a job is lost or a result differs."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..job_folder.lock import is_locked, unfinished
from ..job_folder.state import DONE, read_state
from ..wire import messages
from ..wire.client import Lost
from .recording_client import DUMMY, ROOT, RecordingClient, make_job

JobMaker = Callable[[Path, int], Path]
SLOW = 900.0  # seconds for a demo job on a busy machine
PICTURES, CHECKPOINT, UNDISTURBED = "result/*.png", "checkpoint.safetensors", "undisturbed"
DUMMY_FORM = {"steps": 12, "seconds": 0.005}
HOST_FORM = {"steps": 20, "seconds": 0.02}
HOST_JOBS = 3


@dataclass(frozen=True)
class Kills:
    """The results.

    done: jobs that ended done; same: with the result of an undisturbed run; half: incomplete results seen after a kill;
    seconds_left: the longest time that a worker outlived its job; begun: jobs that had a checkpoint when they were
    killed.
    """

    jobs: int
    kills: int
    done: int
    same: int
    half: int
    seconds_left: float = 0.0
    begun: int = 0

    @property
    def passed(self) -> bool:
        return self.jobs == self.done == self.same and not self.half and self.kills > 0


def dummy_job(folder: Path, number: int) -> Path:
    return make_job(folder, seed=number, **DUMMY_FORM)


def kill_workers(root: Path, make: JobMaker, jobs: int, command: Sequence[str] = DUMMY, seed: int = 0) -> Kills:
    """Kills the worker once in every job, at a random time, and starts it again."""
    expected, seconds = undisturbed(root / UNDISTURBED, make, jobs, command)
    folders = {f"job-{i:02}": make(root / "jobs" / f"job-{i:02}", i) for i in range(jobs)}
    chance, killed, half, begun = random.Random(seed), set[str](), 0, set[str]()
    offered = list(folders.values())
    while offered:
        with RecordingClient(command) as recorder:
            for folder in offered:
                recorder.client.submit(folder.name, folder)
            _kill_in_next(recorder, killed, chance, seconds)
        half += sum(not is_whole(folder, expected[name]) for name, folder in folders.items())
        begun |= {name for name, folder in folders.items() if (folder / CHECKPOINT).exists()}
        # The host submits every unfinished job again, also those that the killed worker had not received.
        offered = [folder for folder in folders.values() if not read_state(folder).finished]
    done = sum(read_state(folder).state == DONE for folder in folders.values())
    same = sum(result_of(folder) == expected[name] for name, folder in folders.items())
    return Kills(jobs, len(killed), done, same, half, begun=len(begun))


def undisturbed(root: Path, make: JobMaker, jobs: int, command: Sequence[str]) -> tuple[dict[str, bytes], float]:
    """The results of the same jobs in a worker that is not killed, and the seconds of the shortest job."""
    results, shortest = {}, SLOW
    with RecordingClient(command) as recorder:
        for i in range(jobs):
            name = f"job-{i:02}"
            folder = make(root / name, i)
            recorder.client.submit(name, folder)
            recorder.until(messages.Progress, job=name)
            began = time.monotonic()
            recorder.until(messages.Done, job=name, patience=SLOW)
            shortest = min(shortest, time.monotonic() - began)
            results[name] = result_of(folder)
    return results, shortest


def result_of(folder: Path) -> bytes:
    """The bytes of the pictures, or of a dummy job's result; empty if there is none."""
    pictures = sorted(folder.glob(PICTURES))
    if pictures:
        return b"".join(path.read_bytes() for path in pictures)
    result = folder / "result.json"
    return result.read_bytes() if result.exists() else b""


def _kill_in_next(recorder: RecordingClient, killed: set[str], chance: random.Random, seconds: float) -> None:
    """Kills the worker in the next job that was not killed yet. Returns afterwards, or when all jobs are done."""
    ends = (messages.Progress, messages.Done, messages.Failed, messages.Refused)
    while recorder.client.jobs:
        message = recorder.until(ends, patience=SLOW)
        if isinstance(message, messages.Failed | messages.Refused):
            raise AssertionError(message)
        if message.job not in killed and isinstance(message, messages.Progress):
            killed.add(message.job)
            time.sleep(chance.uniform(0, 1.1 * seconds))  # sometimes the job is done already
            os.kill(recorder.client.pid, signal.SIGKILL)
            recorder.until(Lost)
            return


def is_whole(folder: Path, expected: bytes) -> bool:
    """Whether a folder that claims to be done has the expected result."""
    return read_state(folder).state != DONE or result_of(folder) == expected


HOST = """
import sys
from pathlib import Path
from backend.bench.recording_client import RecordingClient
from backend.wire import messages
with RecordingClient() as recorder:
    print(recorder.client.pid, flush=True)
    for folder in map(Path, sys.argv[1:]):
        recorder.client.submit(folder.name, folder)
    recorder.until(messages.Done, job="no such job")
"""


def kill_hosts(root: Path, hosts: int, seed: int = 0) -> Kills:
    """Kills hosts that have submitted three jobs each. The worker finishes the running one and exits; another runs the
    rest."""
    chance, totals, seconds_left = random.Random(seed), [0, 0, 0], 0.0
    expected = result_of_host_job(root / UNDISTURBED)
    for i in range(hosts):
        folders = [make_job(root / f"{i:02}" / name, **HOST_FORM) for name in "abc"]
        seconds_left = max(seconds_left, _kill_host(folders, chance))
        left = unfinished(root / f"{i:02}")
        totals[2] += sum(not is_whole(folder, expected) for folder in folders)
        with RecordingClient() as recorder:
            for folder in left:
                recorder.client.submit(folder.name, folder)
            for _ in left:
                recorder.until(messages.Done)
        totals[0] += sum(read_state(folder).state == DONE for folder in folders)
        totals[1] += sum(result_of(folder) == expected for folder in folders)
    return Kills(HOST_JOBS * hosts, hosts, *totals, seconds_left)


def result_of_host_job(folder: Path) -> bytes:
    with RecordingClient() as recorder:
        recorder.client.submit("a", make_job(folder, **HOST_FORM))
        recorder.until(messages.Done)
    return result_of(folder)


def _kill_host(folders: list[Path], chance: random.Random) -> float:
    """Kills a host. Returns how many seconds its worker outlived the running job."""
    host = subprocess.Popen([sys.executable, "-c", HOST, *map(str, folders)], cwd=ROOT, stdout=subprocess.PIPE)
    assert host.stdout is not None
    worker = int(host.stdout.readline())
    _wait_for(lambda: read_state(folders[0]).state != "queued")
    time.sleep(chance.uniform(0, 1.2 * HOST_FORM["steps"] * HOST_FORM["seconds"]))
    host.kill()
    host.wait()
    host.stdout.close()
    _wait_for(lambda: not any(is_locked(folder) and read_state(folder).state == "running" for folder in folders))
    began = time.monotonic()
    _wait_for(lambda: not alive(worker))
    return time.monotonic() - began


def alive(pid: int) -> bool:
    """Whether the process runs. A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc/self").exists()


def _wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} seconds")
        time.sleep(0.01)
