"""state.json as a reader finds it, and how a panel shows it."""

from __future__ import annotations

import errno
import json
import os
import time

import pytest

from backend.job_folder import state as job_state
from backend.job_folder import writing
from backend.job_folder.state import JobState, read_state, write_state


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "null"])
def test_a_state_that_cannot_be_read_is_one_not_yet_written(tmp_path, content):
    (tmp_path / "state.json").write_text(content)
    assert read_state(tmp_path) == JobState()


def test_a_state_of_a_newer_backend_is_read_as_far_as_it_is_known(tmp_path):
    (tmp_path / "state.json").write_text(json.dumps({"state": "running", "stage": "décodage", "step": 1, "news": 1}))
    assert read_state(tmp_path) == JobState(state="running", stage="décodage", step=1)
    assert read_state(tmp_path).text == "décodage"


@pytest.mark.parametrize(
    "content",
    [
        '{"state": "done", "message": ["x"]}',
        '{"state": "finished"}',
        '{"step": "3"}',
        '{"steps": true}',
        '{"eta": 1e999}',
        '{"eta": -1}',
        '{"state": "done", "state": "failed"}',
        "[" * 100_000,
        '{"state": "done", "message": "' + "x" * 2_000_000 + '"}',
    ],
)
def test_a_state_that_no_backend_wrote_fails_its_job_and_nothing_else(tmp_path, content):
    (tmp_path / "state.json").write_text(content)
    state = read_state(tmp_path)
    assert state.state == "failed" and "state.json is damaged" in state.message or "is larger" in state.message
    assert state.hint and state.text == "failed"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("target", ["pipe", "/dev/zero", "sparse", "folder"])
def test_a_state_that_is_no_file_does_not_make_its_reader_wait(tmp_path, target):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 2 << 30)
    (tmp_path / "state.json").symlink_to(target)
    began = time.monotonic()
    assert read_state(tmp_path).state == "failed" and time.monotonic() - began < 1


def test_words_of_a_state_cannot_steer_a_terminal_or_turn_the_line(tmp_path):
    (tmp_path / "state.json").write_text(json.dumps({"state": "failed", "message": "\x1b[2J\x1b]0;x\x07a\u202eb\x00"}))
    assert read_state(tmp_path).message == "ab"


def test_progress_never_exceeds_its_bar():
    assert JobState(step=5, steps=4).progress == 1.0 and JobState(step=5).progress == 0.0


@pytest.fixture
def full_disk(monkeypatch):
    """Makes the disk full: no new file can be written."""

    def fill() -> None:
        def refuse(path, *_):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

        monkeypatch.setattr(job_state, "write_json", refuse)

    return fill


FAILED = JobState(state="failed", message="The disk is full.", hint="Free space ü.")


def test_on_a_full_disk_the_last_word_takes_the_room_of_the_one_before(tmp_path, full_disk):
    write_state(JobState(state="running", stage="sampling", step=3, steps=100, eta=123.4), tmp_path)
    full_disk()
    write_state(FAILED, tmp_path)
    assert read_state(tmp_path) == FAILED
    write_state(JobState(state="cancelled"), tmp_path)  # shorter than the previous content
    assert read_state(tmp_path) == JobState(state="cancelled")
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_long_message_is_cut_rather_than_lost(tmp_path, full_disk, monkeypatch):
    monkeypatch.setattr(writing.os, "fstat", without_blocks(writing.os.fstat))  # as on Windows: only the size is known
    write_state(JobState(state="running", stage="sampling", step=3, steps=100), tmp_path)
    full_disk()
    write_state(JobState(state="failed", message="The disk is full " + "x" * 5000, hint="y" * 5000), tmp_path)
    state = read_state(tmp_path)
    assert state.state == "failed" and state.message.startswith("The disk is full")


def without_blocks(fstat):
    class Stat:
        def __init__(self, descriptor):
            found = fstat(descriptor)
            self.st_size, self.st_mode, self.st_nlink = found.st_size, found.st_mode, found.st_nlink

    return Stat


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("kind", ["link", "second name", "pipe", "nothing"])
def test_nothing_but_the_job_s_own_file_is_written_over(tmp_path, full_disk, kind):
    job, own = tmp_path / "job", tmp_path / "a file of the user's"
    job.mkdir()
    own.write_text("precious" * 100)
    make = {
        "link": lambda: (job / "state.json").symlink_to(own),
        "second name": lambda: os.link(own, job / "state.json"),
        "pipe": lambda: os.mkfifo(job / "state.json"),
        "nothing": lambda: None,
    }
    make[kind]()
    full_disk()
    with pytest.raises(OSError, match="No space left"):
        write_state(FAILED, job)
    assert own.read_text() == "precious" * 100


def test_what_is_no_text_in_a_message_does_not_keep_it_from_being_written(tmp_path):
    write_state(JobState(state="failed", message="a\udcff\x00b"), tmp_path)
    assert read_state(tmp_path) == JobState(state="failed", message="a?b")
