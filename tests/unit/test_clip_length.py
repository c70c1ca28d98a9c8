"""A clip has as many frames as its shot's duration asks for."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from backend.__main__ import main
from backend.clips import write_frames, write_video
from backend.job.job import read_job, read_reference, run_job
from backend.job_folder.clip_length import automatic_frames, context_count
from backend.job_folder.declared import SettingError
from backend.job_folder.problem import Problem
from backend.job_folder.request import JobRequest, Shot, write_request
from backend.models.entry import find_entry, read_entry
from backend.models.model_entry import ModelEntry
from backend.sampling.contexts import Contexts
from tests.extension import part
from tests.tiny_jobs import Told, frames, job_of


@pytest.mark.parametrize(
    "shot, fps, expected",
    [
        (48, 24.0, 16),  # two seconds
        (120, 24.0, 40),
        (120, 29.97, 32),
        (10, 24.0, 16),  # never fewer than the model's own
        (1, 24.0, 16),
        (24000, 24.0, 1000),
        (40, 4.0, 40),  # no more than the shot has
        (100_000, 1e-6, 1000),
    ],
)
def test_auto_is_the_shot_s_duration_at_the_model_s_rate(shot, fps, expected):
    assert automatic_frames(shot, fps, own=16, rate=8) == expected
    assert automatic_frames(shot, fps, own=16, rate=0) == 16


@pytest.mark.parametrize("count, length, overlap", [(16, 16, 6), (17, 16, 6), (26, 16, 6), (27, 16, 6), (240, 16, 0)])
def test_contexts_are_counted_as_they_are_generated(count, length, overlap):
    assert context_count(count, length, overlap) == len(Contexts(count, length, overlap).at(0))


def test_a_job_from_a_long_clip_has_more_frames_than_from_a_short_one(tiny, tmp_path, capsys):
    for seconds, expected in ((0.5, 8), (1.5, 12)):
        clip = write_video(tmp_path / f"{seconds}.mp4", np.zeros((round(24 * seconds), 32, 32, 3), np.uint8), 24.0)
        folder = job_of(clip, tmp_path / f"job {seconds}")
        assert len(list((folder / "reference").iterdir())) == expected
        request, _, settings = read_job(folder)
        assert "frames" not in request.settings and settings.frames == expected and settings.context_length == 8


def test_it_is_generated_in_contexts_and_the_result_says_how(tiny, tmp_path):
    shades = np.random.default_rng(0).integers(0, 255, (60, 32, 32, 3)).astype(np.uint8)
    folder = job_of(write_video(tmp_path / "long.mp4", shades, 24.0), tmp_path / "job", "--set", "steps=4")
    result = run_job(folder, Told().progress(folder))
    chosen = {name: result["settings"][name] for name in ("frames", "context_length", "context_overlap")}
    assert chosen == {"frames": 20, "context_length": 8, "context_overlap": 2}
    assert len(frames(folder)) == 20
    assert json.loads((folder / "result.json").read_text())["settings"]["frames"] == 20


@pytest.mark.parametrize("settings", [{}, {"frames": 8}, {"frames": "8"}, {"frames": "auto"}])
def test_older_jobs_with_a_number_of_frames_are_one_context_as_they_were(tiny, tmp_path, settings):
    """Also of a shot that would have more frames today."""
    write_frames(tmp_path / "reference", np.zeros((8, 32, 32, 3), np.uint8))
    shot = Shot(frames=240, fps=24.0)
    write_request(JobRequest(prompt="a red ball", model="tiny", settings=settings, shot=shot), tmp_path)
    _, entry, found = read_job(tmp_path)
    assert (found.frames, found.context_length) == (8, 8)
    assert len(read_reference(tmp_path / "reference", entry, found)) == 8


def test_as_many_frames_as_the_model_generates_at_once_stay_one_context_if_asked_for(tiny):
    entry = find_entry("tiny")
    assert entry.settings_for({"frames": "24"}).context_length == 24
    assert entry.settings_for({}, frames=24).context_length == 8


def test_too_many_pictures_are_refused_unread(tiny, tmp_path):
    (tmp_path / "reference").mkdir()
    for number in range(1001):
        (tmp_path / "reference" / f"{number:04d}.png").write_bytes(b"no picture")
    request = JobRequest(prompt="a red ball", model="tiny", settings={}, shot=Shot(frames=240, fps=24.0))
    write_request(request, tmp_path)
    _, entry, settings = read_job(tmp_path)
    with pytest.raises(Problem, match="contains 1001 frames; the setting frames is 1000"):
        read_reference(tmp_path / "reference", entry, settings)


def test_a_family_without_contexts_keeps_its_own_number():
    class Other(ModelEntry):
        backbone = "wan"

    entry = Other(name="other", title="Other", clip=replace(find_entry("demo").clip, frames=16, most_frames=32))
    assert entry.rate == 0 and find_entry("demo").rate == 8
    settings = entry.settings_for({})
    assert (settings.frames, settings.context_length) == (16, None)
    with pytest.raises(SettingError, match="generates at most 32 frames"):
        entry.settings_for({"frames": 33})


def test_a_rate_is_the_entry_s_own_and_positive(tiny, tmp_path):
    text = (tiny.parent / "tiny.toml").read_text()
    other = tiny.parent / "fast.toml"
    other.write_text(text.replace("[clip]", "[clip]\nrate = 12"))
    assert read_entry(other).rate == 12
    other.write_text(text.replace("[clip]", "[clip]\nrate = 0"))
    with pytest.raises(Problem, match="rate is 0"):
        read_entry(other)


def test_the_list_of_models_tells_the_rate_and_no_number_of_frames(tiny, capsys):
    assert main(["models", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["tiny"]["rate"] == 8 and "frames" not in rows["tiny"]["values"]["default"]
    part("setup.backend_models").models_in(json.dumps(list(rows.values())).encode())


MODEL = {"name": "demo", "frames": 16, "most_frames": 32}


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({}, (40, 3)),
        ({"frames": "auto"}, (40, 3)),
        ({"frames": "24"}, (24, 1)),
        ({"frames": "33"}, (33, 3)),
        ({"context_overlap": "8"}, (40, 4)),
        ({"context_length": "32"}, (40, 2)),
    ],
)
def test_the_form_counts_frames_and_contexts(settings, expected):
    clip_length = part("settings_text").clip_length
    assert clip_length(settings, MODEL | {"rate": 8}, Shot(frames=120, fps=24.0)) == expected


def test_an_older_worker_is_sent_its_own_number_of_frames():
    clip_length = part("settings_text").clip_length
    assert clip_length({}, MODEL, Shot(frames=120, fps=24.0)) == (16, 1)
    with pytest.raises(part("backend.job_folder.problem").Problem, match="frames is 33, but the model 'demo' allows"):
        clip_length({"frames": "33"}, MODEL, Shot(frames=120, fps=24.0))
