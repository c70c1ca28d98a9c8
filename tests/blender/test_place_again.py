"""A new take in the place of an earlier one, and what of the user's work stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import bpy
import pytest

from tests.blender.test_job import error_of
from tests.blender.test_place_strip import strips_of

PLACE = ("channel", "frame_start", "frame_final_start", "frame_final_end", "blend_alpha", "mute")


def place(folder, **wishes) -> str:
    """Places the job; returns how its strip is called."""
    assert bpy.ops.motionclone.take_place(job=str(folder), how="STRIP", **wishes) == {"FINISHED"}
    return next(s.name for s in strips_of(bpy.context.scene) if s.type == "MOVIE" and Path(s.filepath).parent == folder)


def list_take(scene, folder):
    take = scene.motionclone.takes.add()
    take.name, take.folder = folder.name, str(folder)
    return take


def test_a_later_take_of_the_shot_takes_the_strip_and_leaves_what_the_user_did_to_it(scene, job, make_job):
    place(job)
    (strip,) = strips_of(scene)
    strip.frame_start, strip.channel, strip.blend_alpha = 40, 5, 0.5
    strip.frame_offset_start, strip.frame_offset_end = 4, 6
    strip.modifiers.new("Brighter", "BRIGHT_CONTRAST").bright = 3
    strip.keyframe_insert("blend_alpha", frame=50)
    before = [getattr(strip, name) for name in PLACE]
    other = make_job("20261124-120000-abc124", 4)
    assert place(other) == "a red ball on green ground under a blue sky (seed 4)"
    (strip,) = strips_of(scene)
    assert [getattr(strip, name) for name in PLACE] == before
    assert [modifier.name for modifier in strip.modifiers] == ["Brighter"] and strip.modifiers[0].bright == 3
    assert bpy.path.abspath(strip.filepath) == str(other / "result.mp4") and strip.frame_duration == 48
    strip.blend_alpha = 0.25
    scene.frame_set(50)
    assert strip.blend_alpha == 0.5, "its animation was lost with its name"


def test_takes_of_other_shots_get_strips_of_their_own(scene, job, make_job):
    place(job)
    place(make_job("later", 4, start=100))
    assert sorted(strip.frame_final_start for strip in strips_of(scene)) == [11, 100]


def test_the_user_s_own_name_stays(scene, job, make_job):
    place(job)
    strips_of(scene)[0].name = "Hero shot"
    assert place(make_job("other", 4)) == "Hero shot"


def test_a_strip_that_was_cut_shows_the_new_take_in_all_its_parts(scene, job, make_job):
    place(job)
    (left,) = strips_of(scene)
    right = left.split(30, "SOFT")
    assert right is not None and right.name != left.name
    other = make_job("other", 4)
    place(other)
    both = strips_of(scene)
    assert sorted((s.frame_final_start, s.frame_final_end) for s in both) == [(11, 30), (30, 59)]
    assert {Path(s.filepath).parent for s in both} == {other}


def test_the_topmost_take_is_the_one_that_is_replaced(scene, job, make_job):
    place(job)
    place(make_job("second", 4), replace=False)
    place(make_job("third", 5))
    by_channel = {s.channel: Path(s.filepath).parent.name for s in strips_of(scene)}
    assert by_channel == {1: job.name, 2: "third"}


def test_a_strip_inside_a_meta_strip_is_found(scene, job, make_job):
    place(job)
    editor = scene.sequence_editor
    meta = (editor.strips if hasattr(editor, "strips") else editor.sequences).new_meta("Meta", 1, 1)
    strips_of(scene)[0].move_to_meta(meta)
    place(make_job("other", 4))
    assert [s.name for s in strips_of(scene) if s.type == "MOVIE"] == [
        "a red ball on green ground under a blue sky (seed 4)"
    ]


def test_a_strip_that_was_deleted_meanwhile_is_made_anew(scene, job, make_job):
    place(job)
    editor = scene.sequence_editor
    (editor.strips if hasattr(editor, "strips") else editor.sequences).remove(strips_of(scene)[0])
    place(make_job("other", 4))
    (strip,) = strips_of(scene)
    assert (strip.channel, strip.frame_final_start) == (1, 11)


def test_the_list_knows_which_take_is_where(scene, job, make_job):
    first, second = list_take(scene, job), list_take(scene, make_job("other", 4))
    place(job)
    first, second = scene.motionclone.takes
    assert (first.placement, first.placed_in) == ("STRIP", strips_of(scene)[0].name) and not second.placement
    bpy.ops.motionclone.take_place(job="other")
    first, second = scene.motionclone.takes
    assert (second.placement, second.placed_in) == ("STRIP", strips_of(scene)[0].name)
    assert (first.placement, first.placed_in) == ("", "")


def test_the_active_take_is_meant_when_none_is_named(scene, job, make_job):
    list_take(scene, job)
    list_take(scene, make_job("other", 4))
    scene.motionclone.take_index = 0
    bpy.ops.motionclone.take_place()
    assert Path(strips_of(scene)[0].filepath).parent == job


def test_what_cannot_replace_leaves_the_strip_as_it_was(scene, job, make_job):
    place(job)
    broken = make_job("broken", 4)
    shutil.copy(broken / "job.json", broken / "kept.json")
    text = (broken / "job.json").read_text(encoding="utf-8")
    (broken / "job.json").write_text(text.replace('"frames": 48', '"frames": 49'), encoding="utf-8")
    scene.frame_end = 59
    assert "has 48 frames, but the shot has 49" in error_of(bpy.ops.motionclone.take_place, job=str(broken))
    (strip,) = strips_of(scene)
    assert Path(strip.filepath).parent == job and strip.frame_duration == 48


def test_placing_is_one_undo_step(scene, job, make_job):
    scene.view_settings.view_transform = "AgX"
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.motionclone.take_place("EXEC_DEFAULT", True, job=str(job))
    bpy.ops.motionclone.take_place("EXEC_DEFAULT", True, job=str(make_job("other", 4)))
    assert "(seed 4)" in strips_of(bpy.context.scene)[0].name
    bpy.ops.ed.undo()
    assert "(seed 3)" in strips_of(bpy.context.scene)[0].name
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert not scene.sequence_editor or not strips_of(scene)
    assert scene.view_settings.view_transform == "AgX"


def test_a_path_too_long_for_blender_is_said(scene, make_job, tmp_path):
    deep = "/".join(["x" * 200] * 4)
    folder = make_job(f"{deep}/job", 4)
    assert "is too long for Blender. Choose a jobs folder" in error_of(bpy.ops.motionclone.take_place, job=str(folder))
    assert not scene.sequence_editor or not strips_of(scene)


@pytest.mark.parametrize("length", [600, 700])
def test_a_long_path_works(scene, make_job, tmp_path, length):
    room = length - len(str(tmp_path).encode()) - len("/Aufträge 猫 jobs/job".encode())
    deep = "/".join("é" * 40 for _ in range(room // 81))
    folder = make_job(f"{deep}/job", 4)
    place(folder)
    (strip,) = strips_of(scene)
    assert strip.filepath == str(folder / "result.mp4") and strip.frame_duration == 48


def test_a_linked_scene_is_not_written_to(scene, job, tmp_path):
    blend = tmp_path / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend), copy=True)
    with bpy.data.libraries.load(str(blend), link=True) as (there, here):
        here.scenes = there.scenes
    linked = here.scenes[0]
    with bpy.context.temp_override(scene=linked):
        assert "is linked and cannot be changed" in error_of(bpy.ops.motionclone.take_place, job=str(job))
    assert not linked.sequence_editor or not strips_of(linked)
