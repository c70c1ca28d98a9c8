"""Frames between a model's frames: even motion, and a cross-fade where the frames disagree."""

from __future__ import annotations

import numpy as np
import pytest

from backend.bench import in_betweens
from backend.bench.in_betweens import drawn_clips, main, psnr, pulsing
from backend.clips import in_between
from backend.demo_training.world import Look, Motion, draw_clip


def ball_at(x: float) -> np.ndarray:
    camera = np.array([[0, 2.2, -9, 0, -0.15, 0, 1.6]])
    return draw_clip(Look("ball", "red", "green", "blue"), Motion(np.array([[x, 0, 0]]), np.zeros(1), 1.0, camera))[0]


def test_where_a_subject_disappears_and_another_appears_they_are_cross_faded():
    first, second = ball_at(-2.2), ball_at(2.2)
    out = in_between(np.stack([first, second]), 9).astype(float)
    for index in range(1, 8):
        share = index / 8
        faded = (1 - share) * first + share * second
        assert np.abs(out[index] - faded).max(-1).mean() < 0.5
        assert np.percentile(np.abs(out[index] - faded).max(-1), 99) < 12  # no remains of torn pieces


def test_slow_changes_do_not_all_happen_midway():
    first = np.full((64, 64, 3), 100, np.uint8)
    out = in_between(np.stack([first, first + 1]), 9).astype(float) - 100
    assert out.mean((1, 2, 3)) == pytest.approx(np.linspace(0, 1, 9), abs=0.11)
    assert np.array_equal(out[0], np.zeros_like(out[0])) and np.array_equal(out[-1], np.ones_like(out[0]))


def test_frames_whose_details_disagree_change_evenly():
    """As in generated clips: one motion, but each frame has details of its own."""
    rng = np.random.default_rng(2)
    clip = next(drawn_clips(1, 3))[::3][:6].astype(float)
    noise = rng.normal(0, 1, (6, 16, 16, 3)).repeat(8, 1).repeat(8, 2) * 10
    frames = np.clip(clip + noise, 0, 255).astype(np.uint8)
    assert pulsing(in_between(frames, 46), 6) < 1.15


def test_drawn_motion_is_met_better_than_by_fading():
    true = next(drawn_clips(1, 3))[:16]
    made, kept = in_between(true[::3], 16), true[::3].astype(np.float32)
    share = np.arange(16)[:, None, None, None] % 3 / 3
    left = np.arange(16) // 3
    faded = (1 - share) * kept[left] + share * kept[np.minimum(left + 1, 5)]
    between = np.arange(16) % 3 > 0
    assert psnr(made[between], true[between]) > psnr(faded[between], true[between]) + 3


def test_the_benchmark_prints_its_figures(monkeypatch, capsys):
    monkeypatch.setattr(in_betweens, "FACTORS", (2,))
    assert main(["--clips", "1"]) == 0
    assert "2 times the frames: PSNR " in capsys.readouterr().out
