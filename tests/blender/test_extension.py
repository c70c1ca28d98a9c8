"""The zip: what is in it, that Blender accepts it, and that disabling it leaves nothing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile

import bpy

from tests.blender.conftest import PACKAGE, ROOT, extension_tool

OPERATORS = ("generate", "take_place", "restore_view", "cancel")


def test_blender_accepts_the_zip(extension_zip):
    done = subprocess.run([sys.executable, str(extension_tool()), "validate", str(extension_zip)], capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_zip_holds_what_users_need_and_nothing_else(extension_zip):
    names = zipfile.ZipFile(extension_zip).namelist()
    for needed in ("blender_manifest.toml", "__init__.py", "backend/job_folder/request.py", "install/__main__.py"):
        assert needed in names
    tops = {name.partition("/")[0] for name in names}
    assert not tops & {"tests", "demo", ".git", ".ci", ".training", ".venv"}
    assert not [n for n in names if n.startswith(("tests/", "docs/", "demo/", ".")) or "__pycache__" in n]


def test_the_manifest_s_texts_fit():
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    for text in (manifest["tagline"], *manifest["permissions"].values()):
        assert len(text) <= 64 and text[-1].isalnum(), text
    assert manifest["id"] == "motionclone" and manifest["blender_version_min"] == "4.2.0"


def test_enabled_it_has_its_parts(installed):
    assert all(name in dir(bpy.ops.motionclone) for name in OPERATORS)
    assert bpy.context.scene.motionclone.model == "demo"
    assert bpy.context.preferences.addons[PACKAGE].preferences.jobs_folder == ""
    assert hasattr(bpy.types, "MOTIONCLONE_PT_sidebar")


def test_disabled_it_leaves_nothing(installed, part):
    runner = part("jobs.job_runner")
    bpy.ops.preferences.addon_disable(module=PACKAGE)
    try:
        assert not [name for name in OPERATORS if name in dir(bpy.ops.motionclone)]
        assert not hasattr(bpy.types.Scene, "motionclone")
        assert not [name for name in dir(bpy.types) if name.upper().startswith("MOTIONCLONE")]
        assert PACKAGE not in bpy.context.preferences.addons
        assert not bpy.app.timers.is_registered(runner.tick)
    finally:
        bpy.ops.preferences.addon_enable(module=PACKAGE)
    assert hasattr(bpy.types.Scene, "motionclone")
