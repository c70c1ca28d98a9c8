"""What can stand in a capture's way, and what the user is told."""

from __future__ import annotations

import shutil

import bpy
import pytest

from tests.blender.test_sources import add_strip, captured, charts, greys, plans  # noqa: F401  (charts is a fixture)


def test_a_locked_interface_is_no_hindrance(scene, part, tmp_path):
    scene.render.use_lock_interface = True
    assert (captured(part, tmp_path) / "job.json").is_file()


def test_a_path_too_long_for_blender(scene, part, tmp_path):
    deep = tmp_path.joinpath(*["猫" * 60] * 6)
    with pytest.raises(part("backend.job_folder.problem").Problem, match="too long for Blender"):
        captured(part, deep)
    assert list((deep / "jobs").iterdir()) == []


@pytest.mark.parametrize("length", [700, 1100])
def test_a_clip_with_a_long_path(scene, part, tmp_path, charts, length):  # noqa: F811
    """Blender would cut the path off without a word; it is the backend that reads clips."""
    deep = tmp_path
    while len(str(deep).encode()) < length:
        deep /= "猫" * 20
    shutil.copytree(charts, deep)
    scene.motionclone.source, scene.motionclone.clip_file = "FILE", str(deep)
    assert greys(captured(part, tmp_path)) == [0, 3, 6, 9]


@pytest.mark.parametrize("everything", [False, True])
def test_a_strip_that_is_deleted_while_it_is_captured(scene, part, tmp_path, charts, everything):  # noqa: F811
    """The capture has a copy; one that begins later says what is missing."""
    scene.render.resolution_x, scene.render.resolution_y = 80, 48
    strips, strip = add_strip(scene, charts, 21)
    scene.motionclone.source = "STRIP"
    (plan,) = plans(part)
    job = part("capture.job")
    steps = job.capture_steps(plan, tmp_path / "jobs")
    next(steps)
    if everything:
        scene.sequence_editor_clear()
    else:
        strips.remove(strip)
    with pytest.raises(StopIteration) as end:
        while True:
            next(steps)
    assert greys(end.value.value) == [0, 3, 6, 9]
    with pytest.raises(part("backend.job_folder.problem").Problem, match="The strip 'Bild' no longer exists"):
        job.capture_job(plan, tmp_path / "later")
    assert list((tmp_path / "later").iterdir()) == []


def test_a_camera_that_is_deleted_between_the_shots(scene, part, tmp_path):
    (plan,) = plans(part)
    bpy.data.objects.remove(scene.camera)
    with pytest.raises(part("backend.job_folder.problem").Problem, match="'Camera' no longer exists"):
        part("capture.job").capture_job(plan, tmp_path / "jobs")
