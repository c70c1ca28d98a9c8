"""The add-on's side of the process, without Blender: which interpreter, which surroundings, what the user is told."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from tests.extension import ROOT, part

process, interpreter = part("backend_process"), part("interpreter")
BackendProcess, list_models = process.BackendProcess, process.list_models
JobState, read_state, UserError = process.JobState, process.read_state, part("errors").UserError
child_environment, find_interpreter, python_of = (
    interpreter.child_environment,
    interpreter.find_interpreter,
    interpreter.python_of,
)


def environment_in(folder: Path) -> Path:
    python = python_of(folder)
    python.parent.mkdir(parents=True)
    python.touch()
    return python


def test_the_user_s_choice_goes_first_then_the_variable_then_the_places(tmp_path):
    places = [tmp_path / "first", tmp_path / "second"]
    second = environment_in(places[1])
    chosen, named = environment_in(tmp_path / "chosen"), environment_in(tmp_path / "named")
    variable = {"MOTIONCLONE_BACKEND_PYTHON": str(named)}
    assert find_interpreter(str(chosen), variable, places) == chosen
    assert find_interpreter("", variable, places) == named
    assert find_interpreter("", {}, places) == second
    assert find_interpreter("", {}, [environment_in(places[0]).parents[1], *places]) == python_of(places[0])


@pytest.mark.parametrize(
    "chosen, environment, sentence",
    [
        ("/no/python", {}, "preference Backend Python names /no/python"),
        ("", {"MOTIONCLONE_BACKEND_PYTHON": "/no/python"}, "MOTIONCLONE_BACKEND_PYTHON names /no/python"),
        ("", {}, "backend is not installed"),
    ],
)
def test_no_interpreter_is_said_with_the_next_step(chosen, environment, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        find_interpreter(chosen, environment, [Path("/no/place")])
    assert "python3 -m install python" in caught.value.hint


def test_blender_s_python_settings_do_not_reach_the_backend():
    kept = child_environment({"PYTHONPATH": "a", "PYTHONHOME": "b", "PYTHONSAFEPATH": "1", "HOME": "/h", "PATH": "p"})
    assert kept == {"HOME": "/h", "PATH": "p", "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


def test_the_true_backend_lists_its_models_as_the_capture_needs_them():
    (demo,) = [model for model in list_models(Path(sys.executable), ROOT) if model["name"] == "demo"]
    assert {"frames", "most_frames", "area", "multiple", "title"} <= set(demo)


def test_a_program_that_cannot_start(tmp_path):
    not_executable = tmp_path / "python"
    not_executable.write_text("")
    with pytest.raises(UserError, match="cannot be started"):
        list_models(not_executable, ROOT)
    with pytest.raises(UserError, match="cannot be started"):
        BackendProcess(not_executable, ROOT, tmp_path)


def test_what_the_true_backend_refuses_is_told_in_its_words(tmp_path):
    """A job folder without a request: the backend says so and ends with 1."""
    process = BackendProcess(Path(sys.executable), ROOT, tmp_path)
    deadline = time.monotonic() + 120
    while not (state := process.poll()).finished:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert state.state == "failed" and "job.json" in state.message and str(tmp_path) in state.message


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
