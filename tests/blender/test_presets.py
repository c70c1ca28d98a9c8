"""Presets: those that come along, and the user's own in Blender's way."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest


@pytest.mark.parametrize("name", ["camera-move", "object-motion", "draft", "quality"])
def test_a_shipped_preset_sets_the_form_and_leaves_the_prompt(scene, part, name):
    preset = next(preset for preset in part("settings_text").SHIPPED if preset.name == name)
    settings = scene.motionclone
    settings.strength, settings.quality, settings.seeds, settings.use_mask = 3.0, "paper", 9, True
    assert bpy.ops.motionclone.apply_preset(preset=name) == {"FINISHED"}
    for key, value in preset.values.items():
        assert getattr(settings, key) == pytest.approx(value), key
    assert settings.prompt


def test_a_preset_of_the_user_s_comes_back(scene):
    settings = scene.motionclone
    settings.reference_shading, settings.strength, settings.quality = "PLAIN", 1.5, "draft"
    assert bpy.ops.motionclone.preset_add(name="My Shot") == {"FINISHED"}
    folder = Path(bpy.utils.preset_paths("motionclone")[0])
    assert (folder / "My_Shot.py").is_file()
    settings.reference_shading, settings.strength, settings.prompt = "MOTION", 1.0, "another"
    bpy.ops.script.execute_preset(
        filepath=str(folder / "My_Shot.py"), menu_idname=bpy.types.MOTIONCLONE_PT_presets.__name__
    )
    assert (settings.reference_shading, settings.strength, settings.prompt) == ("PLAIN", 1.5, "another")
    assert bpy.ops.motionclone.preset_add(name="My Shot", remove_name=True) == {"FINISHED"}
    assert not (folder / "My_Shot.py").exists()


def test_what_a_preset_keeps_are_the_form_s_own_properties(scene, part):
    for name in part("operators.form").KEPT_IN_PRESETS:
        assert name in scene.motionclone.bl_rna.properties


def test_a_further_prompt_that_is_not_there_cannot_be_removed(scene):
    bpy.ops.motionclone.prompt_add()
    assert bpy.ops.motionclone.prompt_remove(number=0) == {"FINISHED"}
    with pytest.raises(RuntimeError, match="no additional prompt 0"):
        bpy.ops.motionclone.prompt_remove(number=0)
