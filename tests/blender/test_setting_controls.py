"""The settings' sliders and menus: a view of the settings text, and of the model's own values where it says nothing."""

from __future__ import annotations

import bpy
import pytest

MODEL = {
    **{"name": "demo", "title": "Demo", "frames": 16, "most_frames": 32, "area": 4096, "multiple": 8},
    **{"families": ["default", "draft"], "controls": [], "missing": [], "tokenizer": None},
    "values": {
        "default": {"steps": "30", "cfg_form": "standard"},
        "draft": {"steps": "8", "mask_thresholds": "0.2,0.4"},
    },
}


@pytest.fixture
def form(part, monkeypatch):
    monkeypatch.setattr(part("setup.backend_models"), "models", lambda: [MODEL])
    form = bpy.context.scene.motionclone
    form.model, form.quality, form.settings = "demo", "default", ""
    return form


def test_they_show_the_model_s_own_values_until_the_text_says_otherwise(form):
    controls = form.controls
    assert (controls.steps, controls.cfg_form, controls.diagonal) == (30, "standard", True)
    form.quality = "draft"
    assert (controls.steps, controls.mask_thresholds) == (8, "0.2,0.4")
    form.settings = "family=default steps=12"
    assert (controls.steps, controls.mask_thresholds) == (12, "0.3,0.3")


def test_moving_one_writes_the_text_and_keeps_what_else_stands_there(form):
    form.settings = "cfg_scale=3 family=paper"
    form.controls.steps = 40
    form.controls.sampler = "euler"
    form.controls.diagonal = False
    form.controls.guided_range = 0.4
    form.controls.guidance_blocks = "up_blocks.1, mid_block"
    form.controls.steps = 41
    start = "cfg_scale=3 family=paper sampler=euler diagonal=false guided_range=0.4"
    assert form.settings == f"{start} 'guidance_blocks=up_blocks.1, mid_block' steps=41"
    assert form.controls.guidance_blocks == "up_blocks.1,mid_block"


def test_every_setting_but_the_form_s_own_has_one_that_goes_through_the_text(form, part):
    controls = part("setting_controls")
    for name, one in controls.SHOWN.items():
        before = getattr(form.controls, name)
        setattr(form.controls, name, before)
        assert controls.is_chosen(form, name) or one.default == (), name
        value = controls.value_of(form, name)
        shown = one.typed(getattr(form.controls, name)) if value != () else value
        assert shown == (pytest.approx(value) if one.kind == "float" else value)
    assert set(part("settings_text").KNOWN) - set(controls.SHOWN) == {"motion_strength"}


def test_settings_that_the_model_does_not_know_are_not_shown(form, part, monkeypatch):
    controls = part("setting_controls")
    assert "clip_skip" in dict(controls.known_settings(form)), "of an older backend, which does not tell the family"
    for backbone, known in (("animatediff", True), ("wan", False)):
        monkeypatch.setattr(part("setup.backend_models"), "models", lambda name=backbone: [MODEL | {"backbone": name}])
        names = dict(controls.known_settings(form))
        assert ("clip_skip" in names) == known and "steps" in names


def test_reset_takes_back_one_or_a_group(form):
    form.settings = "steps=40 cfg_scale=3 precision=float32 family=paper"
    bpy.ops.motionclone.settings_reset(setting="cfg_scale")
    assert form.settings == "steps=40 precision=float32 family=paper"
    bpy.ops.motionclone.settings_reset(group="Sampling")
    assert form.settings == "precision=float32 family=paper"


@pytest.mark.parametrize(
    "text", ["steps=none", "stebs=3", "steps='3", "steps=3 steps=4", "=", "steps=99999999999999999999"]
)
def test_a_text_that_is_wrong_is_left_to_be_said_and_breaks_nothing(form, text):
    form.settings = text
    assert form.controls.steps == 30
    form.controls.cfg_scale = 4
    assert "cfg_scale=4" in form.settings or form.settings == text


def test_a_worker_of_another_version_may_send_values_that_we_do_not_know(form, monkeypatch, part):
    strange = MODEL | {"values": {"default": {"steps": "many", "new_setting": "1"}}}
    monkeypatch.setattr(part("setup.backend_models"), "models", lambda: [strange])
    assert form.controls.steps == 100
    monkeypatch.setattr(part("setup.backend_models"), "models", lambda: None)
    assert form.controls.steps == 100
