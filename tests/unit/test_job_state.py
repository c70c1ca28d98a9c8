"""state.json as a reader finds it, and what a panel shows of it."""

from __future__ import annotations

import json

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


def test_progress_never_exceeds_its_bar():
    assert JobState(step=5, steps=4).progress == 1.0 and JobState(step=5).progress == 0.0
