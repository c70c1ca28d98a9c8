"""Which scene a job belongs to, which jobs are offered, and what may be deleted."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from backend.job_folder.lock import FolderLock
from backend.job_folder.writing import is_link
from tests.extension import part
from tests.systems import link_folder

notes, recovery, files = part("job_note"), part("jobs.recovery"), part("jobs.job_files")
Problem = part("backend.job_folder.problem").Problem
NAME = "20261125-101500-abc123"
HERE = notes.Owner(scene="Shot ü", key="k1", file="/films/a.blend")


def job(folder: Path, state: str | None = "done", owner=HERE) -> Path:
    folder.mkdir(parents=True)
    (folder / "job.json").write_text("{}")
    if state:
        (folder / "state.json").write_text(json.dumps({"state": state}))
    notes.note_owner(folder, owner, 11)
    return folder


def found(jobs: Path, *scenes) -> list:
    return [offer for offer in recovery.search(jobs, scenes or [HERE]) if offer]


@pytest.mark.parametrize(
    "other, owns",
    [
        ({"key": "k1"}, True),  # renamed, or saved under another name
        ({"key": "k1", "scene": "Other", "file": "/films/b.blend"}, True),
        ({"key": "", "scene": "Shot ü", "file": "/films/a.blend"}, True),  # the key was not saved
        ({"key": "k2", "scene": "Shot ü", "file": "/films/../films/a.blend"}, True),
        ({"key": "k2", "scene": "Other", "file": "/films/a.blend"}, False),
        ({"key": "k2", "scene": "Shot ü", "file": "/films/b.blend"}, False),
        ({}, False),
    ],
)
def test_a_scene_knows_its_jobs(other, owns):
    assert HERE.owns(other) is owns


def test_unsaved_files_without_a_key_own_nothing():
    new = notes.Owner(scene="Scene", key="", file="")
    assert not new.owns({"scene": "Scene", "key": "", "file": ""})


def test_what_is_noted_keeps_what_the_capture_noted(tmp_path):
    folder = job(tmp_path / NAME)
    note = notes.read_note(folder)
    assert (note["scene"], note["key"], note["file"], note["frame_start"]) == ("Shot ü", "k1", "/films/a.blend", 11)
    notes.note_owner(folder, notes.Owner(scene="B", key="k2", file=""), 99)
    assert notes.read_note(folder)["frame_start"] == 11 and HERE.owns(note)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "[" * 100_000])
def test_a_note_that_cannot_be_read_is_none(tmp_path, content):
    (tmp_path / "blender.json").write_text(content)
    assert notes.read_note(tmp_path) == {}


def test_a_full_disk_is_told_and_leaves_the_note_as_it_was(tmp_path, monkeypatch):
    folder = job(tmp_path / NAME)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(notes, "write_atomically", full)
    with pytest.raises(Problem, match="No space left on device.*Free disk space"):
        notes.dismiss(folder)
    assert not notes.read_note(folder)["dismissed"]


def test_finished_and_unfinished_jobs_of_the_scene_are_offered_the_newest_first(tmp_path):
    states = ["done", "failed", "cancelled", "queued", "running", None]
    for n, state in enumerate(states):
        job(tmp_path / f"2026112{n}-000000-aaaaaa", state)
    job(tmp_path / "20261129-000000-aaaaaa", "done", notes.Owner(scene="Other", key="k9", file="/films/c.blend"))
    (tmp_path / "20261130-000000-aaaaaa").mkdir()  # being captured
    (tmp_path / "file").touch()
    names = [(offer.job[:8], offer.done, offer.undone) for offer in found(tmp_path)]
    assert names == [
        ("20261125", False, True),
        ("20261124", False, True),
        ("20261123", False, True),
        ("20261120", True, False),
    ]


def test_what_a_worker_is_at_is_marked_and_what_the_user_does_not_want_is_not_offered(tmp_path):
    busy, unwanted = job(tmp_path / "a", "running"), job(tmp_path / "b")
    lock = FolderLock(busy)
    notes.dismiss(unwanted)
    assert [(offer.folder, offer.at_work) for offer in found(tmp_path)] == [(busy, True)]
    lock.release()
    assert [(offer.folder, offer.at_work) for offer in found(tmp_path)] == [(busy, False)]
    notes.note_owner(unwanted, HERE, 1)  # taken in again by hand
    assert len(found(tmp_path)) == 2


def test_a_job_that_was_just_handed_over_is_awaited_until_its_worker_says_something(tmp_path, monkeypatch):
    new, again = job(tmp_path / "a", None), job(tmp_path / "b", "failed")
    assert not any(notes.is_awaited(folder, notes.read_note(folder)) for folder in (new, again))
    os.utime(again / "state.json", (time.time() - 3600,) * 2)  # it ran an hour ago
    for folder in (new, again):
        notes.note_handing_over(folder)
        notes.note_owner(folder, HERE, 11)
    assert [offer.at_work for offer in found(tmp_path)] == [True, True]
    assert not any(offer.out_of_work for offer in found(tmp_path))
    os.utime(again / "state.json")
    assert [offer.folder for offer in found(tmp_path)] == [new], "the other has failed anew"
    later = time.time() + notes.SECONDS_TO_START
    monkeypatch.setattr(notes.time, "time", lambda: later)
    (offer,) = found(tmp_path)
    assert offer.undone and not offer.at_work


@pytest.mark.parametrize("since", [None, "now", True, [], -1.0, 1e300])
def test_what_does_not_tell_when_it_was_handed_over_is_not_awaited(tmp_path, since):
    folder = job(tmp_path / "a", None)
    assert not notes.is_awaited(folder, {"handed_over": since})


def test_no_jobs_folder_no_offers(tmp_path):
    assert found(tmp_path / "none") == [] and found(tmp_path) == []


def test_a_search_looks_into_one_folder_at_a_time(tmp_path):
    for n in range(3):
        job(tmp_path / f"job-{n}")
    assert len(list(recovery.search(tmp_path, []))) == 3


def test_a_job_is_deleted_with_all_it_holds(tmp_path):
    folder = job(tmp_path / "Aufträge 猫" / NAME)
    (folder / "reference").mkdir()
    (folder / "reference/0000.png").touch()
    files.delete_job(folder)
    assert not folder.exists() and folder.parent.is_dir()


def test_nothing_else_is_deleted(tmp_path):
    """A .blend from elsewhere may name any folder."""
    ours, named, empty = job(tmp_path / NAME), job(tmp_path / "Documents"), tmp_path / "20261125-101500-abc124"
    empty.mkdir()
    for folder in (named, empty, tmp_path):
        with pytest.raises(Problem, match="was not made by MotionClone"):
            files.delete_job(folder)
        assert folder.exists()
    assert (ours / "job.json").is_file()


def test_a_link_to_a_job_is_not_deleted(tmp_path):
    ours = job(tmp_path / NAME)
    link = link_folder(tmp_path / "20261125-101500-abc125", ours)
    with pytest.raises(Problem, match="was not made by MotionClone"):
        files.delete_job(link)
    assert is_link(link) and (ours / "job.json").is_file()


def test_what_a_worker_is_at_is_not_deleted(tmp_path):
    folder = job(tmp_path / NAME, "running")
    lock = FolderLock(folder)
    with pytest.raises(Problem, match="A worker is running the job"):
        files.delete_job(folder)
    lock.release()
    files.delete_job(folder)


def test_a_folder_that_resists(tmp_path, monkeypatch):
    folder = job(tmp_path / NAME)

    def resist(path):
        raise PermissionError(13, "Permission denied", str(path / "result.mp4"))

    monkeypatch.setattr(sys.modules[files.__name__].shutil, "rmtree", resist)
    with pytest.raises(Problem, match=r"result.mp4 cannot be deleted \(Permission denied\)"):
        files.delete_job(folder)
