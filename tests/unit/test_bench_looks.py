"""`backend bench looks`: scenes' own motion judges their takes."""

from __future__ import annotations

import numpy as np
import pytest

from backend.bench import looks
from backend.clips import write_frames
from backend.job_folder.problem import Problem


def moving_clip(step: int) -> np.ndarray:
    """uint8 [8, 64, 64, 3] of noise that moves `step` pixels to the right a frame."""
    noise = np.random.default_rng(5).integers(0, 255, (16, 16), np.uint8)
    wide = np.kron(noise, np.ones((8, 8), np.uint8))
    return np.stack([np.repeat(np.roll(wide, step * k, 1)[:64, 32:96, None], 3, 2) for k in range(8)])


def write_vectors(folder, step: float) -> None:
    folder.mkdir(parents=True)
    for k in range(7):
        flow = np.zeros((64, 64, 2), np.float32)
        flow[..., 0] = step
        flow[:4] = np.nan  # sky
        np.save(folder / f"{k:04d}.npy", flow)


def test_a_clip_is_scored_by_true_vectors(tmp_path):
    write_vectors(tmp_path / "vectors", 2)
    wanted = looks.true_field(tmp_path / "vectors")
    assert wanted.shape == (7, 64, 64, 2) and np.isfinite(wanted).all()
    assert wanted[3, 32, 32] == pytest.approx([2 / 64 * 7, 0], abs=1e-4)
    assert looks.score(moving_clip(2), wanted) > 0.9
    assert looks.score(moving_clip(-2), wanted) < -0.8
    assert looks.score(moving_clip(0), wanted) == pytest.approx(0, abs=0.1)


def test_every_look_gets_a_line(tmp_path):
    found = {"unguided": {"a": [0.0, 0.2]}, "MOTION": {"a": [0.5, 0.7]}}
    text = looks.table(found, {"MOTION": {"a": 0.9}})
    assert "MOTION           +0.600" in text and "(MOTION        ) +0.900" in text


def test_a_folder_without_scenes_is_said(tmp_path):
    write_frames(tmp_path / "scene" / "PLAIN", moving_clip(1))
    with pytest.raises(Problem, match="holds no scenes"):
        looks.main([str(tmp_path)])
