"""Builds the extension's zip, installs it into a Blender of its own settings, and gives every test a fresh scene."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "bl_ext.user_default.motionclone"

OWN_FOLDER = None if "BLENDER_USER_RESOURCES" in os.environ else tempfile.mkdtemp(prefix="motionclone-blender-")
if OWN_FOLDER:
    os.environ["BLENDER_USER_RESOURCES"] = OWN_FOLDER

import bpy  # noqa: E402  (reads the variable when imported)

from tests.blender.movies import write_movie  # noqa: E402

MOVIE_FRAMES = 48


def extension_tool() -> Path:
    """Blender's own builder of extensions, which its Python module brings along."""
    return Path(bpy.utils.system_resource("SCRIPTS")) / "addons_core/bl_pkg/cli/blender_ext.py"


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("zip") / "motionclone.zip"
    build = ["build", "--source-dir", str(ROOT), "--output-filepath", str(path)]
    subprocess.run([sys.executable, str(extension_tool()), *build], check=True, capture_output=True)
    return path


@pytest.fixture(scope="session", autouse=True)
def installed(extension_zip):
    """The extension's root module, installed and enabled as a user would."""
    bpy.ops.extensions.package_install_files(
        filepath=str(extension_zip), repo="user_default", enable_on_install=True, overwrite=True
    )
    yield sys.modules[PACKAGE]
    bpy.ops.preferences.addon_disable(module=PACKAGE)


@pytest.fixture
def part(installed):
    """part("capture.shot"): a module of the installed add-on."""
    return module_of


def module_of(name: str) -> ModuleType:
    """capture.shot of the add-on; backend.job_folder.state is shared with the worker."""
    room = "" if name.startswith("backend.") else "blender_motionclone."
    return importlib.import_module(f"{PACKAGE}.{room}{name}")


@pytest.fixture
def scene(installed) -> bpy.types.Scene:
    """A moving cube and a moving camera over 48 frames of a 16:9 shot, and a prompt."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end, scene.render.fps = 11, 58, 24
    scene.render.resolution_x, scene.render.resolution_y = 320, 180
    bpy.ops.mesh.primitive_plane_add(size=20)
    bpy.ops.mesh.primitive_cube_add(size=2)
    cube = bpy.context.object
    cube.location.z = 1
    slide(cube, 11, 58, 3)
    scene.camera = add_camera("Camera", (0, -12, 4), 1.3)
    scene.motionclone.prompt = "a red ball on green ground under a blue sky"
    scene.motionclone.reference_shading = "PLAIN"  # the quickest
    return scene


def add_camera(name: str, place: tuple[float, float, float], tilt: float) -> bpy.types.Object:
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    camera.location, camera.rotation_euler = place, (tilt, 0, 0)
    bpy.context.scene.collection.objects.link(camera)
    return camera


def slide(item: bpy.types.Object, start: int, end: int, reach: float) -> None:
    """Moves along x at even speed, sub-frames included: at -reach on frame `start`, at reach on frame `end`."""
    driver = item.driver_add("location", 0).driver
    driver.expression = f"{-reach} + {2 * reach} * (frame - {start}) / {end - start}"


@pytest.fixture
def jobs(tmp_path, installed) -> Path:
    """The preferences' jobs folder: its name has a space and letters beyond ASCII."""
    folder = tmp_path / "Aufträge 猫 jobs"
    preferences = bpy.context.preferences.addons[PACKAGE].preferences
    preferences.jobs_folder = str(folder)
    yield folder
    preferences.jobs_folder = ""


@pytest.fixture
def worker(installed, part):
    """The add-on's job runner with a worker whose jobs need no model: their result is their reference clip."""
    python = os.environ.get("MOTIONCLONE_BACKEND_PYTHON")
    assert python, "MOTIONCLONE_BACKEND_PYTHON is not set; `python3 -m install test` sets it"
    preferences = bpy.context.preferences.addons[PACKAGE].preferences
    preferences.worker_command = f"{shlex.quote(python)} -m backend serve --dummy"
    preferences.worker_is_remote = False
    runner = part("jobs.job_runner")
    yield runner
    preferences.worker_command, preferences.worker_is_remote = "", True
    runner.unregister()  # ends the worker; what its jobs are about is gone with the test
    runner.register()


@pytest.fixture(scope="session")
def movie(tmp_path_factory, installed) -> Path:
    """result.mp4 of 48 charts, as Blender writes it; made once."""
    folder = tmp_path_factory.mktemp("movie")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    write_movie(folder, {"frames": MOVIE_FRAMES, "fps": 24.0})
    return folder / "result.mp4"


@pytest.fixture
def make_job(scene, tmp_path, movie, part):
    """make_job(id, seed): a finished job of the scene's shot, in a folder with a space and letters beyond ASCII."""

    def make(id: str, seed: int, prompt: str = scene.motionclone.prompt, start: int = 11) -> Path:
        folder = tmp_path / "Aufträge 猫 jobs" / id
        folder.mkdir(parents=True)
        (folder / "result.mp4").write_bytes(movie.read_bytes())
        request = {"prompt": prompt, "seed": seed, "shot": {"frames": MOVIE_FRAMES, "fps": 24.0}}
        (folder / "job.json").write_text(json.dumps(request), encoding="utf-8")
        part("job_note").write_shot(folder, scene.name, start, "Camera")
        scene.motionclone.last_job = str(folder)
        return folder

    return make


@pytest.fixture
def job(make_job) -> Path:
    return make_job("20261123-120000-abc123", 3)


@pytest.fixture
def small(scene):
    """The scene renders small pictures of exactly its settings."""
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 96, 32, 100
    scene.render.dither_intensity = 0
    if hasattr(scene.render, "compositor_device"):
        scene.render.compositor_device = "CPU"
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format = "PNG"
    return scene


def pytest_unconfigure(config):
    """Blender 4.2 crashes and 4.5 hangs when Python ends with anything registered, tests' own handlers included."""
    if OWN_FOLDER:
        shutil.rmtree(OWN_FOLDER, ignore_errors=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(getattr(config, "motionclone_exit", 3))


def pytest_sessionfinish(session, exitstatus):
    session.config.motionclone_exit = int(exitstatus)
