"""Files and presets of earlier versions, which called some properties by other names."""

from __future__ import annotations

import bpy
import pytest

STORED = {"look": 1, "preset": 2, "place": 2}  # as Blender saves a choice
CHOSEN = ("PLAIN", "quality", "PLANE")


def chosen(form) -> tuple[str, str, str]:
    return form.reference_shading, form.quality, form.placement


def store(owner, values: dict) -> None:
    """Saves values as an earlier version did, without calling what setting a property calls."""
    stored = owner.bl_system_properties_get(do_create=True) if hasattr(owner, "bl_system_properties_get") else owner
    for name, value in values.items():
        stored[name] = value


@pytest.fixture
def older(scene, tmp_path):
    """A file that an earlier version saved."""
    take = scene.motionclone.takes.add()
    take.name = "20260101-000000-aaaaaa"
    store(scene.motionclone, STORED)
    store(take, {"place": "TEXTURE"})
    path = str(tmp_path / "older.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    return path


def test_an_older_file_keeps_its_choices(older):
    bpy.ops.wm.open_mainfile(filepath=older)
    form = bpy.context.scene.motionclone
    assert chosen(form) == CHOSEN
    assert form.takes[0].placement == "TEXTURE"
    form.reference_shading = "MOTION"
    bpy.ops.wm.save_as_mainfile(filepath=older)
    bpy.ops.wm.open_mainfile(filepath=older)
    assert chosen(bpy.context.scene.motionclone) == ("MOTION", *CHOSEN[1:]), "the former name is gone from the file"


@pytest.mark.skipif(not hasattr(bpy.app.handlers, "blend_import_post"), reason="Blender tells nobody of an append")
def test_a_scene_appended_from_an_older_file_keeps_its_choices(older, scene):
    name, known = scene.name, set(bpy.data.scenes)
    bpy.ops.wm.append(directory=f"{older}/Scene/", filename=name)
    (appended,) = set(bpy.data.scenes) - known
    assert chosen(appended.motionclone) == CHOSEN


def test_a_preset_of_an_earlier_version_sets_the_form(scene):
    """Blender keeps a user's presets as scripts that set each property by its name."""
    form = scene.motionclone
    form.look, form.preset, form.place = "PLAIN", "quality", "PLANE"
    assert chosen(form) == CHOSEN
