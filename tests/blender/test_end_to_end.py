"""The whole way with the true backend: scene -> capture -> `python -m backend run` -> strip."""

from __future__ import annotations

import json
import os
from pathlib import Path

import bpy
import numpy as np
import pytest

from tests.blender.pictures import read_png
from tests.blender.test_place_strip import difference, render, strips_of

pytestmark = pytest.mark.skipif(
    not os.environ.get("MOTIONCLONE_BACKEND_PYTHON"),
    reason="MOTIONCLONE_BACKEND_PYTHON is not set; `python3 -m install test` sets it",
)


def test_a_blockout_comes_back_as_a_clip_on_its_frames(scene, jobs, tmp_path):
    scene.motionclone.settings = "steps=4 guided_steps=2 warm_up_steps=1 cool_down_steps=1"
    scene.render.resolution_x, scene.render.resolution_y, scene.render.dither_intensity = 80, 48, 0
    assert bpy.ops.motionclone.generate() == {"FINISHED"}
    folder = Path(scene.motionclone.last_job)
    assert json.loads((folder / "state.json").read_text(encoding="utf-8"))["state"] == "done"
    made = [read_png(path) for path in sorted((folder / "result").glob("*.png"))]
    assert len(made) == 16 and made[0].shape == (48, 80, 3)

    assert bpy.ops.motionclone.take_place() == {"FINISHED"}
    (strip,) = strips_of(scene)
    assert (strip.frame_final_start, strip.frame_final_end) == (11, 59)
    first, last = render(scene, 11, tmp_path / "first.png"), render(scene, 58, tmp_path / "last.png")
    for shown, drawn in ((first, made[0]), (last, made[-1])):
        # Half the colour resolution of yuv420p moves single pixels; the picture's colours must stay. Blender 4.2
        # decodes 1 of 255 too dark.
        assert np.abs(shown.mean((0, 1)) - drawn.mean((0, 1))).max() < 2.5
        assert difference(blocks(shown), blocks(drawn)) <= 8


def blocks(picture: np.ndarray) -> np.ndarray:
    """Means of 8 x 8 pixels."""
    height, width, _ = picture.shape
    return picture.reshape(height // 8, 8, width // 8, 8, 3).mean((1, 3))


def test_what_the_backend_refuses_reaches_the_user(scene, jobs):
    scene.motionclone.settings = "steps=4 guided_steps=9"
    with pytest.raises(RuntimeError) as caught:
        bpy.ops.motionclone.generate()
    folder = Path(scene.motionclone.last_job)
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    assert state["state"] == "failed" and state["message"] in str(caught.value) and state["hint"] in str(caught.value)
