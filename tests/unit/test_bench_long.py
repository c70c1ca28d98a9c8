"""`bench long` judges long shots by a truth that is drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest

from backend.__main__ import main
from backend.bench.cases import motion_cases
from backend.bench.long_shots import judged, prolonged, seams
from backend.sampling.contexts import Contexts

CONTEXTS = Contexts(48, 16, 10)


@pytest.fixture(scope="module")
def shot():
    return prolonged(motion_cases(size=(64, 64))[0], 48)


def test_a_long_shot_begins_as_its_case_and_comes_back(shot):
    case = motion_cases(size=(64, 64))[0]
    assert len(shot.reference) == len(shot.path) == 48
    np.testing.assert_allclose(shot.path[[0, 20, 40]], case.path[[0, -1, 0]], atol=1e-4)
    assert np.abs(np.diff(shot.path, axis=0)).max() < 2 * np.abs(np.diff(case.path, axis=0)).max()


def test_the_truth_has_no_seams_and_everything_right(shot):
    found = judged(shot, shot.truth, CONTEXTS)
    assert found["motion_score"] > 0.5 and found["seam"] == pytest.approx(1) and found["jump"] == 1
    assert found["subject_right"] == found["shape_right"] == 1 and found["clean"] > 0.9


def test_a_clip_that_jumps_where_contexts_begin_has_seams(shot):
    """Each context of the first step is a little brighter or darker than the one before."""
    contexts = Contexts(48, 16, 0)
    jumping = shot.truth.astype(int)
    for k, context in enumerate(contexts.at(0)):
        jumping[list(context)] += 20 * (k % 2)
    found = seams(jumping.clip(0, 255).astype(np.uint8), shot.truth, contexts)
    assert found["seam"] > 1.5 and found["jump"] > 2


@pytest.mark.slow
def test_bench_long_prints_figures_for_each_length_time_and_memory(tiny, capsys):
    few = ["--set", "steps=2", "--set", "guided_steps=1", "--set", "context_length=8"]
    arguments = ["--model", "tiny", "--seeds", "1", "--every", "24", "--processes", "1", "--frames", "20,24", *few]
    assert main(["bench", "long", *arguments, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed["figures"]) == {"16", "20", "24"}
    assert all(set(costs) == {"20", "24"} for costs in printed["costs"].values())
    counted = printed["costs"]["gigabytes, SD1.5 counted"]
    assert 1 < counted["20"] <= counted["24"] < 1.05 * counted["20"]


def test_bench_long_refuses_short_shots(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "long", "--frames", "16"])
    assert "shots have 17 to 1000 frames" in capsys.readouterr().err
