"""Which interpreter runs the backend, and what it may inherit from Blender."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.extension import part

interpreter, UserError = part("setup.interpreter"), part("errors").UserError
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
    assert "python3 -m install backend" in caught.value.hint


def test_blender_s_python_settings_do_not_reach_the_backend():
    kept = child_environment({"PYTHONPATH": "a", "PYTHONHOME": "b", "PYTHONSAFEPATH": "1", "HOME": "/h", "PATH": "p"})
    assert kept == {"HOME": "/h", "PATH": "p", "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
