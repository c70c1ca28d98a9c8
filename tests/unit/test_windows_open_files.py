"""Files and folders that another program has open, as Windows refuses them; elsewhere nobody is refused."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from backend.clips import write_video
from backend.job.checkpoint import NAME, Checkpoint
from backend.job_folder import writing
from backend.job_folder.results import movie_of
from backend.job_folder.state import read_state
from backend.job_folder.writing import write_atomically
from backend.wire import messages
from install.clearing import clear
from install.failures import InstallError, explained
from install.files import write_whole
from tests.extension import part
from tests.systems import WINDOWS
from tests.workers import RecordingClient, make_job

pytestmark = pytest.mark.skipif(not WINDOWS, reason="only Windows refuses to replace what is open")
files, backend_call, Problem = (
    part("jobs.job_files"),
    part("setup.backend_call"),
    part("backend.job_folder.problem").Problem,
)
JOB = "20261127-101010-abcdef"


@contextmanager
def open_for(path: Path, seconds: float) -> Iterator[None]:
    """As by a program that lets go of it after that time."""
    file = path.open("rb")
    timer = threading.Timer(seconds, file.close)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        file.close()


@pytest.mark.parametrize("write", [write_atomically, write_whole], ids=["worker", "installer"])
def test_a_file_that_is_open_for_a_moment_is_replaced_all_the_same(tmp_path, write):
    path = tmp_path / "state.json"
    path.write_text("old")
    with open_for(path, 1.0):
        began = time.monotonic()
        write(path, "new")
        assert time.monotonic() - began > 0.5, "Windows refused it"
    assert path.read_text() == "new" and [p.name for p in tmp_path.iterdir()] == ["state.json"]


def test_a_clip_that_stays_open_costs_no_take(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "SECONDS_TO_RETRY", 0.5)
    path, said = tmp_path / "result.mp4", []
    path.write_bytes(b"watched")
    with open_for(path, 60):
        made = write_video(path, np.zeros((3, 16, 16, 3), np.uint8), 8, said.append)
    assert made.name == "result-2.mp4" and movie_of(tmp_path) == made and path.read_bytes() == b"watched"
    assert len(said) == 1 and "another program has it open" in said[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["result-2.mp4", "result.mp4"]


def test_a_take_whose_clip_is_open_is_not_deleted_and_nothing_of_it_is_lost(tmp_path):
    folder = make_job(tmp_path / JOB)
    for name in ("result.mp4", "result.json"):
        (folder / name).write_text(name)
    before = sorted(p.name for p in folder.iterdir())
    with open_for(folder / "result.mp4", 60), pytest.raises(Problem, match=r"cannot be deleted .*"):
        files.delete_job(folder)
    assert sorted(p.name for p in folder.iterdir()) == before and [p.name for p in tmp_path.iterdir()] == [JOB]
    files.delete_job(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_is_read_again_and_again_holds_up_no_job(tmp_path):
    """The add-on and whoever watches a folder may read at any moment."""
    folder, read, ended = make_job(tmp_path / JOB, steps=20, seconds=0.02), 0, threading.Event()

    def watch() -> None:
        nonlocal read
        while not ended.is_set():
            read += read_state(folder).state == "running"

    watcher = threading.Thread(target=watch)
    with RecordingClient() as recorder:
        recorder.client.submit("a", folder)
        watcher.start()
        assert isinstance(recorder.until((messages.Done, messages.Failed)), messages.Done)
    ended.set()
    watcher.join()
    assert read and read_state(folder).state == "done"


def test_an_installation_waits_for_what_is_open_and_says_so_in_the_end(tmp_path, monkeypatch):
    folder = tmp_path / "venv"
    folder.mkdir()
    (folder / "used.dll").touch()
    with open_for(folder / "used.dll", 1.0):
        clear(folder)
    assert not folder.exists()
    folder.mkdir()
    (folder / "used.dll").touch()
    monkeypatch.setattr("install.clearing.SECONDS_TO_CLEAR", 1.0)
    with open_for(folder / "used.dll", 60), pytest.raises(InstallError, match="cannot be removed") as told:
        clear(folder)
    assert "Stop the worker" in told.value.hint


def test_what_the_installer_cannot_replace_is_said_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("install.files.SECONDS_TO_RETRY", 0.5)
    path = tmp_path / "files.json"
    path.touch()
    with open_for(path, 60), pytest.raises(OSError) as refused:  # noqa: PT011
        write_whole(path, "new")
    told = explained(refused.value)
    assert str(path) in told.message and "close other programs" in told.hint


def test_a_saved_step_that_is_open_at_the_end_costs_no_take(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "SECONDS_TO_RETRY", 0.5)
    (tmp_path / NAME).write_bytes(b"being looked at")
    with open_for(tmp_path / NAME, 60):
        Checkpoint(tmp_path, print).remove()
    with open_for(tmp_path / NAME, 0.2):
        Checkpoint(tmp_path, print).remove()
    assert list(tmp_path.iterdir()) == []


def test_the_extension_s_folder_can_be_replaced_while_what_it_started_runs(tmp_path):
    """Blender does so when the extension is updated or removed."""
    root = tmp_path / "motionclone"
    root.mkdir()
    (root / "some_module.py").write_text("import time\nprint('runs', flush=True)\ntime.sleep(600)")
    process = backend_call.start_process(
        [sys.executable, "-m", "some_module"], subprocess.PIPE, subprocess.STDOUT, root, text=True
    )
    try:
        assert process.stdout.readline().strip() == "runs"
        root.rename(tmp_path / "motionclone~")
        clear(tmp_path / "motionclone~")
        assert process.poll() is None and not list(tmp_path.iterdir())
    finally:
        process.kill()
        process.wait()
