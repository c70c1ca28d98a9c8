"""Switches the extension on and off in a Blender of its own, and says what is left: many_times ZIP LAST.

LAST: "off" or "on", how it is when Blender ends. Prints a JSON object, the kinds and names of what is left.
"""

from __future__ import annotations

import json
import sys

import bpy

from tests.blender.registered import difference, everything

PACKAGE = "bl_ext.user_default.motionclone"
TIMES = 20


def main(path: str, last: str) -> None:
    bpy.ops.extensions.package_install_files(filepath=path, repo="user_default", enable_on_install=False)
    before = everything()
    for _ in range(TIMES):
        bpy.ops.preferences.addon_enable(module=PACKAGE)
        assert bpy.context.scene.motionclone.model == "demo"
        bpy.ops.preferences.addon_disable(module=PACKAGE)
    left = difference(before, everything())
    if last == "on":
        bpy.ops.preferences.addon_enable(module=PACKAGE)
    print("\n" + json.dumps(left), flush=True)


main(*sys.argv[1:])
