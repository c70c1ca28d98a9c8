"""A grey ramp and 64 colours go from a captured picture through the backend's movie into the scene, and stay."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest

from tests.blender.numbered import ROOT
from tests.blender.pictures import read_png, write_png
from tests.blender.test_frame_truth import show_the_clip_only

pytestmark = pytest.mark.skipif(
    not os.environ.get("MOTIONCLONE_BACKEND_PYTHON"),
    reason="MOTIONCLONE_BACKEND_PYTHON is not set; `python3 -m install test` sets it",
)

HEIGHT, WIDTH, TILE = 128, 512, 32
LEVELS = (0, 85, 170, 255)
COLORS = [(r, g, b) for r in LEVELS for g in LEVELS for b in LEVELS]
MAX = 2  # of 255
FRAMES = 4
START = 11


def ramp() -> np.ndarray:
    return np.repeat(np.repeat(np.arange(256, dtype=np.uint8).repeat(2)[None, :, None], HEIGHT, 0), 3, 2)


def tiles() -> np.ndarray:
    """uint8 [128, 512, 3]: 4 rows of 16 colours."""
    return np.array(COLORS, np.uint8).reshape(4, 16, 3).repeat(TILE, 0).repeat(TILE, 1)


MAKE = """
import sys
from backend.clips import read_clip, write_video
for folder in sys.argv[1:]:
    write_video(f"{folder}/result.mp4", read_clip(f"{folder}/reference").frames, 24.0)
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory, installed) -> tuple[Path, Path]:
    """Finished jobs: one of the ramp, one of the colours."""
    folders = tmp_path_factory.mktemp("ramp"), tmp_path_factory.mktemp("tiles")
    for folder, picture in zip(folders, (ramp(), tiles())):
        (folder / "reference").mkdir()
        for k in range(FRAMES):
            write_png(folder / "reference" / f"{k:04d}.png", picture)
        (folder / "job.json").write_text(json.dumps({"prompt": folder.name, "shot": {"frames": FRAMES, "fps": 24.0}}))
        place = {"scene": "Scene", "frame_start": START, "camera": "Camera"}
        (folder / "blender.json").write_text(json.dumps(place))
    python = os.environ["MOTIONCLONE_BACKEND_PYTHON"]
    subprocess.run([python, "-c", MAKE, *map(str, folders)], cwd=ROOT, check=True, timeout=300)
    return folders


@pytest.fixture
def canvas(small):
    """A scene that renders the clip pixel by pixel."""
    small.render.resolution_x, small.render.resolution_y = WIDTH, HEIGHT
    small.render.image_settings.color_mode = "RGB"
    return small


def shown(scene, frame: int, folder: Path) -> np.ndarray:
    scene.frame_set(frame)
    scene.render.filepath, scene.render.use_sequencer = str(folder / "shown.png"), True
    bpy.ops.render.render(write_still=True)
    return read_png(folder / "shown.png").astype(int)


def worst(scene, clips, folder: Path, **wishes) -> tuple[int, int]:
    """Most that any pixel of the ramp is off; and any inside of the colours' tiles, at whose edges movies mix colours.

    Each clip in turn takes the place; its first and its last frame are looked at.
    """
    worst = []
    for clip, picture in zip(clips, (ramp(), tiles())):
        bpy.ops.motionclone.take_place(job=str(clip), **wishes)
        if wishes["how"] == "COMPOSITOR":
            show_the_clip_only(scene)
        off = np.maximum(*(np.abs(shown(scene, START + k, folder) - picture) for k in (0, FRAMES - 1)))
        worst.append(off if clip is clips[0] else off.reshape(4, TILE, 16, TILE, 3)[:, 6:26, :, 6:26])
    return int(worst[0].max()), int(worst[1].max())


VIEWS = [
    ("AgX", "AgX - Punchy", 0.7, 1.2),
    ("AgX", "None", 0.0, 1.0),
    ("Filmic", "None", 0.0, 1.0),
    ("Filmic", "Very High Contrast", -1.0, 1.0),
    ("Standard", "None", 0.0, 1.0),
    ("Khronos PBR Neutral", "None", 0.0, 1.0),
]


def set_view(scene, view: str, look: str, exposure: float, gamma: float) -> None:
    settings = scene.view_settings
    settings.view_transform, settings.look = view, look
    settings.exposure, settings.gamma = exposure, gamma


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_the_strip_shows_what_was_generated(canvas, clips, tmp_path, view):
    set_view(canvas, *view)
    assert max(worst(canvas, clips, tmp_path, how="STRIP")) <= MAX


@pytest.mark.parametrize("view", ["AgX", "Filmic"])
def test_a_view_that_stays_is_undone_for_greys(canvas, clips, tmp_path, view):
    canvas.view_settings.view_transform = view
    grey, colour = worst(canvas, clips, tmp_path, how="STRIP", keep_view=True)
    assert canvas.view_settings.view_transform == view
    assert grey <= MAX
    assert colour > MAX, "then there is no reason to warn of strong colours"


@pytest.mark.parametrize("view, keep", [("AgX", False), ("AgX", True), ("Filmic", False), ("Standard", False)])
def test_a_plane_shows_what_was_generated(canvas, clips, tmp_path, view, keep):
    """Among lamps, which must not reach it."""
    canvas.view_settings.view_transform = view
    for thing in [thing for thing in canvas.objects if thing.type == "MESH"]:
        bpy.data.objects.remove(thing)
    lamp = bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "SUN"))
    lamp.data.energy = 10
    canvas.collection.objects.link(lamp)
    canvas.render.engine, canvas.cycles.samples, canvas.cycles.use_denoising = "CYCLES", 4, False
    canvas.cycles.pixel_filter_type = "BOX"
    grey, colour = worst(canvas, clips, tmp_path, how="PLANE", keep_view=keep)
    assert grey <= MAX
    assert keep or colour <= MAX


@pytest.mark.parametrize("view", ["AgX", "Filmic", "Standard"])
@pytest.mark.parametrize("keep", [False, True])
def test_the_compositor_has_what_was_generated(canvas, clips, tmp_path, view, keep):
    canvas.view_settings.view_transform, canvas.render.engine = view, "BLENDER_WORKBENCH"
    grey, colour = worst(canvas, clips, tmp_path, how="COMPOSITOR", keep_view=keep)
    assert grey <= MAX
    assert keep or colour <= MAX
    assert canvas.view_settings.view_transform == (view if keep else "Standard")


@pytest.mark.parametrize("how", ["TEXTURE", "BACKGROUND"])
def test_what_is_lit_or_drawn_past_the_view_leaves_the_view_alone(canvas, clips, how):
    canvas.view_settings.view_transform = "AgX"
    bpy.ops.motionclone.take_place(job=str(clips[0]), how=how)
    assert canvas.view_settings.view_transform == "AgX"
    assert [image.colorspace_settings.name for image in bpy.data.images] == ["sRGB"]
