"""Run in a Blender of its own: the extension's zip -> "view|what became of the grey 128|notes"."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path

import bpy

from tests.blender.pictures import chart, write_png

bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=True)
colors = importlib.import_module("bl_ext.user_default.motionclone.blender_motionclone.capture.plain_colors")
rendering = importlib.import_module("bl_ext.user_default.motionclone.blender_motionclone.capture.rendering")

folder = Path(tempfile.mkdtemp())
write_png(folder / "chart.png", chart(3))
scene = bpy.context.scene
scene.render.engine = "BLENDER_WORKBENCH"
editor = scene.sequence_editor_create()
strips = editor.strips if hasattr(editor, "strips") else editor.sequences
strips.new_image(name="Chart", filepath=str(folder / "chart.png"), channel=1, frame_start=1)
rendering.prepare_pictures(scene, (48, 80), 80 / 48)
scene.render.use_sequencer, scene.render.filepath = True, str(folder / "out.png")
bpy.ops.render.render(write_still=True)
grey = round(float(colors.read_picture(folder / "out.png")[40, 45, 0]) * 255)
found = colors.plain_display()
print(f"{found and found[1]}|{grey}|{' '.join(colors.color_notes())}", flush=True)
os._exit(0)
