"""How long the next take will take, from those that are done."""

from __future__ import annotations

import json

import pytest

from backend.job_folder.pictures import png
from tests.extension import part

timings = part("jobs.timings")


def job(folder, name: str, seconds: dict[str, float], size=(32, 64), frames=16, model="demo", **settings):
    """A job folder with a result, as backend/job/job.py leaves it."""
    path = folder / name
    (path / "reference").mkdir(parents=True)
    height, width = size
    (path / "reference" / "0000.png").write_bytes(png(bytes(3 * height * width), width, height))
    request = {"model": model, "settings": settings}
    result = {"request": request, "settings": {"frames": frames} | CONTEXTS, "seconds": seconds}
    (path / "result.json").write_text(json.dumps(result), encoding="utf-8")
    return path


CONTEXTS = {"context_length": 16, "context_overlap": 6}


def learned(folder):
    known = timings.Timings()
    known.find(folder)
    while known.learn_one():
        pass
    return known


def test_the_middle_of_earlier_takes_of_the_same_kind_counts(tmp_path):
    for number, seconds in enumerate((40.0, 20.0, 21.0)):
        job(tmp_path, f"a{number}", {"loading": 1.0, "sampling": seconds})
    job(tmp_path, "b", {"sampling": 3.0}, family="draft")
    known = learned(tmp_path)
    assert known.seconds(timings.kind_of("demo", {}, 16, (32, 64))) == 22.0
    assert known.seconds(timings.kind_of("demo", {"family": "draft"}, 16, (32, 64))) == 3.0


@pytest.mark.parametrize("other", [("big", {}, 16, (32, 64)), ("demo", {}, 24, (32, 64)), ("demo", {}, 16, (64, 64))])
def test_nothing_is_said_of_another_kind(tmp_path, other):
    job(tmp_path, "a", {"sampling": 20.0})
    assert learned(tmp_path).seconds(timings.kind_of(*other)) is None


def test_a_clip_of_another_length_takes_as_long_for_each_context(tmp_path):
    job(tmp_path, "a", {"sampling": 20.0})
    job(tmp_path, "b", {"sampling": 120.0}, frames=46)  # four contexts
    known = learned(tmp_path)
    assert known.seconds(timings.kind_of("demo", {}, 46, (32, 64)), 4) == 120.0
    assert known.seconds(timings.kind_of("demo", {}, 106, (32, 64)), 10) == 250.0
    assert known.seconds(timings.kind_of("demo", {"steps": "9"}, 106, (32, 64)), 10) is None


def test_the_motion_s_strength_takes_no_time_but_its_absence_saves_some(tmp_path):
    job(tmp_path, "a", {"sampling": 20.0}, motion_strength="1.5")
    known = learned(tmp_path)
    assert known.seconds(timings.kind_of("demo", {"motion_strength": "0.5"}, 16, (32, 64))) == 20.0
    assert known.seconds(timings.kind_of("demo", {"motion_strength": "0"}, 16, (32, 64))) is None


@pytest.mark.parametrize("overlap", [99, 24, -3, "x", []])
def test_contexts_that_make_no_sense_break_nothing(tmp_path, monkeypatch, overlap):
    monkeypatch.setitem(CONTEXTS, "context_overlap", overlap)
    job(tmp_path, "a", {"sampling": 20.0}, frames=24)
    seconds = learned(tmp_path).seconds(timings.kind_of("demo", {}, 48, (32, 64)), 4)
    assert seconds is None or seconds > 0


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"request": 3}', "not json", '{"seconds": {"a": "b"}}'])
def test_what_cannot_be_read_is_passed_over(tmp_path, content):
    folder = job(tmp_path, "a", {"sampling": 1.0})
    (folder / "result.json").write_text(content, encoding="utf-8")
    (tmp_path / "a file").touch()
    (tmp_path / "empty").mkdir()
    assert not learned(tmp_path).any


def test_only_the_newest_folders_are_read(tmp_path):
    job(tmp_path, "20200101-000000-aaaaaa", {"sampling": 500.0})
    for number in range(timings.NEWEST):
        (tmp_path / f"20260101-000000-{number:06}").mkdir()
    assert not learned(tmp_path).any


def test_a_missing_jobs_folder_knows_nothing(tmp_path):
    assert not learned(tmp_path / "none").any


@pytest.mark.parametrize(
    "seconds, said",
    [(0.2, "about 1 s"), (7.4, "about 7 s"), (42, "about 40 s"), (100, "about 2 min"), (7200, "about 2.0 h")],
)
def test_durations_are_no_more_exact_than_known(seconds, said):
    assert timings.duration(seconds) == said
