"""The worker as a process: its queue, its folders, and what it makes of everything that can go wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backend.wire import messages as say
from backend.wire.folder_lock import NAME as LOCK
from backend.wire.folder_lock import FolderLock, Occupied, is_locked, unfinished
from backend.wire.job_state import JobState, read_state, write_state
from tests.workers import COMMAND, ROOT, Talk, make_job


@pytest.fixture
def talk():
    with Talk() as talk:
        talk.until(say.Hello)
        yield talk


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def test_hello_comes_at_once_and_without_torch():
    code = (
        "import sys; from backend.dummy_job import DummyEngine; from backend.engine import Engine\n"
        "from backend.worker import serve; serve(Engine())\n"
        "assert not {'torch', 'numpy', 'diffusers'} & set(sys.modules)"
    )
    best = 60.0
    for _ in range(3):
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.DEVNULL, check=True, capture_output=True
        )
        best = min(best, time.monotonic() - began)
    assert best < 1


def test_jobs_run_in_order_and_one_that_fails_stops_nobody(talk, tmp_path):
    prompts = ["a", "fail", "b", "error", "c"]
    for i, prompt in enumerate(prompts):
        talk.client.submit(f"job-{i}", make_job(tmp_path / f"Auftrag {i} ü", prompt))
    ends = [talk.until((say.Done, say.Failed)) for _ in prompts]
    assert [end.job for end in ends] == [f"job-{i}" for i in range(5)]
    assert [type(end) for end in ends] == [say.Done, say.Failed, say.Done, say.Failed, say.Done]
    assert ends[1].message == "The dummy job failed, as its prompt asked." and ends[1].hint
    assert "ZeroDivisionError" in ends[3].message and str(tmp_path / "Auftrag 3 ü" / "log.txt") in ends[3].hint
    assert "Traceback" in (tmp_path / "Auftrag 3 ü" / "log.txt").read_text(encoding="utf-8")
    states = [read_state(tmp_path / f"Auftrag {i} ü") for i in range(5)]
    assert [state.state for state in states] == ["done", "failed", "done", "failed", "done"]
    assert states[1].message == ends[1].message
    assert not list(tmp_path.rglob(LOCK)) and not list(tmp_path.rglob("*.part"))
    assert result(tmp_path / "Auftrag 0 ü")["digest"] != result(tmp_path / "Auftrag 2 ü")["digest"]


def test_progress_names_stages_steps_and_the_time_that_is_left(talk, tmp_path):
    talk.client.submit("a", make_job(tmp_path / "a", steps=10, seconds=0.05))
    assert talk.until(say.Queued) == say.Queued("a", 0)
    halfway = talk.until(say.Progress, lambda m: 0 < m.step < 10)
    assert halfway.stage == "sampling" and halfway.steps == 10
    assert 0.04 * (10 - halfway.step) < halfway.eta < 3
    assert talk.until(say.Done).device == "dummy"


def test_a_waiting_job_is_moved_cancelled_or_removed(talk, tmp_path):
    for name in "abcde":
        talk.client.submit(name, make_job(tmp_path / name, steps=30 if name == "a" else 1))
    talk.until(say.Queued, job="e")
    talk.client.move("e", 0)
    assert [talk.until(say.Queued).job for _ in range(4)] == ["e", "b", "c", "d"]
    talk.client.cancel("c")
    talk.client.remove("d")
    talk.client.remove("a")
    talk.client.move("x", 1)
    assert talk.until(say.Cancelled).job == "c"
    assert talk.until(say.Removed).job == "d"
    assert "is running" in talk.until(say.Refused, job="a").message
    assert "No job x waits" in talk.until(say.Refused).message
    assert [talk.until(say.Done).job for _ in range(3)] == ["a", "e", "b"]
    assert read_state(tmp_path / "c").state == "cancelled"
    assert not (tmp_path / "d" / "state.json").exists() and not unfinished(tmp_path)


def test_a_running_job_is_cancelled_within_a_step(talk, tmp_path):
    talk.client.submit("a", make_job(tmp_path / "a", steps=1000, seconds=0.1))
    talk.client.submit("b", make_job(tmp_path / "b"))
    talk.until(say.Progress, lambda m: m.step > 0)
    began = time.monotonic()
    talk.client.cancel("a")
    talk.until(say.Progress, lambda m: m.stage == "cancelling")
    talk.until(say.Cancelled, job="a")
    assert time.monotonic() - began < 0.1 + 0.5
    assert talk.until(say.Done).job == "b"
    assert read_state(tmp_path / "a").state == "cancelled" and not (tmp_path / "a" / "result.json").exists()


def test_what_a_job_prints_goes_to_its_log_and_never_into_the_protocol(talk, tmp_path):
    talk.client.submit("a", make_job(tmp_path / "a", "print"))
    talk.client.submit("b", make_job(tmp_path / "b"))
    talk.until(say.Done, job="b")
    log = (tmp_path / "a" / "log.txt").read_text(encoding="utf-8")
    assert "printed to stdout\n" in log and "printed to stderr\n" in log
    assert (tmp_path / "b" / "log.txt").read_text(encoding="utf-8") == ""
    tail = talk.client.stderr_tail
    assert "printed to stdout" in tail and "printed to stderr" in tail and "written to descriptor 1" in tail


def test_the_model_goes_on_request_and_after_an_idle_time(tmp_path):
    with Talk([*COMMAND, "--idle", "0.3"]) as talk:

        def loaded() -> str | None:
            talk.client.ping()
            return talk.until(say.Pong).loaded

        talk.client.submit("a", make_job(tmp_path / "a"))
        talk.until(say.Done)
        assert loaded() == "demo"
        talk.client.unload()
        while loaded():
            time.sleep(0.01)
        talk.client.submit("b", make_job(tmp_path / "b"))
        talk.until(say.Done)
        assert loaded() == "demo"
        deadline = time.monotonic() + 30
        while loaded():
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_host_that_goes_gets_its_running_job_done_and_the_others_offered(talk, tmp_path):
    talk.client.submit("a", make_job(tmp_path / "a", steps=20, seconds=0.02))
    talk.client.submit("b", make_job(tmp_path / "b"))
    talk.until(say.Progress, lambda m: m.step > 0)
    assert not unfinished(tmp_path)
    talk.client.leave()
    talk.until(say.Done, job="a")
    wait_for(lambda: not talk.client.alive)
    assert read_state(tmp_path / "a").state == "done"
    assert unfinished(tmp_path) == [tmp_path / "b"]


@pytest.mark.parametrize(
    "ask", ["shutdown", pytest.param("SIGTERM", marks=pytest.mark.skipif(os.name == "nt", reason="no such signal"))]
)
def test_a_worker_that_is_closed_leaves_its_jobs_queued(talk, tmp_path, ask):
    talk.client.submit("a", make_job(tmp_path / "a", steps=1000))
    talk.client.submit("b", make_job(tmp_path / "b"))
    talk.until(say.Progress, lambda m: m.step > 0)
    if ask == "shutdown":
        talk.client.close()
    else:
        os.kill(talk.client.pid, signal.SIGTERM)
    wait_for(lambda: not talk.client.alive)
    assert read_state(tmp_path / "a").state == "queued"
    assert unfinished(tmp_path) == [tmp_path / "a", tmp_path / "b"]


def test_two_workers_on_one_folder(talk, tmp_path):
    folder = make_job(tmp_path / "a", steps=1000)
    talk.client.submit("a", folder)
    talk.until(say.Progress)
    with Talk() as second:
        second.client.submit("mine", folder)
        refused = second.until(say.Refused, job="mine")
        assert f"in use by another worker (process {talk.client.pid} on " in refused.message
        assert not second.client.jobs
    by_hand = subprocess.run([sys.executable, "-m", "backend", "run", str(folder)], cwd=ROOT, capture_output=True)
    assert by_hand.returncode == 1 and b"in use by another worker" in by_hand.stderr
    assert read_state(folder).state == "running"


def test_a_folder_that_goes_away_while_its_job_runs(talk, tmp_path):
    talk.client.submit("a", make_job(tmp_path / "a", steps=1000))
    talk.client.submit("b", make_job(tmp_path / "b"))
    talk.until(say.Progress, lambda m: m.step > 0)
    shutil.rmtree(tmp_path / "a")
    failed = talk.until(say.Failed)
    assert failed.job == "a" and "cannot be written" in failed.message
    assert talk.until(say.Done).job == "b"
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda folder: folder / "nowhere", "no job folder"),
        (lambda folder: folder, "no job.json"),
        (lambda folder: make_job(folder / "job") / "job.json", "no job folder"),
    ],
)
def test_folders_that_are_none(talk, tmp_path, make, words):
    talk.client.submit("a", make(tmp_path))
    assert words in talk.until(say.Refused, job="a").message


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows that users lack")
@pytest.mark.parametrize("name", ["state.json", "state.json.part", "log.txt", LOCK, "result", "result.json.part"])
def test_nothing_is_written_through_a_link_out_of_the_folder(talk, tmp_path, name):
    (tmp_path / "outside").mkdir()
    folder = make_job(tmp_path / "a")
    (folder / name).symlink_to(tmp_path / "outside" / "file")
    talk.client.submit("a", folder)
    assert "is a link" in talk.until(say.Refused, job="a").message
    assert not list((tmp_path / "outside").iterdir()) and sorted(os.listdir(folder)) == sorted(["job.json", name])


MOUNTS = pytest.mark.skipif(
    not shutil.which("unshare"), reason="needs a system with user namespaces for its own mounts"
)


def in_namespace(commands: str) -> list[str]:
    return ["unshare", "-rm", "sh", "-c", f"{commands} && exec {' '.join(COMMAND)}"]


@MOUNTS
def test_a_read_only_folder(tmp_path):
    locked, free = make_job(tmp_path / "a"), make_job(tmp_path / "b")
    with Talk(in_namespace(f"mount --bind {locked} {locked} && mount -o remount,bind,ro {locked}")) as talk:
        talk.client.submit("a", locked)
        talk.client.submit("b", free)
        assert "cannot be written (Read-only file system)" in talk.until(say.Refused, job="a").message
        talk.until(say.Done, job="b")


@MOUNTS
@pytest.mark.parametrize("room", [0, 4_000])
def test_a_full_disk(tmp_path, room):
    request, free = make_job(tmp_path / "a") / "job.json", make_job(tmp_path / "b")
    disk = tmp_path / "disk"
    disk.mkdir()
    fill = f"head -c {200_000 - 4096 - room} /dev/zero > {disk}/filler"
    full = f"mount -t tmpfs -o size=200k none {disk} && cp {request} {disk} && {{ {fill} || true; }}"
    with Talk(in_namespace(full)) as talk:
        talk.client.submit("a", disk)
        talk.client.submit("b", free)
        assert "The disk is full" in talk.until((say.Refused, say.Failed), job="a").message
        talk.until(say.Done, job="b")


def test_unfinished_jobs_are_those_that_nobody_holds(tmp_path):
    for state in ("queued", "running", "done", "failed", "cancelled"):
        write_state(JobState(state=state), make_job(tmp_path / state))
    make_job(tmp_path / "never-submitted")
    assert unfinished(tmp_path) == [tmp_path / "queued", tmp_path / "running"]
    lock = FolderLock(tmp_path / "running")
    assert is_locked(tmp_path / "running") and unfinished(tmp_path) == [tmp_path / "queued"]
    with pytest.raises(Occupied, match=f"process {os.getpid()} on "):
        FolderLock(tmp_path / "running")
    lock.release()
    (tmp_path / "running" / LOCK).write_text("left by a worker that died")
    assert unfinished(tmp_path) == [tmp_path / "queued", tmp_path / "running"]
    FolderLock(tmp_path / "running").release()
    assert unfinished(tmp_path / "no such folder") == []


def wait_for(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
