"""What the sidebars and menus show in each state, with a layout that accepts only what this Blender has."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import bpy
import pytest

from tests.blender.checked_layout import ICONS, CheckedLayout, drawn
from tests.blender.conftest import PACKAGE

PANELS = ("sidebar", "passes", "pictures", "batch", "advanced", "queue", "takes")
MODEL = {"name": "demo", "title": "Demo world", "frames": 16, "most_frames": 32, "area": 4096, "multiple": 16}
MODEL |= {"families": ["default"], "controls": [], "missing": []}


@pytest.fixture
def models(part, monkeypatch):
    """The models are known already."""
    rows = [dict(MODEL)]
    monkeypatch.setattr(part("setup.backend_models"), "models", lambda: rows)
    return rows


@pytest.fixture
def known(part, models, scene, jobs):
    """known(): looks at the scene, as the timer does."""
    facts = part("facts")
    facts.unregister()
    facts.register()
    bpy.context.preferences.addons[PACKAGE].preferences.first_run_hidden = True
    yield lambda: facts.gather(bpy.context)
    bpy.context.preferences.addons[PACKAGE].preferences.first_run_hidden = False


def shown(name: str) -> list[str]:
    return drawn(getattr(bpy.types, f"MOTIONCLONE_PT_{name}"), bpy.context)


def text_of(said: list[str]) -> str:
    """Wrapped sentences as one again."""
    return " ".join(said)


@pytest.mark.parametrize("space, ending", [("VIEW_3D", ""), ("SEQUENCE_EDITOR", "_sequencer")])
@pytest.mark.parametrize("name", PANELS)
def test_each_panel_is_in_both_sidebars(installed, name, space, ending):
    panel = getattr(bpy.types, f"MOTIONCLONE_PT_{name}{ending}")
    assert (panel.bl_space_type, panel.bl_region_type, panel.bl_category) == (space, "UI", "MotionClone")
    parent = getattr(panel, "bl_parent_id", None)
    assert parent is None or parent == f"MOTIONCLONE_PT_sidebar{ending}"


def test_the_button_says_what_it_will_do(known):
    found = known()
    assert (found.button, found.detail) == ("Clone frames 11-58 of Camera", "16 frames at 80 x 48")
    said = shown("sidebar")
    assert "motionclone.generate" in said
    assert "16 frames at 80 x 48" in text_of(said)


def test_a_long_shot_has_more_frames_in_contexts(known, models, scene):
    models[0]["rate"], scene.frame_end = 8, 130
    scene.render.fps, scene.render.fps_base = 24, 1.0
    assert (found := known()).detail == "40 frames at 80 x 48, 5.0 s in 3 contexts" and not found.advice
    scene.motionclone.settings = "frames=16"
    assert known().detail == "16 frames at 80 x 48" and "Set frames to auto" in known().advice


def test_many_takes_are_counted(known, scene):
    settings = scene.motionclone
    settings.seeds = 3
    bpy.ops.motionclone.prompt_add()
    bpy.ops.motionclone.prompt_add()
    settings.more_prompts[0].text = "a blue cube"
    assert known().detail.startswith("6 takes of 16 frames")


def test_camera_markers_make_shots(known, scene):
    for frame in (11, 30):
        scene.timeline_markers.new("Cut", frame=frame).camera = scene.camera
    scene.motionclone.shots = "ALL"
    assert known().button == "Clone 2 shots"


def test_the_time_comes_from_earlier_takes(known, scene, jobs, part):
    folder = jobs / "20260101-000000-aaaaaa"
    (folder / "reference").mkdir(parents=True)
    size = known().detail.partition(" at ")[2]
    width, height = (int(side) for side in size.split(" x "))
    image = bpy.data.images.new("reference", width, height)
    image.filepath_raw, image.file_format = str(folder / "reference" / "0000.png"), "PNG"
    image.save()
    result = {"request": {"model": "demo", "settings": {}}, "settings": {"frames": 16}, "seconds": {"sampling": 41.0}}
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    part("facts").learn(folder)
    assert known().detail.endswith(", about 40 s")
    scene.motionclone.quality = "draft"
    assert "about" not in known().detail


def test_what_is_missing_is_said_and_the_button_waits(known, scene):
    scene.motionclone.prompt = "  "
    assert "no prompt" in known().problem.message
    said = text_of(shown("sidebar"))
    assert "There is no prompt." in said and "Generate" in said
    scene.motionclone.prompt = "a ball"
    scene.camera = None
    assert "no camera" in known().problem.message


@pytest.mark.parametrize("source", ["CAMERA", "VIEWPORT", "STRIP", "FILE"])
def test_the_form_fits_the_source(known, scene, source):
    scene.motionclone.source = source
    known()
    said = shown("sidebar")
    assert ("clip_file" in said) == (source == "FILE")
    assert ("shots" in said) == (source == "CAMERA") and ("reference_shading" in said) == (source == "CAMERA")


def test_without_a_backend_there_are_only_the_first_steps(known, scene, part, monkeypatch):
    monkeypatch.delenv("MOTIONCLONE_BACKEND_PYTHON")
    monkeypatch.setenv("MOTIONCLONE_DATA", str(Path(scene.name) / "nowhere"))
    monkeypatch.setattr(part("setup.install_runner"), "ask", lambda *_: True)
    bpy.context.preferences.addons[PACKAGE].preferences.first_run_hidden = False
    found = known()
    assert found.backend == "missing" and [step.next for step in found.steps] == [True, False, False]
    said = shown("sidebar")
    assert "motionclone.install_backend" in said and "motionclone.generate" not in said
    assert "use_online_access" in said, "Blender's own switch stands where it is missed"
    assert "motionclone.try_demo" not in said, "it cannot be done yet"
    for name in ("passes", "advanced"):
        assert not getattr(bpy.types, f"MOTIONCLONE_PT_{name}").poll(bpy.context)


def test_a_problem_comes_with_its_repair_and_goes_on_a_click(known, part):
    errors, runner = part("backend.job_folder.problem"), part("setup.install_runner")
    message = "Blender is not allowed to use the internet."
    runner.show(errors.Problem(message, "Allow it.", repair="allow_online"))
    known()
    said = shown("sidebar")
    assert message in text_of(said) and "Allow it." in said
    assert "use_online_access" in said
    bpy.ops.motionclone.dismiss_problem()
    assert message not in text_of(shown("sidebar"))


def test_a_running_job_shows_stage_time_and_a_way_out(known, part, monkeypatch):
    runner, state = part("jobs.job_runner"), part("jobs.job_runner").JobState
    now = state(state="running", stage="sampling", step=3, steps=24, eta=42.4)
    monkeypatch.setattr(runner, "running", lambda: "take-1")
    monkeypatch.setattr(runner, "state", lambda job: now)
    monkeypatch.setattr(runner, "waiting", lambda: ("take-2", "take-3"))
    known()
    said = shown("sidebar")
    assert "Generating the clip, step 3 of 24" in text_of(said) and "42 s left" in said
    assert "motionclone.cancel" in said
    assert shown("queue").count("motionclone.queue_move") == 4


def test_a_capture_shows_how_far_it_is(known, part):
    known()
    part("jobs.job_runner").show_capture((3, 16))
    said = text_of(shown("sidebar"))
    part("jobs.job_runner").show_capture(None)
    assert "frame 3 of 16" in said


@pytest.mark.parametrize(
    "state, message, expected",
    [
        ("queued", "", "Waiting, frames 11-58, seed 7"),
        ("running", "", "Running, frames 11-58, seed 7"),
        ("failed", "The model is too tired.", "Failed, frames 11-58, seed 7 The model is too tired. Let it rest."),
        ("done", "", "Done, frames 11-58, seed 7, follows the motion to 82%"),
    ],
)
def test_a_take_says_what_became_of_it(known, scene, state, message, expected):
    take = scene.motionclone.takes.add()
    take.name, take.prompt, take.seed, take.state = "take-1", "a red ball", 7, state
    take.frame_start, take.frames = 11, 48
    take.message, take.hint = message, "Let it rest." if message else ""
    if state == "done":
        take.score = 0.82
    said = shown("takes")
    assert f"a red ball {expected}" in text_of(said)
    for name in ("take_retry", "take_open_folder", "take_remove"):
        assert f"motionclone.{name}" in said
    assert ("motionclone.take_place" in said) == (state == "done")
    assert ("motionclone.resume" in said) == (state in ("queued", "failed"))
    assert listed(scene, take) == ["11-58  7  a red ball", *(["82%"] if state == "done" else [])]
    scene.timeline_markers.new("Close-up", frame=11).camera = scene.camera
    assert listed(scene, take)[0] == "Close-up  7  a red ball", "the marker with which the shot begins"


@pytest.mark.parametrize(
    "state, repair, button",
    [
        ("failed", "motionclone.take_less_memory", "motionclone.take_less_memory"),
        ("failed", "motionclone.install_backend", "motionclone.install_backend"),
        ("failed", "motionclone.remove_backend", None),  # of ours, but nothing that fixes a job
        ("failed", "wm.quit_blender", None),
        ("done", "motionclone.take_less_memory", None),
    ],
)
def test_a_take_that_failed_has_the_button_that_fixes_it(known, scene, part, state, repair, button):
    problem = part("backend.job_folder.problem").Problem("It failed.", "Fix it.", repair=repair)
    failed = part("backend.job_folder.state").JobState.failed(problem)
    take = scene.motionclone.takes.add()
    part("jobs.take_states").show(take, replace(failed, state=state))
    said = shown("takes")
    assert button in said if button else repair not in " ".join(map(str, said))


@pytest.mark.parametrize("message", ["ELSEWHERE", "AWAITED"])
def test_a_take_that_another_worker_has_is_not_to_be_run_again(known, scene, part, message):
    said = getattr(part("jobs.take_states"), message)
    take = scene.motionclone.takes.add()
    take.name, take.state, take.message = "take-1", "queued", getattr(said, "message", said)
    assert take.message in text_of(shown("takes")) and "motionclone.resume" not in shown("takes")


def listed(scene, take) -> list[str]:
    """The texts of a row of the list."""
    layout = CheckedLayout()
    bpy.types.MOTIONCLONE_UL_takes.draw_item(None, bpy.context, layout, scene.motionclone, take, 0, None, "")
    return layout.said


def test_a_take_of_ours_that_waits_can_be_cancelled_there(known, scene, part, monkeypatch):
    take = scene.motionclone.takes.add()
    take.name, take.state = "take-1", "queued"
    monkeypatch.setattr(part("jobs.job_runner"), "mine", lambda: ("take-0", "take-1"))
    said = shown("takes")
    assert "motionclone.cancel" in said and "motionclone.resume" not in said


def test_a_take_says_where_it_was_placed(known, scene):
    take = scene.motionclone.takes.add()
    take.name, take.state, take.placement, take.placed_in = "take-1", "done", "PLANE", "A red ball"
    assert "Camera Plane: A red ball" in text_of(shown("takes"))


def test_that_placing_changed_the_view_is_said_with_the_way_back(known, scene):
    scene.motionclone.takes.add()
    assert "motionclone.restore_view" not in shown("takes")
    scene.motionclone.view_before = json.dumps({"view_transform": "AgX"})
    said = shown("takes")
    assert "The scene's view transform is now Standard" in text_of(said) and "motionclone.restore_view" in said


def test_many_takes_that_lost_their_worker_are_run_again_or_given_up_at_once(known, scene, part, monkeypatch):
    runner = part("jobs.job_runner")
    scene.motionclone.takes.add()
    monkeypatch.setattr(runner, "lost", lambda: ("take-1",))
    assert "motionclone.dismiss_offers" not in shown("takes"), "the take offers it itself"
    monkeypatch.setattr(runner, "lost", lambda: ("take-1", "take-2", "take-3"))
    said = shown("takes")
    assert "Unfinished takes: 3" in text_of(said) and "motionclone.dismiss_offers" in said


def test_the_details_and_menus_draw(known, scene):
    known()
    scene.motionclone.use_mask = True
    bpy.ops.motionclone.prompt_add()
    for name in ("passes", "pictures", "batch", "advanced"):
        assert shown(name)
    assert "Demo world" in drawn(bpy.types.MOTIONCLONE_MT_models, bpy.context)
    assert drawn(bpy.types.MOTIONCLONE_MT_place, bpy.context).count("motionclone.take_place") == 5


def test_no_line_is_wider_than_the_region(known, scene, part):
    text = part("panels.sidebar")
    layout = CheckedLayout()
    text.paragraph(layout, bpy.context, "The backend's Python /home/someone/with/a/very/long/folder/python is gone.")
    width = text.width(bpy.context)
    assert len(layout.said) > 1
    assert all(text.fits(bpy.context, line) for line in layout.said), width


def test_every_operator_has_an_icon_and_a_tooltip(part):
    declared = {operator.partition(".")[2]: operator for operator in part("declarations").Operators}
    assert set(declared) == set(dir(bpy.ops.motionclone))
    for name, operator in declared.items():
        rna = getattr(bpy.ops.motionclone, name).get_rna_type()
        assert rna.description and rna.name == operator.label, name
        assert operator.icon in ICONS, name


def test_every_property_has_a_tooltip(installed):
    groups = [cls for cls in bpy.types.PropertyGroup.__subclasses__() if cls.__name__.startswith("MotionClone")]
    groups += [type(bpy.context.preferences.addons[PACKAGE].preferences)]
    assert len(groups) == 5
    for group in groups:
        for name in group.__annotations__:
            assert group.bl_rna.properties[name].description, f"{group.__name__}.{name}"
