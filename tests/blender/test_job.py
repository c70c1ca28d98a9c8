"""From the scene to a finished job: what is written, what runs, what the user is told."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import bpy
import pytest

from tests.blender.conftest import PACKAGE
from tests.blender.pictures import read_png

REST = {"title": "Demo", "families": [], "controls": []}  # of a model as the backend lists it


def generate() -> None:
    assert bpy.ops.motionclone.generate() == {"FINISHED"}


def error_of(call, *arguments, **named) -> str:
    """Operators that report an error raise it in scripts."""
    with pytest.raises(RuntimeError) as caught:
        call(*arguments, **named)
    return str(caught.value)


def press_generate(part) -> list[str]:
    """What the button does, whose modal steps need a window; returns the jobs that were handed to the worker."""
    generation = part("jobs.generation")
    jobs = generation.begin(bpy.context)
    while generation.step():
        time.sleep(0.01)
    return jobs


def tick_until(runner, condition) -> None:
    """Lets the timer's function look, as Blender with a window does, until the condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"{runner.mine()} {runner.worker()} {runner.problem()}"
        runner.tick()
        time.sleep(0.01)


def last_job() -> Path:
    return Path(bpy.context.scene.motionclone.last_job)


def test_generate_writes_the_whole_job_and_waits_for_it(scene, jobs, worker, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/of/blender")
    monkeypatch.setenv("PYTHONHOME", "/of/blender")
    scene.render.fps, scene.render.fps_base = 30, 1.001
    take = scene.motionclone
    take.negative_prompt, take.seed, take.settings = " blur ", 7, "steps=4 guidance_blocks='up_blocks.1,mid'"
    generate()
    folder = last_job()
    assert folder.parent == jobs and re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", folder.name)
    request = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    assert request == {
        "prompt": "a red ball on green ground under a blue sky",
        "negative_prompt": "blur",
        "inversion_prompt": "",
        "object": "",
        "model": "demo",
        "seed": 7,
        "settings": {"steps": "4", "guidance_blocks": "up_blocks.1,mid"},
        "shot": {"frames": 48, "fps": pytest.approx(29.97002997)},
        "notes": [],
        "version": 1,
    }
    reference = sorted(path.name for path in (folder / "reference").iterdir())
    assert reference == [f"{k:04d}.png" for k in range(16)]
    assert read_png(folder / "reference/0000.png").shape == (48, 80, 3)
    assert (folder / "result.mp4").is_file()


def test_the_frames_setting_decides_how_many_are_captured(scene, jobs, worker):
    scene.motionclone.settings = "frames=5"
    generate()
    assert len(list((last_job() / "reference").iterdir())) == 5


def no_camera(scene):
    scene.camera = None


def no_real_camera(scene):
    scene.camera = scene.objects["Cube"]


def set_to(path, value):
    def change(scene):
        owner, _, name = path.rpartition(".")
        setattr(scene.path_resolve(owner) if owner else scene, name, value)

    return change


@pytest.mark.parametrize(
    "change, sentence",
    [
        (no_camera, "has no camera. Add one"),
        (no_real_camera, "'Cube' is not a camera object"),
        (set_to("frame_end", 11), "only one frame (frame 11)"),
        (set_to("frame_step", 2), "frame step is 2"),
        (set_to("motionclone.prompt", "  "), "There is no prompt. Describe"),
        (set_to("motionclone.model", "demmo"), "no model 'demmo'. Did you mean 'demo'? Models here: demo."),
        (set_to("motionclone.settings", "steps"), "'steps' is not of the form key=value. For example"),
        (set_to("motionclone.settings", "stebs=3"), "no setting 'stebs'. Did you mean 'steps'? Correct it"),
        (set_to("motionclone.settings", "steps=none"), "must be a whole number"),
        (set_to("motionclone.settings", "seed='3"), "No closing quotation"),
        (set_to("motionclone.settings", "steps=3 steps=4"), "occurs twice"),
        (set_to("motionclone.settings", "frames=1001"), "frames is 1001; it must be between 2 and 1000"),
        (set_to("motionclone.settings", "context_length=64"), "'demo' allows at most 32"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(scene, jobs, worker, change, sentence):
    change(scene)
    assert sentence in error_of(bpy.ops.motionclone.generate)
    assert not jobs.exists()
    assert not bpy.context.scene.motionclone.last_job


def test_a_range_that_ends_before_it_starts(part):
    """Blender's own setters keep start <= end; a file or another add-on may not."""

    class Backwards:
        name, frame_start, frame_end, frame_step = "Scene", 20, 10, 1
        camera = type("Camera", (), {"type": "CAMERA", "name": "Camera"})

    with pytest.raises(part("backend.job_folder.problem").Problem, match=r"ends \(10\) before it starts \(20\)"):
        part("capture.shot").range_shot(Backwards)


def test_a_jobs_folder_that_cannot_be_written(scene, worker, tmp_path):
    (tmp_path / "file").touch()
    preferences = bpy.context.preferences.addons[PACKAGE].preferences
    preferences.jobs_folder = str(tmp_path / "file" / "jobs")
    try:
        said = error_of(bpy.ops.motionclone.generate)
    finally:
        preferences.jobs_folder = ""
    assert (
        "Cannot write to the jobs folder" in said
        and "(Not a directory)" in said
        and "Choose another in Preferences" in said
    )


def test_a_jobs_folder_within_the_backend_s_folder_is_refused(scene, worker, tmp_path):
    """Jobs would go when the backend is removed."""
    preferences = bpy.context.preferences.addons[PACKAGE].preferences
    preferences.backend_folder, preferences.jobs_folder = str(tmp_path / "venv"), str(tmp_path / "venv" / "my jobs")
    try:
        said = error_of(bpy.ops.motionclone.generate)
    finally:
        preferences.backend_folder = preferences.jobs_folder = ""
    assert "is inside the backend's folder" in said and "Choose another Jobs Folder" in said
    assert not (tmp_path / "venv").exists()


@pytest.fixture
def python(installed, tmp_path, part):
    """A program in the place of the backend's Python, to be written by the test."""
    program = tmp_path / "some python"
    preferences = bpy.context.preferences.addons[PACKAGE].preferences
    preferences.backend_python = str(program)
    yield program
    preferences.backend_python = ""
    part("jobs.job_runner").unregister()


def write_program(path: Path, lines: str) -> None:
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)


def test_a_backend_that_is_not_there(scene, jobs, python):
    assert "which is not a file" in error_of(bpy.ops.motionclone.generate)


def test_a_python_that_is_no_backend(scene, jobs, python):
    write_program(python, "echo hello")
    assert "did not answer like MotionClone's backend" in error_of(bpy.ops.motionclone.generate)
    write_program(python, "echo 'No module named nothing' >&2; exit 3")
    assert "could not list its models: No module named nothing" in error_of(bpy.ops.motionclone.generate)
    python.chmod(0o644)
    assert "cannot be started (Permission denied)" in error_of(bpy.ops.motionclone.generate)
    assert not jobs.exists()


def test_a_model_whose_files_are_missing(scene, jobs, python):
    entry = {
        "name": "demo",
        "frames": 16,
        "most_frames": 32,
        "area": 4096,
        "multiple": 16,
        "missing": ["/m/unet"],
    } | REST
    write_program(python, f"echo '{json.dumps([entry])}'")
    assert "Files of the model 'demo' are missing: /m/unet. Download" in error_of(bpy.ops.motionclone.generate)
    assert not jobs.exists()


def test_a_worker_that_does_not_start_is_told_in_its_last_words(scene, jobs, python, part):
    entry = {"name": "demo", "frames": 4, "most_frames": 32, "area": 4096, "multiple": 16, "missing": []} | REST
    answer = f"test $3 = models && echo '{json.dumps([entry])}' && exit 0"
    write_program(python, f"{answer}\necho 'No module named torch' >&2; exit 4")
    said = error_of(bpy.ops.motionclone.generate)
    assert "The worker exited with code 4: No module named torch" in said
    (take,) = scene.motionclone.takes
    assert take.state == "failed" and "exited with code 4" in take.message and Path(take.folder).is_dir()
    assert part("jobs.job_runner").lost() == (take.name,)
    assert part("jobs.job_runner").worker().state == "lost"


def test_a_render_that_fails_leaves_no_job_behind(scene, jobs, worker, part, monkeypatch):
    def fail(*_):
        raise part("backend.job_folder.problem").Problem("Frame 3 could not be rendered.")

    monkeypatch.setattr(part("capture.stage").Stage, "render", fail)
    assert "Frame 3 could not be rendered" in error_of(bpy.ops.motionclone.generate)
    assert list(jobs.iterdir()) == []


def test_failures_are_told_in_the_backend_s_words(scene, jobs, worker):
    scene.motionclone.prompt = "fail"
    assert "The dummy job failed, as its prompt asked. Use another" in error_of(bpy.ops.motionclone.generate)
    scene.motionclone.prompt = "crash"
    assert "The worker exited with code 3" in error_of(bpy.ops.motionclone.generate)
    assert json.loads((last_job() / "state.json").read_text())["state"] == "failed"
    scene.motionclone.prompt = "oom"
    assert "ran out of memory. Set memory to thrifty" in error_of(bpy.ops.motionclone.generate)


def test_from_a_button_blender_goes_on_and_the_job_can_be_cancelled(scene, jobs, worker, part):
    scene.motionclone.settings = "steps=1000"
    (job,) = press_generate(part)
    assert worker.running() == job == last_job().name and bpy.ops.motionclone.generate.poll()
    tick_until(worker, lambda: worker.preview(job) and worker.state(job).stage == "sampling")
    assert worker.state(job).text.startswith("sampling ") and 0 < worker.state(job).progress < 1
    assert worker.preview(job).is_file() and worker.preview_step(job) > 0
    assert worker.worker().state == "ready"
    bpy.ops.motionclone.cancel()
    tick_until(worker, lambda: not worker.running())
    assert scene.motionclone.takes[job].state == worker.state(job).state == "cancelled"
    assert not bpy.ops.motionclone.cancel.poll()
    assert "has no result.mp4" in error_of(bpy.ops.motionclone.take_place)


def test_a_job_that_is_done_lies_on_its_frames(scene, jobs, worker):
    """Unless the scene says that finished takes go nowhere."""
    generate()
    (strip,) = strips(scene)
    assert (strip.frame_final_start, strip.frame_final_end) == (11, 59)
    (take,) = scene.motionclone.takes
    assert (take.state, take.placement, take.placed_in) == ("done", "STRIP", strip.name)
    scene.motionclone.placement = "NONE"
    scene.motionclone.prompt = "another"
    generate()
    assert strips(scene) == [strip] and scene.motionclone.takes[1].placement == ""


def strips(scene) -> list:
    editor = scene.sequence_editor
    return list(editor.strips if hasattr(editor, "strips") else editor.sequences)
