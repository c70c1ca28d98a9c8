"""Disk usage: it is measured and limited, and cleaning up never loses anything that a user made."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
import torch

from backend.__main__ import main
from backend.job import inversion_cache, motion_cache
from backend.job.inversion_cache import cached_inversion
from backend.job.motion_cache import cached_motion
from backend.job_folder.lock import FolderLock
from backend.job_folder.problem import Problem
from backend.job_folder.state import JobState, write_state
from backend.job_folder.storage import SECONDS_IN_USE, keep_newest, size_of
from backend.motion.representation import MotionRepresentation
from backend.worker.received_jobs import ReceivedJobs
from tests.systems import link_folder
from tests.workers import make_job

KEYS = [f"{number:064x}" for number in range(20)]


def put(path: Path, size: int = 1000, hours: float = 2.0) -> Path:
    """Writes a file that was last used this many hours ago, as was its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    then = time.time() - hours * 3600
    for each in (path, path.parent):
        os.utime(each, (then, then))
    return path


@pytest.fixture
def filled(data_folder) -> Path:
    """A data folder with one of each kind of data, all of it two hours old."""
    put(data_folder / "inversion" / KEYS[0] / "999.safetensors", 5000)
    put(data_folder / "inversion" / f"{KEYS[1]}.part" / "checkpoint.safetensors", 400)
    put(data_folder / "motion" / f"{KEYS[2]}.safetensors", 300)
    put(data_folder / "motion" / f"{KEYS[3]}.4711.part", 200)  # left by an earlier version that was killed
    put(data_folder / "received" / KEYS[4] / "job.json", 100)
    put(data_folder / "models" / "film.safetensors", 7000)
    job = make_job(data_folder / "jobs" / "20260101-101010-abcdef")
    write_state(JobState(state="done"), job)
    put(job / "result.mp4", 900)
    put(job / f"checkpoint.safetensors.{'0' * 12}.part", 600)
    put(job / "result" / f"0000.png.{'0' * 12}.part", 50)
    put(job / "result" / "0000.png", 40)
    return data_folder


def rows(capsys, *arguments: str) -> dict[str, dict]:
    assert main(["storage", "--json", *arguments]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_each_kind_is_measured_and_what_can_go_of_it(filled, capsys):
    found = rows(capsys)
    assert {name: (row["bytes"], row["removable"]) for name, row in found.items() if name != "jobs"} == {
        "inversion": (5400, 5400),
        "motion": (500, 500),
        "received": (100, 100),
        "models": (7000, 0),
    }
    assert found["jobs"]["bytes"] > 1590 and found["jobs"]["removable"] == 650
    assert found["jobs"]["path"] == str(filled / "jobs") and found["jobs"]["freed"] == 0


def test_cleaning_up_frees_it_and_keeps_what_a_user_made(filled, capsys):
    kept = {path for path in filled.rglob("*") if path.name in ("result.mp4", "job.json", "state.json", "0000.png")}
    found = rows(capsys, "--clean")
    assert found["jobs"]["freed"] == 5400 + 500 + 100 + 650
    assert not list((filled / "inversion").iterdir()) and not list((filled / "motion").iterdir())
    assert all(path.exists() for path in kept if "received" not in path.parts) and not list(filled.rglob("*.part"))
    assert (filled / "models" / "film.safetensors").exists()


def test_people_read_it_as_a_table(filled, capsys):
    assert main(["storage"]) == 0
    said = capsys.readouterr().out
    assert "Cache of inverted clips" in said and "`storage --clean` frees" in said
    assert main(["storage", "--clean"]) == 0
    assert " freed." in capsys.readouterr().out


def test_what_is_in_use_stays(filled, capsys):
    now = put(filled / "inversion" / KEYS[5] / "1.safetensors", hours=0.5)
    lock = FolderLock(filled / "inversion" / f"{KEYS[1]}.part")
    os.utime(filled / "inversion" / f"{KEYS[1]}.part", (0, 0))
    job = next((filled / "jobs").iterdir())
    other = FolderLock(job)
    assert rows(capsys, "--clean")["jobs"]["removable"] == 0
    assert now.exists() and (filled / "inversion" / f"{KEYS[1]}.part").exists() and list(job.glob("*.part"))
    lock.release()
    other.release()


def test_only_what_is_named_as_ours_goes_and_no_link_is_entered(filled, capsys, tmp_path):
    own = put(tmp_path / "own" / "film.mov")
    for kind in ("inversion", "motion", "received"):
        put(filled / kind / "my notes.txt")
        link_folder(filled / kind / KEYS[9], own.parent)
    planted = filled / "jobs" / "20260101-101010-aaaaaa"
    link_folder(planted, own.parent)
    put(own.parent / f"film.mov.{'0' * 12}.part")
    (own.parent / "job.json").write_text("{}")
    rows(capsys, "--clean")
    assert sorted(os.listdir(own.parent)) == ["film.mov", f"film.mov.{'0' * 12}.part", "job.json"]
    assert all((filled / kind / "my notes.txt").exists() for kind in ("inversion", "motion", "received"))


def test_data_that_were_moved_to_another_disk_are_measured_there(filled, capsys, tmp_path):
    (filled / "inversion").rename(tmp_path / "big disk")
    link_folder(filled / "inversion", tmp_path / "big disk")
    assert rows(capsys)["inversion"]["bytes"] == 5400


def test_another_folder_of_jobs_and_none_at_all(filled, capsys, tmp_path):
    put(tmp_path / "film" / "20260101-101010-abcdef" / "result.mp4", 123)
    assert rows(capsys, "--jobs", str(tmp_path / "film"))["jobs"]["bytes"] == 123
    assert rows(capsys, "--clean", "--jobs", str(tmp_path / "nowhere"))["jobs"]["bytes"] == 0


def test_the_oldest_go_first_beyond_a_number_or_a_size(tmp_path):
    made = [put(tmp_path / f"{age}" / "file", 100, hours=age) for age in range(1, 9)]
    keep_newest((path.parent for path in made), most=6, most_bytes=10**9)
    assert [path.exists() for path in made] == [True] * 6 + [False] * 2
    keep_newest((path.parent for path in made[:6]), most=6, most_bytes=250)
    assert [path.exists() for path in made] == [True] * 2 + [False] * 6


def test_the_newest_and_what_is_in_use_are_kept_whatever_their_size(tmp_path):
    hours = SECONDS_IN_USE / 3600
    made = [put(tmp_path / f"{age}" / "file", 100, hours=age * hours) for age in (0.5, 0.9, 1.5)]
    keep_newest((path.parent for path in made), most=1, most_bytes=1)
    assert [path.exists() for path in made] == [True, True, False]


def test_the_inversion_cache_is_bounded_in_bytes(data_folder, monkeypatch):
    monkeypatch.setattr(inversion_cache, "MAX_BYTES", 3000)
    for age, key in enumerate(KEYS[:4]):
        put(data_folder / "inversion" / key / "1.safetensors", 1000, hours=2 + age)

    def invert(keep, memory, after_step):
        keep(1, torch.zeros(1, 4, 2, 2, 2))

    latents = cached_inversion(KEYS[10], torch.device("cpu"), [1], invert)
    assert sorted(os.listdir(data_folder / "inversion")) == [*KEYS[:2], KEYS[10]] and latents(1).sum() == 0
    os.utime(latents.folder, (0, 0))
    latents(1)
    assert time.time() - latents.folder.stat().st_mtime < 60, "what a job reads is in use"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
def test_a_disk_that_does_not_take_inverted_latents_is_named_and_nothing_is_left(data_folder):
    import resource

    def invert(keep, memory, after_step):
        keep(1, torch.zeros(1, 4, 16, 64, 64))

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(Problem, match=r"latents cannot be written to .*inversion \(File too large\)"):
            cached_inversion(KEYS[10], torch.device("cpu"), [1], invert)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((data_folder / "inversion").iterdir())


def test_so_is_the_motion_cache_whose_half_written_files_go(data_folder, monkeypatch):
    monkeypatch.setattr(motion_cache, "MAX_BYTES", 2500)
    for age, key in enumerate(KEYS[:4]):
        put(data_folder / "motion" / f"{key}.safetensors", 1000, hours=2 + age)
    put(data_folder / "motion" / f"{KEYS[9]}.safetensors.{'0' * 12}.part")
    motion = MotionRepresentation({"layer": torch.zeros(1)}, {"layer": torch.zeros(1, dtype=torch.uint8)})
    cached_motion(KEYS[10], torch.device("cpu"), lambda: motion)
    assert sorted(os.listdir(data_folder / "motion"))[-1] == f"{KEYS[10]}.safetensors"
    assert size_of(data_folder / "motion") <= 2500 and not list((data_folder / "motion").glob("*.part"))


def test_copies_of_other_machines_jobs_are_bounded_too(data_folder, monkeypatch):
    monkeypatch.setattr("backend.worker.received_jobs.MAX_BYTES", 2500)
    for age, key in enumerate(KEYS[:4]):
        put(data_folder / "received" / key / "job.json", 1000, hours=2 + age)
    ReceivedJobs(lambda message: None)._clean_up()
    assert sorted(os.listdir(data_folder / "received")) == KEYS[:2]
