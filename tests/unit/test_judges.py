"""The judges of "motion follows": near perfect for true renders, nothing for wrong clips."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.bench.cases import motion_cases
from backend.bench.evaluate import FIGURES, control, evaluate, summary, table
from backend.bench.judges import camera_cosine, color_drift, path_cosine
from backend.bench.look_classifier import WEIGHTS, accuracy, look_seen, trained
from backend.bench.look_data import draw_frames
from backend.bench.statistics import mean_interval, paired_gain
from backend.demo_training.world import COLORS, draw_clip

CASES = motion_cases()
SUBJECTS, CAMERAS = CASES[:4], CASES[12:16]


def test_the_cases_are_what_the_promise_names():
    assert len(CASES) >= 24 and sum(case.kind == "subject" for case in CASES) == len(CASES) / 2
    assert sum(case.reference_look.subject == "grey" for case in CASES) == len(CASES) / 2
    for case in CASES:
        for part in ("shape", "subject", "ground", "sky"):
            assert getattr(case.look, part) != getattr(case.reference_look, part)
    assert [c.prompt for c in motion_cases()] == [c.prompt for c in CASES]


def test_paths_of_true_renders():
    for case, other in zip(SUBJECTS, SUBJECTS[1:]):
        assert path_cosine(case.truth, case.look, case.path) > 0.95
        assert path_cosine(case.truth, case.look, other.path) < 0.9
        assert path_cosine(case.reference, case.look, case.path) < 0.6  # a copied reference lacks the colors asked for


def test_camera_series_of_true_renders():
    for case in CAMERAS[:3]:
        assert camera_cosine(case.truth, case.reference) > 0.8
        assert camera_cosine(case.truth[::-1], case.reference) < -0.5


def test_color_drift_is_what_motion_cannot_explain():
    fade = np.linspace(1, 0.7, 16)[:, None, None, None]
    for case in (SUBJECTS[0], CAMERAS[0]):
        assert color_drift(case.truth, case.look) < 0.03
        assert color_drift((case.truth * fade).astype(np.uint8), case.look) > 0.05


def test_the_classifier_knows_clean_renders():
    assert WEIGHTS.stat().st_size < 300_000
    shares = accuracy(trained(), *draw_frames(np.random.default_rng(1_000_003), 300, plain=True))
    assert min(shares.values()) > 0.95, shares


def test_blobs_do_not_pass():
    case = SUBJECTS[0]
    scene = cv2.GaussianBlur(case.truth[0], (0, 0), 9)
    cv2.circle(scene, (30, 34), 9, COLORS[case.look.subject], -1)
    blob = cv2.GaussianBlur(scene, (0, 0), 5)
    assert float(look_seen(np.repeat(blob[None], 16, 0))["clean"]) < 0.5


def test_all_figures_of_a_true_render_and_of_a_wrong_clip():
    case = SUBJECTS[1]
    right, wrong = evaluate(case, case.truth), evaluate(case, draw_clip(CAMERAS[0].look, CAMERAS[0].motion))
    assert set(right) == set(FIGURES)
    assert right["motion_score"] > 0.6 and right["subject_path"] > 0.95 and np.isnan(right["camera"])
    assert right["subject_right"] == right["ground_right"] == right["sky_right"] == 1
    assert wrong["motion_score"] < 0.4


def test_the_control_tells_own_from_other_references():
    figures = control(SUBJECTS, [case.truth for case in SUBJECTS])
    assert figures["own"] > figures["other"] + 0.4 and figures["rank"] < 1.6


def test_means_and_gains():
    few = mean_interval([0.0, 1.0, 0.5, float("nan")])
    assert few.mean == pytest.approx(0.5) and few.low < 0.5 < few.high
    seeds = [[0.1, 0.9], [0.3, 0.7]]
    assert mean_interval(seeds).mean == pytest.approx(0.5)
    gain = paired_gain([[1.1, 1.9]], [[1.0, 1.8]])
    assert gain == pytest.approx((0.1, 0.1, 0.1))
    assert np.isnan(mean_interval([float("nan")]).mean)


def test_the_table_has_every_figure_and_run():
    runs = {"unguided": {"drift": [0.1, 0.2]}, "guided": {"drift": [0.2, 0.3]}}
    text = table(summary(runs, base="unguided"))
    assert text.splitlines()[0] == "| figure | unguided | guided |"
    assert "| drift gain |  | +0.10 [+0.10, +0.10] |" in text
