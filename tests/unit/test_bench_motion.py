"""The bench runs from the command line and judges what the model really made; its figures belong to the model card."""

import json

import pytest

from backend.__main__ import main


@pytest.mark.slow
def test_bench_motion_prints_every_figure(tiny, tmp_path, capsys):
    arguments = ["--model", "tiny", "--seeds", "1", "--every", "12", "--processes", "1", "--json"]
    assert (
        main(["bench", "motion", *arguments, "--compare", "more:motion_weight=400 steps=3", "--clips", str(tmp_path)])
        == 0
    )
    printed = json.loads(capsys.readouterr().out)
    assert set(printed["figures"]) == set(printed["control"]) == {"unguided", "default", "more", "ceiling"}
    assert printed["figures"]["ceiling"]["subject_path"][0] > 0.9
    assert printed["figures"]["ceiling"]["subject_right"][0] == 1
    assert printed["figures"]["default"]["subject_right"][0] == 0  # random weights make no clean picture
    assert "motion_score gain" in printed["figures"]["default"]
    assert len(list((tmp_path / "more" / "seed 0" / "case 00").iterdir())) == 16


@pytest.mark.parametrize(
    "arguments, words", [(["--compare", "x:stepz=3"], "Did you mean 'steps'?"), (["--model", "demmo"], "'demo'")]
)
def test_bench_motion_checks_before_it_starts(capsys, arguments, words):
    assert main(["bench", "motion", *arguments]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_bench_masks_judges_subject_and_background_apart(tiny, capsys):
    assert (
        main(["bench", "masks", "--model", "tiny", "--seeds", "1", "--every", "12", "--processes", "1", "--json"]) == 0
    )
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {"unguided", "no mask", "subject only", "background only", "ceiling"}
    assert figures["ceiling"]["background"][0] > 0.7 and abs(figures["unguided"]["background"][0]) < 0.4


@pytest.mark.slow
def test_bench_controls_judges_pictures_and_depth(tiny, capsys):
    arguments = ["--seeds", "1", "--every", "24", "--processes", "1", "--json"]
    assert main(["bench", "controls", "--model", "tiny-controls", *arguments]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["ceiling"]["first_frame"][0] == figures["ceiling"]["last_frame"][0] == 0
    assert figures["picture"]["first_frame"] != figures["no prompt"]["first_frame"]
    assert figures["depth"]["motion_score"] != figures["prompt"]["motion_score"]


def test_bench_controls_needs_control_models(tiny, capsys):
    assert main(["bench", "controls", "--model", "tiny", "--seeds", "1", "--every", "12", "--processes", "1"]) == 1
    assert "names no sparse_rgb and no depth_control" in capsys.readouterr().err
