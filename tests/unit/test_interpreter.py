"""Which interpreter runs the backend, and what it may inherit from Blender."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.extension import ROOT, part

interpreter, backend_call, Problem = (
    part("setup.interpreter"),
    part("setup.backend_call"),
    part("backend.job_folder.problem").Problem,
)
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
        ("/no/python", {}, "preference Backend Python is set to /no/python"),
        ("", {"MOTIONCLONE_BACKEND_PYTHON": "/no/python"}, "MOTIONCLONE_BACKEND_PYTHON is set to /no/python"),
        ("", {}, "backend is not installed"),
    ],
)
def test_no_interpreter_is_said_with_the_next_step(chosen, environment, sentence):
    with pytest.raises(Problem, match=sentence) as caught:
        find_interpreter(chosen, environment, [Path("/no/place")])
    assert "python3 -m install backend" in caught.value.hint


def test_blender_s_python_settings_do_not_reach_the_backend():
    kept = child_environment({"PYTHONPATH": "a", "PYTHONHOME": "b", "HOME": "/h", "PATH": "p"}, Path("/root of it"))
    ours = {"PYTHONPATH": str(Path("/root of it")), "PYTHONSAFEPATH": "1"}
    assert kept == {"HOME": "/h", "PATH": "p", "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", **ours}


def test_a_relative_data_folder_is_the_same_wherever_a_child_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOTIONCLONE_DATA", "my data")
    assert interpreter.current_environment()["MOTIONCLONE_DATA"] == str(tmp_path / "my data")


def test_what_is_started_does_not_work_in_the_extension_s_folder(tmp_path, monkeypatch):
    """Windows would not let Blender remove or update it. Modules are found all the same, and none of a stranger's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit('a stranger')")
    code = "import json, os, backend; print(json.dumps([os.getcwd(), backend.__file__]))"
    done = backend_call.start_process([sys.executable, "-c", code], subprocess.PIPE, None, text=True)
    folder, module = json.loads(done.communicate()[0])
    assert Path(folder) == Path(ROOT.anchor) and Path(module).parent == ROOT / "backend"
