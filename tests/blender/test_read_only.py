"""The extension's folder may be read-only, as an administrator installs it for all users: everything works from it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.blender.conftest import PACKAGE
from tests.install_kills import WITH_LOCKS, alone, make_wheels

pytestmark = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode != 0,
    reason="needs a mount namespace of its own: for root a folder's rights do not count",
)
PATIENCE = 1200
GENERATE = f"""
import os, sys
import bpy, addon_utils  # in this order
addon_utils.extensions_refresh(ensure_wheels=False)
bpy.ops.preferences.addon_enable(module="{PACKAGE}")
bpy.context.preferences.addons["{PACKAGE}"].preferences.jobs_folder = sys.argv[1]
scene = bpy.context.scene
scene.render.resolution_x, scene.render.resolution_y = 80, 48
cube = bpy.data.objects["Cube"]
cube.driver_add("location", 0).driver.expression = "frame / 100"
form = scene.motionclone
form.prompt, form.reference_shading = "a red ball on green ground under a blue sky", "PLAIN"
form.settings = "steps=4 guided_steps=2 warm_up_steps=1 cool_down_steps=1"
scene.frame_end = 16
bpy.ops.motionclone.generate()
bpy.ops.motionclone.take_place()
bpy.ops.preferences.addon_disable(module="{PACKAGE}")
print("placed", flush=True)
os._exit(0)  # Blender 4.2 crashes when Python ends
"""


@pytest.fixture
def extension(installed) -> Path:
    return Path(installed.__file__).parent


def read_only(extension: Path, command: list[str], environ: dict[str, str]) -> str:
    """What the command says, run in the extension's folder where nothing can be written in that."""
    folder = shlex.quote(str(extension))
    script = f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} && cd {folder} && ! touch a && "
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f"{script} exec {shlex.join(command)}"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0 and "Read-only file system" in done.stderr, done.stdout + done.stderr
    return done.stdout


def test_the_backend_is_installed_from_it_examined_and_removed(extension, tmp_path):
    wheels, data = tmp_path / "wheels", tmp_path / "my data ü"
    locks = make_wheels(wheels, packages=2, files=2)
    environ = alone({"MOTIONCLONE_DATA": str(data)})

    def install(*arguments: str) -> list[dict]:
        command = [sys.executable, "-c", WITH_LOCKS, str(locks), *arguments, "--json"]
        return [json.loads(line) for line in read_only(extension, command, environ).splitlines()]

    made = install("backend", "--wheels", str(wheels), "--build", "cpu", "--no-check")
    assert made[-1]["kind"] == "done" and Path(made[-1]["python"]).is_relative_to(data / "venv")
    assert install("backend", "--plan", "--build", "cpu")[-1]["kind"] != "plan", "nothing is missing"
    assert install("remove")[-1]["kind"] == "done" and not data.exists()


@pytest.mark.skipif(
    not os.environ.get("MOTIONCLONE_BACKEND_PYTHON"),
    reason="MOTIONCLONE_BACKEND_PYTHON is not set; `python3 -m install test` sets it",
)
def test_a_clip_is_made_and_placed_from_it(extension, tmp_path):
    environ = {**os.environ, "MOTIONCLONE_DATA": str(tmp_path / "data")}
    said = read_only(extension, [sys.executable, "-c", GENERATE, str(tmp_path / "takes")], environ)
    assert "placed" in said
    (state,) = (tmp_path / "takes").glob("*/state.json")
    assert json.loads(state.read_text(encoding="utf-8"))["state"] == "done"
