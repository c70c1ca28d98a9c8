"""The worker and its job folders: shared, missing, read-only, full, or with links that lead elsewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from backend.job_folder import lock as folder_lock
from backend.job_folder.lock import NAME as LOCK
from backend.job_folder.lock import FolderLock, Occupied, is_locked, unfinished
from backend.job_folder.state import JobState, read_state, write_state
from backend.wire import messages
from tests.systems import WINDOWS
from tests.workers import COMMAND, ROOT, RecordingClient, make_job


@pytest.fixture
def recorder():
    with RecordingClient() as recorder:
        recorder.until(messages.Hello)
        yield recorder


def test_two_workers_on_one_folder(recorder, tmp_path):
    folder = make_job(tmp_path / "a", steps=1000)
    recorder.client.submit("a", folder)
    recorder.until(messages.Progress)
    with RecordingClient() as second:
        second.client.submit("mine", folder)
        refused = second.until(messages.Refused, job="mine")
        process = (
            r"\d+" if WINDOWS else str(recorder.client.pid)
        )  # on Windows the environment's python.exe starts another process
        assert re.search(rf"in use by another worker \(process {process} on ", refused.message)
        assert not second.client.jobs
    by_hand = subprocess.run([sys.executable, "-m", "backend", "run", str(folder)], cwd=ROOT, capture_output=True)
    assert by_hand.returncode == 1 and b"in use by another worker" in by_hand.stderr
    assert read_state(folder).state == "running"


@pytest.mark.skipif(WINDOWS, reason="Windows deletes no file that is open, such as the job's log")
def test_a_folder_that_goes_away_while_its_job_runs(recorder, tmp_path):
    recorder.client.submit("a", make_job(tmp_path / "a", steps=1000))
    recorder.client.submit("b", make_job(tmp_path / "b"))
    recorder.until(messages.Progress, lambda m: m.step > 0)
    shutil.rmtree(tmp_path / "a")
    failed = recorder.until(messages.Failed)
    assert failed.job == "a" and "cannot be written" in failed.message
    assert recorder.until(messages.Done).job == "b"
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda folder: folder / "nowhere", "no job folder"),
        (lambda folder: folder, "no job.json"),
        (lambda folder: make_job(folder / "job") / "job.json", "no job folder"),
    ],
)
def test_folders_that_are_none(recorder, tmp_path, make, words):
    recorder.client.submit("a", make(tmp_path))
    assert words in recorder.until(messages.Refused, job="a").message


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows that users lack")
@pytest.mark.parametrize(
    "name",
    [
        *("state.json", "state.json.part", "log.txt", LOCK, "result", "result.json.part", "preview"),
        *("result/0000.png.part", "preview/strip.png.part", "checkpoint.safetensors.part"),
    ],
)
def test_nothing_is_written_through_a_link_out_of_the_folder(recorder, tmp_path, name):
    (tmp_path / "outside").mkdir()
    folder = make_job(tmp_path / "a")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to(tmp_path / "outside" / "file")
    recorder.client.submit("a", folder)
    assert "is a link" in recorder.until(messages.Refused, job="a").message
    assert not list((tmp_path / "outside").iterdir())
    assert sorted(os.listdir(folder)) == sorted(["job.json", name.partition("/")[0]])


MOUNTS = pytest.mark.skipif(
    not shutil.which("unshare"), reason="needs a system with user namespaces for its own mounts"
)


def in_namespace(commands: str) -> list[str]:
    return ["unshare", "-rm", "sh", "-c", f"{commands} && exec {' '.join(COMMAND)}"]


@MOUNTS
def test_a_read_only_folder(tmp_path):
    locked, free = make_job(tmp_path / "a"), make_job(tmp_path / "b")
    with RecordingClient(
        in_namespace(f"mount --bind {locked} {locked} && mount -o remount,bind,ro {locked}")
    ) as recorder:
        recorder.client.submit("a", locked)
        recorder.client.submit("b", free)
        assert "cannot be written (Read-only file system)" in recorder.until(messages.Refused, job="a").message
        recorder.until(messages.Done, job="b")


@MOUNTS
@pytest.mark.parametrize("room", [0, 20_000])
def test_a_full_disk(tmp_path, room):
    """The disk is full before the job starts, or when it writes its result, which contains the long prompt."""
    request, free = make_job(tmp_path / "a", "x" * 40_000) / "job.json", make_job(tmp_path / "b")
    disk = tmp_path / "disk"
    disk.mkdir()
    fill = f"{{ head -c 300000 /dev/zero > {disk}/filler; truncate -s -{room} {disk}/filler; }}"
    with RecordingClient(
        in_namespace(f"mount -t tmpfs -o size=200k none {disk} && cp {request} {disk} && {fill}")
    ) as recorder:
        recorder.client.submit("a", disk)
        recorder.client.submit("b", free)
        refused = recorder.until((messages.Refused, messages.Failed), job="a")
        assert "The disk is full" in refused.message and isinstance(refused, messages.Failed) == bool(room)
        recorder.until(messages.Done, job="b")


@MOUNTS
@pytest.mark.parametrize("prompt, state", [("full", "failed"), ("cancel", "cancelled"), ("done", "done")])
def test_a_disk_that_fills_up_while_a_job_runs_never_leaves_it_running(tmp_path, prompt, state):
    """Not one byte is free when the job ends, in every way it can end; its folder says how and why."""
    disk, job = tmp_path / "disk", make_job(tmp_path / "a", steps=3)
    disk.mkdir()
    code = (
        "import sys, os, traceback; from pathlib import Path\n"
        "from backend.worker.one_job import run_to_end; from backend.job.progress import Progress\n"
        f"folder, prompt = Path({str(disk)!r}), {prompt!r}\n"
        "def function(folder, progress):\n"
        "    progress.stage('sampling', 3)\n"
        "    with open(folder / 'filler', 'wb', 0) as file:\n"
        "        try:\n"
        "            while True: file.write(bytes(512))\n"
        "        except OSError: pass\n"
        "    if prompt == 'full': (folder / 'result.json').write_text('x' * 9000)\n"
        "    if prompt == 'cancel': progress.cancel(); progress.check()\n"
        "    return {}\n"
        "try: run_to_end(folder, Progress(folder), function)\n"
        "except Exception: pass\n"
        "print((folder / 'state.json').read_text())"
    )
    shell = f'mount -t tmpfs -o size=200k none {disk} && cp {job}/job.json {disk} && exec {sys.executable} -c "$CODE"'
    env = os.environ | {"CODE": code}
    done = subprocess.run(["unshare", "-rm", "sh", "-c", shell], cwd=ROOT, env=env, capture_output=True, check=True)
    told = json.loads(done.stdout)
    assert told["state"] == state
    assert ("The disk is full" in told.get("message", "")) == (state == "failed")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no file that is open")
def test_whoever_deletes_the_lock_file_lets_no_second_worker_in(tmp_path):
    lock = FolderLock(tmp_path)
    (tmp_path / LOCK).unlink()
    assert is_locked(tmp_path)
    with pytest.raises(Occupied):
        FolderLock(tmp_path)
    (tmp_path / LOCK).write_text("planted")
    assert is_locked(tmp_path)
    with pytest.raises(Occupied):
        FolderLock(tmp_path)
    lock.release()
    assert not is_locked(tmp_path) and (tmp_path / LOCK).read_text() == "planted"  # another owner's file is left alone
    FolderLock(tmp_path).release()
    assert not (tmp_path / LOCK).exists()


def test_where_folders_cannot_be_locked_the_file_is_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "_lock_folder", lambda folder: None)
    lock = FolderLock(tmp_path)
    assert is_locked(tmp_path)
    with pytest.raises(Occupied):
        FolderLock(tmp_path)
    lock.release()
    assert not is_locked(tmp_path) and not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no file that is open")
def test_two_workers_with_the_lock_file_deleted(recorder, tmp_path):
    folder = make_job(tmp_path / "a", steps=1000)
    recorder.client.submit("a", folder)
    recorder.until(messages.Progress)
    (folder / LOCK).unlink()
    with RecordingClient() as second:
        second.client.submit("mine", folder)
        assert "in use by another worker" in second.until(messages.Refused, job="mine").message


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
