"""Blender is closed while takes are made: what becomes of them, and what the file offers when it is opened again."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest

from tests.blender.conftest import PACKAGE
from tests.blender.test_job import generate, press_generate, tick_until
from tests.blender.test_panels import known, models, shown, text_of  # noqa: F401
from tests.blender.test_place_strip import strips_of
from tests.blender.test_takes import names, opened, saved


@pytest.fixture
def closing(worker):
    """closing(choice): the add-on goes as at Blender's end, and comes back as in the next one."""
    preferences = bpy.context.preferences.addons[PACKAGE].preferences

    def close(choice: str):
        preferences.when_closing = choice
        process = worker._now.queue._client._process
        worker.unregister()
        worker.register()
        return process

    yield close
    preferences.property_unset("when_closing")


@pytest.fixture
def shot(scene, jobs, worker, tmp_path):
    """A saved scene whose takes go to strips; a batch makes three of them."""
    scene.motionclone.settings, scene.motionclone.seeds = "steps=30", 3
    saved(scene, tmp_path / "shot.blend")
    return scene


def begin(part, worker) -> list[str]:
    jobs = press_generate(part)
    tick_until(worker, lambda: worker.state(jobs[0]).stage == "sampling")
    return jobs


def frames(scene) -> list[tuple[int, int]]:
    return [(strip.frame_final_start, strip.frame_final_end) for strip in strips_of(scene)]


def test_all_are_finished_and_placed_on_their_frames(shot, worker, part, closing, tmp_path):
    takes, jobs = part("jobs.takes"), begin(part, worker)
    saved(shot, tmp_path / "shot.blend")  # with takes that wait
    process = closing("ALL")
    scene = opened(tmp_path / "shot.blend")
    assert takes.unfinished(scene) == [], "a worker has them still"
    tick_until(worker, lambda: len(takes.finished_elsewhere(scene)) == 3)
    assert process.wait(60) == 0
    assert [take.state for take in scene.motionclone.takes] == ["done"] * 3
    assert not (scene.sequence_editor and strips_of(scene)), "nothing is placed unasked"
    said = shown("takes")
    assert "Takes finished in the background: 3" in text_of(said) and "motionclone.adopt" in said
    assert bpy.ops.motionclone.adopt() == {"FINISHED"}
    assert sorted(names(scene)) == sorted(jobs) and frames(scene) == [(11, 59)] * 3
    assert {take.placement for take in scene.motionclone.takes} == {"STRIP"} and worker.problem() is None
    assert takes.finished_elsewhere(scene) == takes.unfinished(scene) == []


def test_the_running_one_is_finished_and_the_others_continue_in_their_order(shot, worker, part, closing, tmp_path):
    takes, jobs = part("jobs.takes"), begin(part, worker)  # the file was saved before: it knows of no take
    assert closing("RUNNING").wait(60) == 0
    scene = opened(tmp_path / "shot.blend")
    tick_until(worker, lambda: not takes.searching())
    assert [folder.name for folder in takes.finished_elsewhere(scene)] == jobs[:1]
    assert [folder.name for folder in takes.unfinished(scene)] == jobs[1:]
    assert bpy.ops.motionclone.adopt() == {"FINISHED"} and frames(scene) == [(11, 59)]
    assert bpy.ops.motionclone.resume() == {"FINISHED"}
    assert names(scene) == jobs and frames(scene) == [(11, 59)] * 3
    assert takes.finished_elsewhere(scene) == takes.unfinished(scene) == []


def test_all_stop_and_continue(shot, worker, part, closing, tmp_path):
    takes, jobs = part("jobs.takes"), begin(part, worker)
    saved(shot, tmp_path / "shot.blend")
    assert closing("STOP").wait(60) == 0
    scene = opened(tmp_path / "shot.blend")
    tick_until(worker, lambda: not takes.searching())
    assert [folder.name for folder in takes.unfinished(scene)] == jobs and takes.finished_elsewhere(scene) == []
    assert bpy.ops.motionclone.resume() == {"FINISHED"}
    assert [take.state for take in scene.motionclone.takes] == ["done"] * 3 and frames(scene) == [(11, 59)] * 3


def test_takes_left_to_a_worker_are_cancelled_from_the_file_that_is_opened_again(shot, worker, part, closing, tmp_path):
    """The real worker, which nobody can talk to any more: one take by itself, then the others."""
    shot.motionclone.settings = "steps=1000"
    jobs = begin(part, worker)
    saved(shot, tmp_path / "shot.blend")
    process = closing("ALL")
    scene = opened(tmp_path / "shot.blend")
    takes, listed = part("jobs.takes"), scene.motionclone.takes
    tick_until(worker, lambda: len(worker.elsewhere(scene)) == 3 and not takes.searching())
    scene.motionclone.take_index = 1
    said = shown("takes")
    assert "Takes still running in the background: 3" in text_of(said) and said.count("motionclone.cancel") == 2
    assert bpy.ops.motionclone.cancel(job=jobs[1]) == {"FINISHED"}
    tick_until(worker, lambda: listed[jobs[1]].state == "cancelled")
    assert process.poll() is None and len(worker.elsewhere(scene)) == 2
    assert bpy.ops.motionclone.cancel(elsewhere=True) == {"FINISHED"}
    assert "being stopped" in text_of(shown("takes")) and "motionclone.cancel" not in shown("takes")
    tick_until(worker, lambda: [take.state for take in listed] == ["cancelled"] * 3)
    assert process.wait(60) == 0 and worker.elsewhere(scene) == takes.unfinished(scene) == []
    assert not bpy.ops.motionclone.cancel.poll(), "no worker has any"


def test_what_this_blender_saw_end_is_not_offered_after_an_undo(shot, worker, part):
    shot.motionclone.seeds = 1
    generate()
    (take,) = shot.motionclone.takes
    take.state, take.placement = "queued", ""  # as it was before
    part("handlers").after_undo()
    assert take.state == "done" and part("jobs.takes").finished_elsewhere(shot) == []


def test_takes_that_go_nowhere_or_are_dismissed_are_not_offered_again(shot, worker, part):
    takes, states = part("jobs.takes"), part("jobs.take_states")
    shot.motionclone.seeds, shot.motionclone.placement = 1, "NONE"
    generate()
    (take,) = shot.motionclone.takes
    states.forget()
    take.state = "running"
    states.look_at(take)
    assert take.state == "done" and takes.finished_elsewhere(shot) == []
    shot.motionclone.placement = "STRIP"
    assert takes.finished_elsewhere(shot) == [Path(take.folder)]
    assert bpy.ops.motionclone.dismiss_offers(done=True) == {"FINISHED"} and takes.finished_elsewhere(shot) == []
    take.state = "running"
    states.look_at(take)
    assert take.state == "done" and takes.finished_elsewhere(shot) == []


@pytest.mark.parametrize(
    "choice, waiting, words",
    [
        ("RUNNING", (), "this take will still finish."),
        ("RUNNING", ("b", "c"), "this take will still finish. Takes kept until you reopen the file: 2"),
        ("ALL", ("b", "c"), "all 3 takes will still finish."),
        ("ALL", (), "this take will still finish."),
        ("STOP", ("b",), "the worker stops. Reopen the file to continue."),
    ],
)
def test_it_is_said_once_beneath_the_progress(known, part, monkeypatch, choice, waiting, words):  # noqa: F811
    runner, preferences = part("jobs.job_runner"), bpy.context.preferences.addons[PACKAGE].preferences
    monkeypatch.setattr(runner, "running", lambda: "a")
    monkeypatch.setattr(runner, "waiting", lambda: waiting)
    preferences.when_closing = choice
    try:
        known()
        said = shown("sidebar")
    finally:
        preferences.property_unset("when_closing")
    assert text_of(said).count(f"If you close Blender, {words}") == 1 and "when_closing" in said
    assert "If you close Blender" not in text_of(shown("queue"))


def test_finishing_the_running_take_is_the_default(installed, part):
    assert part("preferences").when_closing(bpy.context) == "RUNNING"
