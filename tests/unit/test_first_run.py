"""The steps from nothing to the first clip, and what an environment's files say."""

from __future__ import annotations

import pytest

from install.state import State, write_state
from tests.extension import part

first_run, interpreter, installer = part("setup.first_run"), part("setup.interpreter"), part("setup.installer")


def shown(*known):
    return [(step.done, step.next, step.possible) for step in first_run.steps(*known)]


def test_at_first_only_the_backend_can_be_installed():
    assert shown(interpreter.MISSING, None, False, False) == [
        (False, True, True),
        (False, False, False),
        (False, False, False),
    ]


def test_then_the_demo_is_next_and_a_model_possible():
    assert shown(interpreter.READY, None, False, False) == [
        (True, False, True),
        (False, True, True),
        (False, False, True),
    ]


def test_who_has_a_model_may_still_try_the_demo():
    assert shown(interpreter.READY, None, False, True)[1] == (False, True, True)


def test_the_end_has_no_next_step():
    assert not any(step.next for step in first_run.steps(interpreter.READY, None, True, True))


def test_sizes_come_from_the_installer_s_plan():
    plan = installer.Plan("", 402_000_000, 1_600_000_000)
    text = first_run.steps(interpreter.MISSING, plan, False, False)[0].text
    assert "402 MB to download, 1,600 MB on disk; about 3 min" in text
    assert "interrupted" in first_run.steps(interpreter.UNFINISHED, plan, False, False)[0].text
    assert "Nothing to download" in first_run.size_and_time(installer.Plan("", 0, 1_000_000))


WHOLE = {"torch": "a", "backend": "b"}


@pytest.mark.parametrize(
    "written, expected",
    [
        (State(python="3.13", layers=WHOLE), interpreter.READY),
        (State(python="3.13", layers=WHOLE, installing="c"), interpreter.UNFINISHED),
        (State(python="3.13", layers={"torch": "a"}), interpreter.UNFINISHED),
        (State(), interpreter.UNFINISHED),
    ],
)
def test_what_the_installer_writes_is_understood(tmp_path, written, expected):
    make_python(tmp_path)
    write_state(tmp_path, written)
    assert interpreter.backend_state(tmp_path) == expected


def make_python(environment):
    python = part("setup.interpreter").python_of(environment)
    python.parent.mkdir(parents=True)
    python.touch()


def test_an_environment_whose_python_is_gone_is_not_ready(tmp_path):
    write_state(tmp_path, State(python="3.13", layers=WHOLE))
    assert interpreter.backend_state(tmp_path) == interpreter.UNFINISHED


def test_environments_made_by_hand_and_none_at_all(tmp_path):
    assert interpreter.backend_state(tmp_path / "none") == interpreter.MISSING
    assert interpreter.backend_state(tmp_path) == interpreter.MISSING
    make_python(tmp_path)
    assert interpreter.backend_state(tmp_path) == interpreter.READY


@pytest.mark.parametrize("content", ["", "[]", '{"installing": ""}', "\0"])
def test_a_state_that_cannot_be_read_is_an_unfinished_installation(tmp_path, content):
    make_python(tmp_path)
    (tmp_path / interpreter.STATE_FILE).write_text(content)
    assert interpreter.backend_state(tmp_path) == interpreter.UNFINISHED
