"""An ffmpeg that is missing, cannot start, fails or hangs: the user gets an error, and can cancel at any time."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from backend.clips import ffmpeg_process, read_clip, write_frames, write_video
from backend.clips.ffmpeg_process import CHOSEN, find_ffmpeg
from backend.errors import REPAIR, Cancelled, Interrupted
from backend.job.progress import Progress
from backend.job_folder.problem import Problem
from backend.job_folder.state import read_state
from backend.worker.dummy_job import DummyEngine
from backend.worker.one_job import run_to_end
from tests.workers import make_job

FRAMES = np.full((3, 64, 64, 3), 90, np.uint8)
SCRIPTS = pytest.mark.skipif(sys.platform == "win32", reason="Windows starts no scripts as programs")


@pytest.fixture
def video(tmp_path) -> Path:
    return write_video(tmp_path / "clip.mp4", FRAMES, 12)


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Uses a script as ffmpeg."""

    def make(text: str) -> Path:
        path = tmp_path / "ffmpeg ü"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        monkeypatch.setenv(CHOSEN, str(path))
        return path

    return make


def both(video: Path, check=ffmpeg_process.never_cancelled):
    """Reading and writing a video, each as a function."""
    return (
        lambda: read_clip(video, check=check),
        lambda: write_video(video.with_name("new.mp4"), FRAMES, 12, check=check),
    )


def test_a_missing_ffmpeg_says_so_and_how_to_get_it(video, monkeypatch, tmp_path):
    monkeypatch.setattr(ffmpeg_process.imageio_ffmpeg, "__file__", str(tmp_path / "nowhere" / "__init__.py"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(CHOSEN, raising=False)
    for use in both(video):
        with pytest.raises(Problem, match="ffmpeg, which reads and writes videos, is missing") as told:
            use()
        assert told.value.hint == REPAIR
    assert not video.with_name("new.mp4").exists() and [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_chosen_ffmpeg_that_is_not_there_names_the_variable(video, monkeypatch, tmp_path):
    monkeypatch.setenv(CHOSEN, str(tmp_path / "no ffmpeg"))
    for use in both(video):
        with pytest.raises(Problem, match=r"no ffmpeg\) cannot be started: No such file|cannot find the file") as told:
            use()
        assert CHOSEN in told.value.hint


def test_one_that_may_not_be_run_is_not_taken_for_the_clip(video, monkeypatch, tmp_path):
    (tmp_path / "ffmpeg").write_text("no program")
    monkeypatch.setenv(CHOSEN, str(tmp_path / "ffmpeg"))
    for use in both(video):
        with pytest.raises(Problem, match="cannot be started"):
            use()


def test_without_a_choice_the_one_that_came_with_the_backend_is_run(monkeypatch):
    monkeypatch.delenv(CHOSEN, raising=False)
    assert Path(find_ffmpeg()).is_file() and "imageio_ffmpeg" in find_ffmpeg()


@SCRIPTS
@pytest.mark.parametrize("hanging", ["exec sleep 600", "sleep 600", "trap '' TERM; sleep 600; sleep 600"])
def test_a_hanging_ffmpeg_can_be_cancelled(video, script, hanging):
    script(hanging)
    for stop in (Cancelled, Interrupted):
        asked = threading.Event()

        def check(asked=asked, stop=stop):
            if asked.is_set():
                raise stop

        for use in both(video, check):
            threading.Timer(0.3, asked.set).start()
            began = time.monotonic()
            with pytest.raises(stop):
                use()
            assert time.monotonic() - began < 5
            asked.clear()
    assert not list(video.parent.glob("*.part"))


@SCRIPTS
def test_so_can_one_that_hangs_over_a_folder_s_frames(tmp_path, script):
    """For formats that OpenCV does not read, each frame runs an ffmpeg of its own."""
    for number in range(2):
        (tmp_path / f"{number}.exr").write_bytes(b"v/1\1")
    script("sleep 600")
    asked = threading.Event()

    def check():
        if asked.is_set():
            raise Cancelled

    threading.Timer(0.3, asked.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        read_clip(tmp_path, check=check)
    assert time.monotonic() - began < 5


@SCRIPTS
def test_a_hanging_ffmpeg_is_given_up_and_named(video, script, monkeypatch):
    monkeypatch.setattr(ffmpeg_process, "SECONDS_SILENT", 0.5)
    path = script("sleep 600")
    for use in both(video):
        with pytest.raises(Problem, match="has not answered for") as told:
            use()
        assert str(path) in told.value.message and told.value.hint


@SCRIPTS
def test_one_that_works_for_long_is_not_taken_to_hang(video, script, monkeypatch):
    monkeypatch.setattr(ffmpeg_process, "SECONDS_SILENT", 2.0)
    script("for i in 1 2 3 4 5 6 7 8; do echo frame=$i >&2; sleep 0.5; done; exit 3")
    with pytest.raises(Problem, match="could not be encoded: ffmpeg ended with exit code 3"):
        both(video)[1]()


@SCRIPTS
def test_what_a_failing_ffmpeg_says_is_told(video, script):
    script("echo 'x264: no such luck' >&2; exit 3")
    with pytest.raises(Problem, match="could not be encoded: x264: no such luck"):
        both(video)[1]()
    script("exit 3")
    with pytest.raises(Problem, match="could not be encoded: ffmpeg ended with exit code 3"):
        both(video)[1]()
    script("echo 'av_interleaved_write_frame(): No space left on device' >&2; exit 1")
    with pytest.raises(Problem, match=r"The disk is full \(.*new.mp4\)"):
        both(video)[1]()


@SCRIPTS
def test_a_job_whose_ffmpeg_hangs_is_cancelled_and_its_folder_says_so(script, tmp_path):
    job = make_job(tmp_path / "job", steps=1)
    write_frames(job / "reference", FRAMES)
    script("sleep 600")
    progress = Progress(job, lambda state: state.stage == "writing" and threading.Timer(0.3, progress.cancel).start())
    with pytest.raises(Cancelled):
        run_to_end(job, progress, DummyEngine().run)
    assert read_state(job).state == "cancelled" and not list(job.glob("*.part*"))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_no_process_is_left_when_reading_is_given_up_half_way(video):
    from backend.clips import ffmpeg

    frames = ffmpeg.frames(video, (), 0, "null", (64, 64), False)
    next(frames)
    frames.close()
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    assert not [pid for pid in children if b"ffmpeg" in Path(f"/proc/{pid}/cmdline").read_bytes()]
