"""Blenders that share jobs: two at once, one after another that was killed; and one that opens files while it works."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.window.blender_window import BlenderWindow
from tests.window.blockout import BLOCKOUT, DUMMY
from tests.window.conftest import install

RUNS = "len(form.takes) and part('jobs.job_runner').state(form.takes[-1].name).state == 'running'"


@pytest.fixture
def blender(open_window, session):
    """blender(name): another one with the add-on, whose jobs need no model, and its sidebar open."""

    def open_one(name: str) -> BlenderWindow:
        window = install(open_window(name), session)
        window.ask(DUMMY + f"dummy({sys.executable!r})")
        window.open_sidebar()
        return window

    return open_one


def begin(window: BlenderWindow, file: Path, steps: int) -> Path:
    """A job of a file that was saved before, until it runs; -> its folder."""
    window.ask(BLOCKOUT + f"form.prompt, form.reference_shading, form.settings = 'two', 'PLAIN', 'steps={steps}'")
    window.ask(f"bpy.ops.wm.save_as_mainfile(filepath={str(file)!r})")
    window.wait_for("part('facts').of(scene).button")
    window.press("motionclone.generate")
    window.wait_for(RUNS)
    return Path(window.ask("form.takes[-1].folder"))


def open_file(window: BlenderWindow, file: Path) -> None:
    window.ask(f"bpy.ops.wm.open_mainfile(filepath={str(file)!r})")
    window.ask("scene = bpy.context.scene\nform = scene.motionclone")


def close(window: BlenderWindow) -> None:
    assert window.close() == 0
    window.wait_for_processes_to_end()


def test_what_one_blender_makes_the_other_shows_when_it_is_done(blender, session):
    file = session / "Szene ü.blend"
    second, first = blender("second"), blender("first")
    folder = begin(first, file, steps=1000)
    first.ask("bpy.ops.wm.save_mainfile()")
    open_file(second, file)
    second.wait_for("[take.state for take in form.takes] == ['running']")
    assert "another Blender" in second.ask("form.takes[0].message")
    assert second.ask("part('jobs.takes').unfinished(scene) + part('jobs.takes').finished_elsewhere(scene)") == []
    second.wait_for("form.takes[0].state == 'done' and not form.takes[0].message")
    first.wait_for("form.takes[0].state == 'done'")
    assert (folder / "result.mp4").is_file()
    close(second)
    close(first)


def test_after_blender_was_killed_the_next_one_offers_what_became_of_its_job(blender, session):
    file = session / "shot.blend"
    first = blender("first")
    folder = begin(first, file, steps=1000)
    first.end_at_once()
    second = blender("second")
    open_file(second, file)  # while the worker that was left alone may still be at it
    second.wait_for("[folder.name for folder in part('jobs.takes').finished_elsewhere(scene)]")
    assert second.ask("len(form.takes)") == 0
    second.ask("bpy.ops.motionclone.hide_first_run()")  # so that the button is in sight
    second.press("motionclone.adopt")
    assert second.wait_for("[(take.name, take.state) for take in form.takes]") == [[folder.name, "done"]]
    close(second)


def test_other_files_are_opened_while_a_job_runs(blender, session):
    file, window = session / "shot.blend", blender("first")
    folder = begin(window, file, steps=1000)
    window.ask("bpy.ops.wm.save_mainfile()\nbpy.ops.wm.read_homefile()")
    window.ask("scene = bpy.context.scene\nform = scene.motionclone")
    assert window.ask("part('jobs.job_runner').running()") == folder.name and window.ask("len(form.takes)") == 0
    open_file(window, file)
    assert window.wait_for("[(take.name, take.state) for take in form.takes]")[0][0] == folder.name
    window.wait_for("[take.state for take in form.takes] == ['done']")
    close(window)
