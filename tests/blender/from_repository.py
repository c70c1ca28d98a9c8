"""Installs the extension from a repository, as after dragging its link, and updates it: from_repository URL READY.

Prints the installed version, makes the file READY, and updates when that is gone; then prints the version again.
"""

from __future__ import annotations

import os
import sys
import time
import tomllib
from pathlib import Path

import bpy

MODULE = "motionclone_page"


def main(address: str, ready: str) -> None:
    bpy.context.preferences.system.use_online_access = True
    repositories = bpy.context.preferences.extensions.repos
    repository = repositories.new(name="MotionClone", module=MODULE, custom_directory="", remote_url=address)
    index = list(repositories).index(repository)
    bpy.ops.extensions.repo_sync(repo_index=index)
    bpy.ops.extensions.package_install(repo_index=index, pkg_id="motionclone", enable_on_install=True)
    print(f"version {version()}", flush=True)
    Path(ready).touch()
    while Path(ready).exists():
        time.sleep(0.1)
    bpy.ops.extensions.repo_sync(repo_index=index)
    bpy.ops.extensions.package_upgrade_all(use_active_only=False)
    print(f"version {version()}", flush=True)


def version() -> str:
    """Of what is enabled, and works."""
    assert bpy.context.scene.motionclone.model
    assert f"bl_ext.{MODULE}.motionclone" in bpy.context.preferences.addons
    file = Path(sys.modules[f"bl_ext.{MODULE}.motionclone"].__file__).with_name("blender_manifest.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))["version"]


main(*sys.argv[1:])
# After an add-on was installed anew, Blender 4.2 as a Python module takes panels away only when Python has ended, and
# crashes; the program Blender, which ends itself, does not.
sys.stdout.flush()
os._exit(0)
