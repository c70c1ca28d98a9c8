"""A disk that is really full: a small one in memory, where the machine lets root make one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import bpy
import pytest

from tests.blender.everything import changes, everything
from tests.blender.test_job import error_of
from tests.blender.test_sources import add_strip, charts, plans  # noqa: F401  (charts is a fixture)


@pytest.fixture
def disk(tmp_path):
    """disk(bytes): a folder on a disk of its own."""
    mounted = []

    def make(size: int) -> Path:
        folder = tmp_path / f"disk {len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        said = subprocess.run(command, capture_output=True, text=True)
        if said.returncode:
            pytest.skip(f"no disk can be mounted here: {said.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def by_camera(scene, charts) -> None:  # noqa: F811
    pass


def by_motion_look(scene, charts) -> None:  # noqa: F811
    scene.motionclone.reference_shading, scene.motionclone.use_depth = "MOTION", True


def by_strip(scene, charts) -> None:  # noqa: F811
    add_strip(scene, charts, 21)
    scene.sequence_editor.active_strip.strobe = 1  # as Blender has it once it was asked for a picture of the strip
    scene.motionclone.source = "STRIP"


def by_file(scene, charts) -> None:  # noqa: F811
    scene.motionclone.source, scene.motionclone.clip_file = "FILE", str(charts)


@pytest.mark.parametrize("source", [by_camera, by_motion_look, by_strip, by_file])
def test_a_capture_that_finds_no_room(scene, part, charts, disk, source):  # noqa: F811
    """The first pictures fit, later ones do not."""
    source(scene, charts)
    jobs = disk(5 * os.sysconf("SC_PAGE_SIZE"))
    (plan,) = plans(part, frames=16)
    bpy.context.view_layer.update()  # what follows from the scene, such as matrices, Blender may work out at any time
    before = everything()
    with pytest.raises(
        part("backend.job_folder.problem").Problem, match="not (be )?writ.*(Free disk space|Make room)"
    ) as caught:
        part("capture.job").capture_job(plan, jobs / "jobs")
    assert str(jobs) in str(caught.value), "which disk it is"
    assert not changes(before, everything()) and list((jobs / "jobs").iterdir()) == []


def test_not_even_a_folder(scene, part, disk):
    jobs = disk(os.sysconf("SC_PAGE_SIZE"))
    (jobs / "full").write_bytes(b"x" * 100)
    (plan,) = plans(part)
    with pytest.raises(part("backend.job_folder.problem").Problem, match="Free disk space"):
        part("capture.job").capture_job(plan, jobs / "jobs")
    assert list(jobs.glob("jobs/*")) == []


@pytest.mark.parametrize("how", ["STRIP", "TEXTURE", "PLANE", "BACKGROUND", "COMPOSITOR"])
def test_placing_needs_no_room(scene, job, disk, how):
    folder = disk(64 * os.sysconf("SC_PAGE_SIZE")) / "job"
    folder.mkdir()
    for path in job.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    with pytest.raises(OSError, match="No space left"):
        (folder.parent / "full").write_bytes(b"x" * 64 * os.sysconf("SC_PAGE_SIZE"))
    bpy.context.view_layer.objects.active = scene.objects["Cube"]
    assert bpy.ops.motionclone.take_place(job=str(folder), how=how) == {"FINISHED"}


def test_a_clip_that_was_cut_short_by_a_full_disk_is_not_placed(scene, job, disk):
    whole = (job / "result.mp4").read_bytes()
    folder = disk(len(whole) // 2 // 4096 * 4096 + 4096) / "job"
    folder.mkdir()
    for name in ("job.json", "blender.json"):
        (folder / name).write_bytes((job / name).read_bytes())
    with pytest.raises(OSError, match="No space left"), (folder / "result.mp4").open("wb", buffering=0) as file:
        while whole:
            whole = whole[file.write(whole) :]
    bpy.context.view_layer.update()
    before = everything()
    said = error_of(bpy.ops.motionclone.take_place, job=str(folder), how="STRIP")
    assert "result.mp4" in said and not changes(before, everything())
