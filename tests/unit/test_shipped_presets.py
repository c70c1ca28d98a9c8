"""The presets that come along are whole, and named as the form's properties are."""

from __future__ import annotations

import pytest

from tests.extension import ROOT, part

presets = part("settings_text")


def test_they_come_in_the_order_in_which_they_are_needed():
    assert [preset.name for preset in presets.SHIPPED] == ["camera-move", "object-motion", "draft", "quality"]


@pytest.mark.parametrize("preset", presets.SHIPPED, ids=lambda preset: preset.name)
def test_each_says_what_it_is_for(preset):
    assert preset.title and preset.description and preset.values
    source = (ROOT / "blender_motionclone" / "properties.py").read_text(encoding="utf-8")
    assert all(f"    {name}: bpy.props." in source for name in preset.values)


def test_the_look_stays_the_user_s_or_the_one_measured_best():
    assert not [preset.name for preset in presets.SHIPPED if "look" in preset.values]


def test_a_preset_with_an_unknown_key_is_an_error(tmp_path):
    (tmp_path / "1-odd.toml").write_text('title = "a"\ndescription = "b"\nvalue = 3\n[values]\n', encoding="utf-8")
    with pytest.raises(TypeError, match="value"):
        presets.read_presets(tmp_path)
