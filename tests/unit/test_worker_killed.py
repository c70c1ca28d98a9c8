"""SIGKILL at any moment, of the worker or of its host: no job is lost, and no result differs."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backend.dummy_job import DummyEngine
from backend.progress import Progress
from backend.wire import messages as say
from backend.wire.client import Lost
from backend.wire.folder_lock import unfinished
from backend.wire.job_state import DONE, FAILED, RUNNING, read_state
from tests.workers import ROOT, Talk, make_job

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL to send")

JOBS, HOSTS = 50, 5
FORM = {"steps": 12, "seconds": 0.005}


def undisturbed(folder: Path, seed: int) -> bytes:
    make_job(folder, seed=seed, **FORM)
    DummyEngine().run(folder, Progress(folder, lambda state: None))
    return (folder / "result.json").read_bytes()


def check(folder: Path, expected: bytes) -> None:
    """What claims to be a result is one, and whole."""
    if read_state(folder).state == DONE or (folder / "result.json").exists():
        assert (folder / "result.json").read_bytes() == expected


def test_fifty_jobs_whose_worker_is_killed_once_in_each(tmp_path):
    chance = random.Random(50)
    jobs = {f"job-{i:02}": make_job(tmp_path / "jobs" / f"job-{i:02}", seed=i, **FORM) for i in range(JOBS)}
    expected = {name: undisturbed(tmp_path / "undisturbed" / name, i) for i, name in enumerate(jobs)}
    killed: set[str] = set()
    offered = list(jobs.values())
    while offered:
        with Talk() as talk:
            for folder in offered:
                talk.client.submit(folder.name, folder)
            kill_at_random(talk, killed, chance)
        for name, folder in jobs.items():
            check(folder, expected[name])
            assert read_state(folder).state != FAILED
        offered = unfinished(tmp_path / "jobs")
    assert killed == set(jobs)
    for name, folder in jobs.items():
        assert read_state(folder).state == DONE and (folder / "result.json").read_bytes() == expected[name]


def kill_at_random(talk: Talk, killed: set[str], chance: random.Random) -> None:
    """Waits for the next job that was not killed yet, and kills the worker at a moment of it; or for all to be done."""
    while talk.client.jobs:
        message = talk.until((say.Progress, say.Done, say.Failed, say.Refused))
        assert not isinstance(message, say.Failed | say.Refused), message
        if message.job not in killed and isinstance(message, say.Progress):
            killed.add(message.job)
            time.sleep(chance.uniform(0, 0.09))  # a job takes 0.06 s and more
            os.kill(talk.client.pid, signal.SIGKILL)
            lost = talk.until(Lost)
            assert "killed the worker" in lost.message
            return


HOST = """
import sys, time
from pathlib import Path
from tests.workers import Talk
from backend.wire import messages as say
with Talk() as talk:
    print(talk.client.pid, flush=True)
    for folder in map(Path, sys.argv[1:]):
        talk.client.submit(folder.name, folder)
    talk.until(say.Done, job="no such job")
"""


@pytest.mark.parametrize("seed", range(HOSTS))
def test_a_killed_host_loses_no_job_and_leaves_no_process(tmp_path, seed):
    folders = [make_job(tmp_path / "jobs" / name, steps=20, seconds=0.02) for name in "abc"]
    host = subprocess.Popen([sys.executable, "-c", HOST, *map(str, folders)], cwd=ROOT, stdout=subprocess.PIPE)
    assert host.stdout is not None
    worker = int(host.stdout.readline())
    until(lambda: read_state(folders[0]).state in (RUNNING, DONE))
    time.sleep(random.Random(seed).uniform(0, 0.6))
    host.kill()
    host.wait()
    host.stdout.close()
    until(lambda: not alive(worker))
    states = [read_state(folder).state for folder in folders]
    done = states.count(DONE)
    assert done and states == ["done"] * done + ["queued"] * (3 - done)
    assert unfinished(tmp_path / "jobs") == folders[done:]
    assert all((folder / "result.json").is_file() for folder in folders[:done])


def alive(pid: int) -> bool:
    """Not so for one that is dead and waits for its parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc/self").exists()


def until(condition, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
