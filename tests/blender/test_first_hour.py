"""An artist's first hour: what is said before anything is filmed, what becomes of a batch, and what is filmed again."""

from __future__ import annotations

import json
import time
from pathlib import Path

import bpy
import pytest

from tests.blender.checked_layout import CheckedLayout, drawn
from tests.blender.test_job import error_of, generate, press_generate, tick_until
from tests.blender.test_panels import known, models, shown, text_of  # noqa: F401  (fixtures)
from tests.blender.test_place_strip import strips_of
from tests.blender.test_takes import quick  # noqa: F401

SCORED = {"seed 0": 0.2, "seed 1": 0.8, "seed 2": 0.5}


@pytest.fixture
def demo(part, models):  # noqa: F811
    """The model list names the demo's own tokenizer."""
    models[0]["tokenizer"] = str(part("preferences").EXTENSION_ROOT / "backend/models/demo/tokenizer")
    part("prompt_words").words_of("a", models[0], wait=True)
    return models


# Before anything is filmed.


def test_a_prompt_s_tokens_are_counted_while_it_is_typed(known, demo, scene):  # noqa: F811
    scene.motionclone.prompt = "a red ball on green ground"
    known()
    assert "6 of 30 tokens" in text_of(shown("sidebar")) and "Words that this model" not in text_of(shown("sidebar"))
    scene.motionclone.prompt = "a red astronaut on grass"
    known()
    assert "Words that this model does not know: astronaut, grass" in text_of(shown("sidebar"))


def test_a_prompt_that_is_too_long_is_refused_before_anything_is_filmed(scene, jobs, worker):
    scene.motionclone.prompt = "a red ball " * 11
    said = error_of(bpy.ops.motionclone.generate)
    assert "The prompt has 33 tokens; this model reads at most 30. Shorten it by about 3 words, or divide" in said
    assert not jobs.exists()
    scene.motionclone.prompt = "a red ball"
    scene.motionclone.more_prompts.add().text = "a blue cone " * 11
    assert "It begins: 'a blue cone" in error_of(bpy.ops.motionclone.generate)
    assert not jobs.exists()


def test_a_sign_that_cannot_be_followed_is_refused_before_anything_is_filmed(scene, jobs, worker):
    scene.motionclone.prompt = "24: night falls"
    assert "The prompts along time begin at frame 24. Begin with frame 0" in error_of(bpy.ops.motionclone.generate)
    scene.motionclone.prompt = "a red ball"
    scene.motionclone.negative_prompt = "0: grey | 24: dark"  # only the prompt changes along time
    assert "a prompt for a frame, '0:', which is not supported" in error_of(bpy.ops.motionclone.generate)
    scene.motionclone.negative_prompt = "(grey"
    assert "an unmatched (" in error_of(bpy.ops.motionclone.generate)
    assert not jobs.exists()


def test_the_hint_s_example_is_one_that_the_demo_knows(known, demo, scene, part):  # noqa: F811
    scene.motionclone.prompt = ""
    example = known().problem.hint.partition("for example: ")[2]
    words = part("prompt_words").words_of(example, demo[0])
    assert words.tokens <= words.longest and words.unknown == ()


def test_a_model_whose_tokenizer_is_elsewhere_is_not_counted(known, demo, scene):  # noqa: F811
    demo[0]["tokenizer"] = "/on/another/machine"
    assert known().words is None and known().button


def test_what_becomes_of_a_long_shot_is_said(known, scene):  # noqa: F811
    assert known().advice == ""
    scene.frame_end = 130
    assert "covers 7.9 frames of the shot" in known().advice and "split the shot" in text_of(shown("sidebar"))


# What the panels show.


def test_before_the_first_preset_is_kept_blender_speaks_of_no_missing_paths(installed):
    said = drawn(bpy.types.MOTIONCLONE_PT_presets, bpy.context)
    assert not [text for text in said if "Missing" in text] and "motionclone.preset_add" in said


def test_a_score_that_says_nothing_follows_is_no_success(known, scene):  # noqa: F811
    take = scene.motionclone.takes.add()
    take.name, take.state, take.score = "take-1", "done", 0.22
    assert "This take hardly follows the motion. Try more Motion Strength" in text_of(shown("takes"))
    take.score = 0.31
    assert "hardly" not in text_of(shown("takes"))


def test_what_is_active_shows_while_its_panel_is_folded(known, scene):  # noqa: F811
    def header(name: str) -> list[str]:
        stand_in = type("Folded", (getattr(bpy.types, f"MOTIONCLONE_PT_{name}").__mro__[1],), {})()
        stand_in.layout = layout = CheckedLayout()
        stand_in.draw_header_preset(bpy.context)
        return layout.said

    assert header("pictures") == header("passes") == header("batch") == header("advanced") == []
    settings = scene.motionclone
    settings.image_file, settings.use_depth, settings.settings = "//stills/wide.png", True, "steps=3"
    settings.more_prompts.add().text = "a blue cone"
    assert (header("pictures"), header("passes"), header("batch"), header("advanced")) == (
        ["wide.png"],
        ["Depth"],
        ["1"],
        ["steps=3"],
    )


def test_the_wide_field_shows_every_prompt(known, demo, scene):  # noqa: F811
    scene.motionclone.more_prompts.add().text = "a blue cone"
    known()
    said = drawn(part_class("edit_prompt"), bpy.context)
    assert [text for text in said if text in ("prompt", "text", "negative_prompt")] == [
        "prompt",
        "text",
        "negative_prompt",
    ]
    assert "10 of 30 tokens" in said


def part_class(name: str) -> type:
    return getattr(bpy.types, f"MOTIONCLONE_OT_{name}")


# Where finished takes go by themselves.


@pytest.fixture
def scores(part, monkeypatch):
    """Takes are scored by their seeds."""

    def result(folder: Path) -> tuple[float, str]:
        seed = json.loads((folder / "job.json").read_text(encoding="utf-8"))["seed"]
        return SCORED.get(f"seed {seed}", 0.0), ""

    monkeypatch.setattr(part("jobs.take_states"), "_result", result)


def seen(scene) -> dict[str, bool]:
    """By the end of each strip's name, whether it is seen."""
    return {strip.name[-8:].strip(" ()"): not strip.mute for strip in strips_of(scene)}


def test_a_batch_keeps_all_its_takes_and_shows_the_best(quick, scores):  # noqa: F811
    quick.motionclone.placement, quick.motionclone.seeds = "STRIP", 3
    generate()
    assert seen(quick) == {"seed 0": False, "seed 1": True, "seed 2": False}
    assert len({strip.channel for strip in strips_of(quick)}) == 3
    assert [take.placed_in for take in quick.motionclone.takes] == [strip.name for strip in strips_of(quick)]


def test_a_later_take_lies_above_an_earlier_one_and_replaces_it_only_if_wanted(quick, scores):  # noqa: F811
    quick.motionclone.placement = "STRIP"
    generate()
    quick.motionclone.seed = 1
    generate()
    assert seen(quick) == {"seed 0": True, "seed 1": True}
    low, high = strips_of(quick)
    assert high.channel > low.channel and high.name.endswith("(seed 1)")
    quick.motionclone.seed, quick.motionclone.replace = 2, True
    generate()
    assert sorted(seen(quick)) == ["seed 0", "seed 2"], "the one that was seen is replaced"


def test_a_take_that_is_run_again_keeps_its_strip(quick, scores, part):  # noqa: F811
    quick.motionclone.placement = "STRIP"
    generate()
    (take,) = quick.motionclone.takes
    places = part("jobs.notifications")
    for where in places.placements_of(take.name):
        places.place(where)
    assert seen(quick) == {"seed 0": True}


def test_use_shows_a_take_that_lies_muted_beneath_another(quick, scores):  # noqa: F811
    quick.motionclone.placement, quick.motionclone.seeds = "STRIP", 3
    generate()
    assert bpy.ops.motionclone.take_place(job=quick.motionclone.takes[0].name) == {"FINISHED"}
    assert seen(quick) == {"seed 0": True, "seed 1": False, "seed 2": False}


@pytest.mark.parametrize("other", [{"seed": 0}, {"seed": 1, "prompt": "a blue cone"}])
def test_a_plane_keeps_a_take_that_is_better_or_different(quick, scores, other):  # noqa: F811
    quick.motionclone.placement, quick.motionclone.seed = "PLANE", 2
    generate()
    for name, value in other.items():
        setattr(quick.motionclone, name, value)
    generate()
    first, second = quick.motionclone.takes
    assert first.placement == "PLANE" and second.state == "done" and second.placement == ""
    assert "Not in the scene yet. Press Place to place it." in text_of(shown("takes"))
    assert bpy.ops.motionclone.take_place() == {"FINISHED"} and second.placement == "PLANE" and first.placement == ""


def test_a_plane_takes_a_better_take_of_the_same_prompt(quick, scores):  # noqa: F811
    quick.motionclone.placement = "PLANE"
    generate()
    quick.motionclone.seed = 1
    generate()
    assert [take.placement for take in quick.motionclone.takes] == ["", "PLANE"]


def test_f12_goes_on_to_render_the_scene(scene, job):
    bpy.ops.motionclone.take_place()
    assert not scene.render.use_sequencer
    scene.render.use_sequencer = True  # the user's choice stays
    bpy.ops.motionclone.take_place(replace=False)
    assert scene.render.use_sequencer


def test_who_edits_in_the_scene_goes_on_to_render_the_edit(scene, job):
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strips.new_scene(name="Edit", scene=bpy.data.scenes.new("Other"), channel=1, frame_start=1)
    bpy.ops.motionclone.take_place()
    assert scene.render.use_sequencer


# Filming again.


def inode(folder: str) -> int:
    return (Path(folder) / "reference/0001.png").stat().st_ino


@pytest.fixture
def press(part):
    """press(): what the button does, until its takes are done; -> whether the shot was filmed."""

    def press(again: bool = False) -> bool:
        settings, generation, runner = bpy.context.scene.motionclone, part("jobs.generation"), part("jobs.job_runner")
        before = inode(settings.last_job) if settings.last_job else 0
        jobs = generation.begin(bpy.context, again)
        while generation.step():
            time.sleep(0.01)
        tick_until(
            runner, lambda: not any(job in runner.mine() or runner._now.notifications.about(job) for job in jobs)
        )
        return inode(settings.last_job) != before

    return press


def test_an_unchanged_shot_is_not_filmed_again(quick, jobs, press):  # noqa: F811
    settings = quick.motionclone
    assert press()
    settings.prompt, settings.seed, settings.negative_prompt = "a blue cone", 4, "blur"
    settings.strength = 1.5
    quick.frame_set(30)
    assert not press()
    request = json.loads((Path(settings.last_job) / "job.json").read_text(encoding="utf-8"))
    assert (request["prompt"], request["seed"], request["negative_prompt"]) == ("a blue cone", 4, "blur")
    assert request["settings"]["motion_strength"] == "1.5"
    assert len(list(jobs.iterdir())) == len(settings.takes) == 2
    assert press(again=True) and not press()
    before = settings.last_job
    generate()
    assert inode(settings.last_job) != inode(before), "a script's changes are not all told"


def hide(scene):
    scene.objects["Cube"].hide_render = True


def move(scene):
    scene.objects["Cube"].location.z += 1


def zoom(scene):
    scene.camera.data.lens = 20


def paint(scene):
    scene.objects["Cube"].color = (1, 0, 0, 1)


def lengthen(scene):
    scene.frame_end += 1


def reshape(scene):
    scene.render.resolution_y = 300


def simplify(scene):
    scene.render.use_simplify = True


def shade(scene):
    scene.motionclone.reference_shading = "AS_SEEN"


def exclude(scene):
    cubes = bpy.data.collections.new("Cubes")
    scene.collection.children.link(cubes)
    cubes.objects.link(scene.objects["Cube"])
    scene.collection.objects.unlink(scene.objects["Cube"])
    bpy.context.view_layer.layer_collection.children["Cubes"].exclude = True


CHANGES = [hide, move, zoom, paint, lengthen, reshape, simplify, shade, exclude]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_a_reference_may_show_is_filmed_anew(quick, press, change):  # noqa: F811
    assert press()
    change(quick)
    assert press() and not press()


def test_after_an_undo_or_with_a_reference_that_is_gone_it_is_filmed_anew(quick, press, part):  # noqa: F811
    assert press()
    part("handlers").after_undo()
    assert press()
    (Path(quick.motionclone.last_job) / "reference/0000.png").unlink()
    assert press()


def test_what_changes_while_it_is_filmed_is_filmed_anew(quick, press, part):  # noqa: F811
    generation, runner = part("jobs.generation"), part("jobs.job_runner")
    generation.begin(bpy.context)
    while runner.capture() != (2, 4):
        assert generation.step()
    move(quick)
    bpy.context.view_layer.update()
    while generation.step():
        pass
    tick_until(runner, lambda: not runner.running())
    assert press()


def test_the_panel_says_that_nothing_is_filmed_anew(known, quick, part):  # noqa: F811
    assert not known().cached
    (job,) = press_generate(part)
    tick_until(part("jobs.job_runner"), lambda: not part("jobs.job_runner").running())
    assert known().cached and "Its reference is used again" in text_of(shown("sidebar"))
    assert shown("sidebar").count("motionclone.generate") == 2, "the small button films it all the same"
