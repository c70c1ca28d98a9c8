"""state.json as a reader finds it, and what a panel shows of it."""

from __future__ import annotations

import json
import os
import time

import pytest

from backend.wire.job_state import JobState, read_state


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
