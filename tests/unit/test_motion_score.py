"""The motion score of drawn clips with known motion, compared with the track of the drawn subject."""

from __future__ import annotations

import numpy as np
import pytest

from backend.bench.judges import control_matrix, reference_ranks, subject_track
from backend.clips import fit, in_between
from backend.clips.motion_score import motion_score
from backend.clips.optical_flow import optical_flow
from backend.demo_training.moves import random_look, random_motion, recolored
from backend.demo_training.world import draw_clip, project
from backend.job_folder.problem import Problem

PAIRS = 8


@pytest.fixture(scope="module")
def pairs() -> list[tuple]:
    """(motion, its reference clip, the same motion with another look, that look): first subjects, then cameras."""
    drawn = []
    for k in range(PAIRS):
        rng = np.random.default_rng(30_000 + k)
        look = random_look(rng, blockout=k % 2 == 0)
        motion, other = random_motion(rng, "subject" if k < PAIRS // 2 else "camera"), recolored(look, rng)
        drawn.append((motion, draw_clip(look, motion), draw_clip(other, motion), other))
    return drawn


@pytest.fixture(scope="module")
def matrix(pairs) -> np.ndarray:
    """The scores [clips, references] of the recolored clips."""
    return control_matrix([p[2] for p in pairs], [p[1] for p in pairs])


def test_a_clip_follows_itself(pairs):
    for _, reference, *_ in pairs[::3]:
        assert motion_score(reference, reference) == pytest.approx(1, abs=1e-4)


def test_recolored_clips_follow_and_others_do_not(matrix):
    others = matrix[~np.eye(PAIRS, dtype=bool)]
    assert np.diag(matrix).mean() > 0.7 and np.diag(matrix).min() > 0.4
    assert abs(others.mean()) < 0.1
    assert (reference_ranks(matrix) == 1).mean() >= 0.75


def test_the_subjects_track_agrees(pairs):
    """A second judge besides the flow: where the score is high, the drawn subject is where the motion puts it."""
    for motion, _, clip, look in pairs[: PAIRS // 2]:
        track, true = subject_track(clip, look), project(motion)
        seen = ~np.isnan(track[:, 0])
        assert seen.sum() >= 12
        assert np.abs(track[seen] - true[seen]).mean() < 0.12  # half frame heights: 4 of 64 pixels


def test_reversed_motion_is_negative(pairs):
    scores = [motion_score(clip[::-1], reference) for _, reference, clip, _ in pairs]
    assert np.mean(scores) < -0.3 and max(scores[PAIRS // 2 :]) < 0  # a camera move turned back is its opposite


def test_colors_hardly_matter(pairs):
    _, reference, clip, _ = pairs[0]
    swapped = 255 - clip[..., ::-1]
    assert motion_score(swapped, reference) == pytest.approx(motion_score(clip, reference), abs=0.15)
    assert motion_score(255 - reference, reference) > 0.8


def test_a_still_clip_scores_nothing(pairs):
    still = np.repeat(pairs[0][2][:1], 16, 0)
    assert motion_score(still, pairs[0][1]) == pytest.approx(0, abs=0.02)


def test_half_the_speed_scores_less(pairs):
    _, reference, clip, _ = pairs[-1]
    slow = in_between(clip[:8], 15)
    assert motion_score(slow, reference) < motion_score(clip, reference)


def test_lengths_and_sizes_may_differ(pairs):
    _, reference, clip, _ = pairs[1]
    same = motion_score(clip, reference)
    assert motion_score(in_between(clip, 31), reference) == pytest.approx(same, abs=0.15)
    assert motion_score(clip, fit(reference, (200, 200))) == pytest.approx(same, abs=0.15)


def test_the_reference_is_cropped_to_the_clips_shape(pairs):
    """A crop also changes the contrast for the flow, so single scores may be slightly lower."""
    scores = [motion_score(fit(reference, (80, 128)), reference) for _, reference, *_ in pairs[::2]]
    scores.append(motion_score(fit(pairs[-1][1], (80, 128)), pairs[-1][1]))
    assert np.median(scores) > 0.95 and min(scores) > 0.75


def test_a_still_reference_is_an_error(pairs):
    with pytest.raises(Problem, match="does not move"):
        motion_score(pairs[0][1], np.repeat(pairs[0][1][:1], 16, 0))


def test_one_frame_is_an_error(pairs):
    with pytest.raises(Problem, match="at least two frames"):
        motion_score(pairs[0][1][:1], pairs[0][1])


def test_flow_is_in_frame_heights_right_and_down():
    texture = fit(np.random.default_rng(0).integers(0, 255, (1, 20, 20, 3), np.uint8), (200, 200))[0]
    clip = np.stack([texture[40:140, 60:160], texture[44:144, 50:150]])  # the window goes left 10 and down 4 pixels
    flow = optical_flow(clip)[0]
    assert np.median(flow.reshape(-1, 2), 0) == pytest.approx([0.10, -0.04], abs=0.01)
