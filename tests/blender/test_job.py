"""From the scene to a finished job: what is written, what runs, what the user is told."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest

from tests.blender.conftest import PACKAGE
from tests.blender.pictures import read_png


def generate() -> None:
    assert bpy.ops.motionclone.generate() == {"FINISHED"}


def error_of(call, *arguments, **named) -> str:
    """Operators that report an error raise it in scripts."""
    with pytest.raises(RuntimeError) as caught:
        call(*arguments, **named)
    return str(caught.value)


def press_generate(part) -> list:
    """What the button does; without a window Blender itself would run `execute`. Returns what was reported."""
    reports = []
    operator = SimpleNamespace(report=lambda *report: reports.append(report))
    assert part("operators.generate").MOTIONCLONE_OT_generate.invoke(operator, bpy.context, None) == {"FINISHED"}
    return reports


def last_job() -> Path:
    return Path(bpy.context.scene.motionclone.last_job)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)


def test_generate_writes_the_whole_job_and_waits_for_it(scene, jobs, fake_backend, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/of/blender")
    monkeypatch.setenv("PYTHONHOME", "/of/blender")
    scene.render.fps, scene.render.fps_base = 30, 1.001
    take = scene.motionclone
    take.negative_prompt, take.seed, take.settings = " blur ", 7, "motion_weight=0.4 guidance_blocks='up_blocks.1,mid'"
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
        "settings": {"motion_weight": "0.4", "guidance_blocks": "up_blocks.1,mid"},
        "shot": {"frames": 48, "fps": pytest.approx(29.97002997)},
        "notes": [],
        "version": 1,
    }
    reference = sorted(path.name for path in (folder / "reference").iterdir())
    assert reference == [f"{k:04d}.png" for k in range(16)]
    assert read_png(folder / "reference/0000.png").shape == (48, 80, 3)
    assert (folder / "result.mp4").is_file()


def test_the_frames_setting_decides_how_many_are_captured(scene, jobs, fake_backend):
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
        (no_real_camera, "'Cube' is no camera object"),
        (set_to("frame_end", 11), "one frame long (frame 11)"),
        (set_to("frame_step", 2), "frame step is 2"),
        (set_to("motionclone.prompt", "  "), "There is no prompt. Write"),
        (set_to("motionclone.model", "demmo"), "no model 'demmo'. Did you mean 'demo'? Models here: demo."),
        (set_to("motionclone.settings", "steps"), "'steps' is not of the form key=value. Write for example"),
        (set_to("motionclone.settings", "stebs=3"), "no setting 'stebs'. Did you mean 'steps'? Correct it"),
        (set_to("motionclone.settings", "steps=none"), "must be a whole number"),
        (set_to("motionclone.settings", "seed='3"), "No closing quotation"),
        (set_to("motionclone.settings", "steps=3 steps=4"), "given twice"),
        (set_to("motionclone.settings", "frames=64"), "'demo' makes 32 at most"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(scene, jobs, fake_backend, change, sentence):
    change(scene)
    assert sentence in error_of(bpy.ops.motionclone.generate)
    assert not jobs.exists()
    assert not bpy.context.scene.motionclone.last_job


def test_a_range_that_ends_before_it_starts(part):
    """Blender's own setters keep start <= end; a file or another add-on may not."""

    class Backwards:
        name, frame_start, frame_end, frame_step = "Scene", 20, 10, 1
        camera = type("Camera", (), {"type": "CAMERA", "name": "Camera"})

    with pytest.raises(part("errors").UserError, match=r"ends \(10\) before it starts \(20\)"):
        part("capture.shot").shot_of(Backwards)


def test_a_jobs_folder_that_cannot_be_written(scene, fake_backend, tmp_path):
    (tmp_path / "file").touch()
    preferences = bpy.context.preferences.addons[PACKAGE].preferences
    preferences.jobs_folder = str(tmp_path / "file" / "jobs")
    try:
        said = error_of(bpy.ops.motionclone.generate)
    finally:
        preferences.jobs_folder = ""
    assert "cannot be written to (Not a directory)" in said and "Choose another in Preferences" in said


def test_a_backend_that_is_not_there(scene, jobs, tmp_path):
    preferences = bpy.context.preferences.addons[PACKAGE].preferences
    preferences.backend_python = str(tmp_path / "none")
    try:
        assert "which is no file" in error_of(bpy.ops.motionclone.generate)
    finally:
        preferences.backend_python = ""


def test_a_python_that_is_no_backend(scene, jobs, tmp_path, fake_backend):
    fake_backend.write_text("#!/bin/sh\necho hello\n")
    assert "did not answer as MotionClone's backend does" in error_of(bpy.ops.motionclone.generate)
    fake_backend.write_text("#!/bin/sh\necho 'No module named nothing' >&2; exit 3\n")
    assert "cannot list its models: No module named nothing" in error_of(bpy.ops.motionclone.generate)


def test_a_render_that_fails_leaves_no_job_behind(scene, jobs, fake_backend, part, monkeypatch):
    def fail(*_):
        raise part("errors").UserError("Frame 3 could not be rendered.")

    monkeypatch.setattr(part("capture.camera_clip"), "_render_frame", fail)
    assert "Frame 3 could not be rendered" in error_of(bpy.ops.motionclone.generate)
    assert list(jobs.iterdir()) == []


def test_failures_are_told_in_the_backend_s_words(scene, jobs, fake_backend):
    scene.motionclone.prompt = "fail"
    assert "The model is too tired. Let it rest." in error_of(bpy.ops.motionclone.generate)
    scene.motionclone.prompt = "crash"
    said = error_of(bpy.ops.motionclone.generate)
    assert "exit code 9: Traceback: the ceiling came down" in said and "backend-output.txt" in said
    assert json.loads((jobs / sorted(os.listdir(jobs))[-1] / "state.json").read_text())["state"] in ("failed",)


def test_from_a_button_blender_goes_on_and_the_job_can_be_cancelled(scene, jobs, fake_backend, part):
    runner = part("job_runner")
    scene.motionclone.prompt = "slow"
    assert press_generate(part) == [({"INFO"}, f"MotionClone job {last_job().name} started")]
    assert runner.running() and not bpy.ops.motionclone.generate.poll()
    wait_for(last_job() / "ready")
    began = time.monotonic()
    assert runner.tick() == runner.SECONDS_BETWEEN_LOOKS
    assert time.monotonic() - began < 0.1
    assert runner.state().text == "sampling 3/12, 4 s left" and runner.state().progress == 0.25
    bpy.ops.motionclone.cancel()
    assert runner.wait().state == "cancelled"
    assert not runner.running() and not bpy.ops.motionclone.cancel.poll() and bpy.ops.motionclone.generate.poll()
    assert "has no result.mp4" in error_of(bpy.ops.motionclone.take_place)


def test_a_backend_that_does_not_listen_is_ended(scene, jobs, fake_backend, part, monkeypatch):
    monkeypatch.setattr(part("backend_process"), "SECONDS_TO_OBEY", 0.3)
    scene.motionclone.prompt = "deaf"
    press_generate(part)
    wait_for(last_job() / "ready")
    bpy.ops.motionclone.cancel()
    assert part("job_runner").wait().state == "cancelled"
    assert json.loads((last_job() / "state.json").read_text())["state"] == "cancelled"


def test_the_panel_s_file_registers_a_panel_for_every_state(scene, jobs, fake_backend, part):
    """Drawing needs a window; the helpers take any layout."""
    panels = part("panels")
    drawn = []

    class Layout:
        def __getattr__(self, name):
            return lambda *given, **named: drawn.append((name, given, named)) or Layout()

    panels.draw_form(Layout(), scene.motionclone)
    panels.draw_progress(Layout(), panels.JobState(state="running", stage="decoding"))
    panels.draw_outcome(Layout(), panels.JobState(state="failed", message="Wrong.", hint="Mend it."))
    assert ("operator", ("motionclone.cancel",), {"icon": "CANCEL"}) in drawn
    assert [named["text"] for name, _, named in drawn if name == "label"] == ["Wrong.", "Mend it."]


def test_blender_quits_while_a_job_runs(scene, jobs, fake_backend, part):
    """The job is left to finish in its folder; nothing is waited for."""
    scene.motionclone.prompt = "slow"
    press_generate(part)
    process = part("job_runner")._process._process
    wait_for(last_job() / "ready")
    part("job_runner").unregister()
    assert process.poll() is None and not part("job_runner").running()
    process.terminate()
    assert process.wait(10) is not None
