"""Ticks are short: what takes long is done in pieces or once, and how long they took is told."""

from __future__ import annotations

import bpy
import pytest

from tests.blender.test_job import generate


@pytest.fixture
def many(scene, jobs):
    """Takes whose folders are gone, which they do not show yet."""
    for number in range(30):
        take = scene.motionclone.takes.add()
        take.name, take.state = f"20260101-000000-{number:06x}", "done"
        take.folder = str(jobs / take.name)
    return scene.motionclone.takes


def test_takes_are_looked_at_in_pieces(many, part):
    states = part("jobs.take_states")
    states.begin_sync()
    assert states.sync_on((), until=0.0) is False and states.syncing()
    assert {take.state for take in many} == {"done"}
    many.remove(3)  # meanwhile
    assert states.sync_on((many[0].name,), until=float("inf")) is True and not states.syncing()
    assert [take.state for take in many] == ["done"] + ["failed"] * 28  # the first is our own worker's


def test_pictures_are_looked_for_in_pieces(many, part, monkeypatch):
    facts, asked = part("facts"), []
    monkeypatch.setattr(facts.take_folders, "folder_of", lambda take: asked.append(take.name))
    monkeypatch.setattr(facts, "BUDGET", -1.0)
    for _ in range(2 * len(many)):
        assert not facts._take_up_take(many)
    assert sorted(asked) == sorted(2 * [take.name for take in many]), "one a look, each in its turn"


def test_what_takes_have_to_show_comes_in_pieces(many, part, monkeypatch):
    states = part("jobs.job_runner").JobState
    told = part("jobs.notifications").Notifications()
    told.note({take.name: states(state="failed", message="Broken.", hint="Fix it.") for take in many})
    told.tell(until=0.0)
    assert {take.state for take in many} == {"done"} and told.busy and told.about(many[0].name)
    told.tell(until=float("inf"))
    assert {take.state for take in many} == {"failed"} and not told.busy


def test_the_subject_is_what_is_selected_and_all_that_hangs_on_it(scene, part):
    cube = bpy.context.object
    parts = [bpy.data.objects.new(name, None) for name in ("arm", "hand", "other")]
    for item, parent in zip(parts, (cube, parts[0], None)):
        item.parent = parent
        scene.collection.objects.link(item)
    for item in scene.objects:
        item.select_set(item in (cube, parts[0]))
    assert set(part("capture.subject").chosen_subject(bpy.context)) == {cube.name, "arm", "hand"}


def test_a_session_tells_its_longest_ticks(scene, jobs, worker, part):
    scene.motionclone.settings, scene.motionclone.placement = "steps=2 frames=4", "STRIP"
    generate()
    worst = part("tick_times").longest_ticks()
    assert worst["worker"].ticks > 1 and worst["placing"].ticks >= 1
    assert all(kind.work >= 0 and kind.clock > 0 for kind in worst.values())
    assert bpy.ops.motionclone.report_ticks() == {"FINISHED"}
    assert "worker " in part("tick_times").report() and "placing " in part("tick_times").report()
