"""Switched on and off twenty times, the extension leaves nothing, and Blender ends as it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import bpy
import pytest

from tests.blender import registered
from tests.blender.conftest import ROOT

SECONDS = 300  # a Blender that hangs at its end, as 4.5 does when something stays registered


@pytest.mark.parametrize("last", ["off", "on"])
def test_twenty_times_leave_nothing_and_blender_ends_cleanly(extension_zip, tmp_path, last):
    command = [sys.executable, "-m", "tests.blender.many_times", str(extension_zip), last]
    surroundings = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "user")}
    done = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout[done.stdout.rindex("\n{") :].splitlines()[1]) == {}


def test_what_is_left_behind_is_found():
    """The test above could not fail if these were not seen."""

    class MOTIONCLONE_OT_left(bpy.types.Operator):
        bl_idname, bl_label = "motionclone.left", "Left"

    def draw(_self, _context):
        pass

    def tick():
        return 60.0

    before = registered.everything()
    pictures = bpy.utils.previews.new()
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    bpy.utils.register_class(MOTIONCLONE_OT_left)
    bpy.types.Scene.motionclone_left = bpy.props.IntProperty()
    bpy.app.handlers.load_post.append(draw)
    bpy.types.VIEW3D_MT_object.append(draw)
    bpy.app.timers.register(tick)
    try:
        left = registered.difference(before, registered.everything())
    finally:
        bpy.app.timers.unregister(tick)
        bpy.types.VIEW3D_MT_object.remove(draw)
        bpy.app.handlers.load_post.remove(draw)
        del bpy.types.Scene.motionclone_left
        bpy.utils.unregister_class(MOTIONCLONE_OT_left)
        sleeper.kill()
        sleeper.wait()
        bpy.utils.previews.remove(pictures)
    kinds = {"classes", "operators", "properties", "handlers", "drawn into menus", "timers", "preview collections"}
    assert set(left) == kinds | ({"processes"} if sys.platform == "linux" else set())
    assert registered.difference(before, registered.everything()) == {}
