"""A job folder may come from a stranger: what is read from it, what it may contain, and how it is deleted."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.extension import part
from tests.systems import link, link_folder

files, notes, recovery = part("jobs.job_files"), part("job_note"), part("jobs.recovery")
pictures = part("picture_files")
finished = part("results.finished_job")
movies, timings, wrapping = part("results.finished_job"), part("jobs.timings"), part("wrapping")
Problem = part("backend.job_folder.problem").Problem
NAME = "20261125-101500-abc123"
PIPES = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files in folders")


def job(folder: Path) -> Path:
    for name in ("reference", "result"):
        (folder / name).mkdir(parents=True)
        (folder / name / "0000.png").write_bytes(b"x")
    (folder / "job.json").write_text("{}")
    (folder / "result.mp4").write_bytes(b"x")
    return folder


def open_windows_file(monkeypatch, name: str) -> None:
    """Makes a file behave as on Windows while another program has it open: neither it nor its folder can be removed."""
    rename, unlink = os.rename, Path.unlink

    def no_rename(source, target):
        if (Path(source) / name).exists():
            raise PermissionError(13, "The process cannot access the file", str(source))
        rename(source, target)

    def no_unlink(path, missing_ok=False):
        if path.name == name:
            raise PermissionError(13, "The process cannot access the file", str(path))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(os, "rename", no_rename)
    monkeypatch.setattr(Path, "unlink", no_unlink)


def test_a_job_whose_clip_is_open_on_windows_loses_nothing_and_can_be_deleted_later(tmp_path, monkeypatch):
    folder = job(tmp_path / NAME)
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    with monkeypatch.context() as windows:
        open_windows_file(windows, "result.mp4")
        with pytest.raises(Problem, match=f"{NAME} cannot be deleted.*Close the program that uses it"):
            files.delete_job(folder)
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
    files.delete_job(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_deleted_leaves_a_folder_that_can_be_tried_again(tmp_path, monkeypatch):
    folder, unlink = job(tmp_path / NAME), Path.unlink

    def resist(path, missing_ok=False):
        if path.name == "result.mp4":
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as resisting:
        resisting.setattr(Path, "unlink", resist)
        with pytest.raises(Problem, match=rf"{NAME}/result.mp4 cannot be deleted \(Permission denied\)"):
            files.delete_job(folder)
    assert (folder / "job.json").is_file() and (folder / "result.mp4").is_file()
    files.delete_job(folder)
    assert list(tmp_path.iterdir()) == []


def test_deleting_follows_no_link(tmp_path):
    folder, other = job(tmp_path / NAME), job(tmp_path / "other")
    link_folder(folder / "passes", other)
    link(folder / "log.txt", other / "job.json")
    files.delete_job(folder)
    assert (other / "job.json").is_file() and (other / "reference/0000.png").is_file()


@PIPES
@pytest.mark.parametrize("name", ["mask", "reference/0001.png", "passes/depth/0000.exr", "state.json", "result/x"])
@pytest.mark.parametrize("kind", ["link", "dead link", "pipe"])
def test_a_job_with_anything_but_plain_files_is_not_worked_with(tmp_path, name, kind):
    folder = job(tmp_path / NAME)
    files.check_job(folder)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(tmp_path if kind == "link" else "nowhere")
    with pytest.raises(Problem, match=f"{path.name} is a link, a pipe or a device"):
        files.check_job(folder)


def test_a_folder_without_a_job_or_with_more_than_one_has(tmp_path, monkeypatch):
    with pytest.raises(Problem, match=r"There is no job\.json"):
        files.check_job(tmp_path)
    folder = job(tmp_path / NAME)
    monkeypatch.setattr(files, "MAX_ENTRIES", 3)
    with pytest.raises(Problem, match="contains more files than a job"):
        files.check_job(folder)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "../x", "C:x", "x\0", "\udcff", "\u202egpj", "a\nb", "x" * 300, "*"]
)
def test_what_is_no_folder_s_name_is_no_take_s(name):
    assert not files.is_job_name(name)


@pytest.mark.parametrize("name", [NAME, "my own job", "Aufträge 猫", "shot.v2"])
def test_what_is_a_folder_s_name_may_be_a_take_s(name):
    assert files.is_job_name(name)


BIG = "9" * 400


@PIPES
@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, "[]", "null", '{"frame_start": 1e400}', f'{{"frame_start": {BIG}}}', '{"camera": "\\ud800"}'],
)
def test_a_note_of_a_stranger_s_is_read_strictly(tmp_path, content):
    (tmp_path / "blender.json").write_text(content)
    assert notes.read_note(tmp_path) == {}
    with pytest.raises(Problem, match=r"blender\.json cannot be read"):
        notes.read_shot(tmp_path, 7)


@pytest.mark.parametrize("start", ["1", True, 1.5, None, 2**31, -(2**31), [1]])
def test_a_shot_starts_at_a_frame_that_blender_knows(tmp_path, start):
    (tmp_path / "blender.json").write_text(json.dumps({"frame_start": start, "camera": "Camera"}))
    with pytest.raises(Problem, match="cannot be read. Remove the file to place the clip at the start frame"):
        notes.read_shot(tmp_path, 7)


def test_of_a_note_only_what_is_of_its_kind_is_taken(tmp_path):
    wrong = {"scene": ["x"], "key": {}, "file": 3, "dismissed": "yes", "handed_over": True, "frame_start": 5, "y": 1}
    (tmp_path / "blender.json").write_text(json.dumps(wrong))
    assert notes.read_note(tmp_path) == {"frame_start": 5}


@PIPES
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_nothing_waits_for_what_is_no_file(tmp_path, make):
    for name in ("blender.json", "result.json", "result.mp4", "strip.png"):
        make(tmp_path / name)
    assert notes.read_note(tmp_path) == {}
    known = timings.Timings()
    known.learn(tmp_path)
    assert not known.any
    for read in (pictures.png_size, pictures.read_png, pictures.picture_size):
        with pytest.raises(OSError):
            read(tmp_path / "strip.png")
    with pytest.raises(OSError):
        movies.is_whole_mp4(tmp_path / "result.mp4")


def test_a_movie_of_millions_of_boxes_is_none(tmp_path):
    path = tmp_path / "result.mp4"
    path.write_bytes(b"\0\0\0\x08moov\0\0\0\x08mdat" + b"\0\0\0\x08free" * 20_000)
    assert not movies.is_whole_mp4(path)
    path.write_bytes(b"\0\0\0\x08moov\0\0\0\x08mdat" + b"\0\0\0\x08free" * 20)
    assert movies.is_whole_mp4(path)


def test_a_clip_that_had_to_take_another_name_is_found(tmp_path):
    """While another program has result.mp4 open, Windows does not let anyone replace it, and the clip gets another
    name."""
    for number, name in enumerate(("result.mp4", "result-2.mp4")):
        (tmp_path / name).write_bytes(b"\0\0\0\x08moov\0\0\0\x08mdat")
        os.utime(tmp_path / name, (number, number))
    assert finished.movie_of(tmp_path).name == "result-2.mp4"


@pytest.mark.parametrize("seconds", ['{"a": 1e300}', f'{{"a": {BIG[:90]}}}', '{"a": -5}', "[]", '{"a": []}'])
def test_a_time_that_no_take_has_taken_is_not_learnt(tmp_path, seconds):
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference/0000.png").write_bytes(pictures.SIGNATURE + b"\0\0\0\rIHDR" + b"\0\0\0\x40" * 2)
    start = '{"request": {"model": "demo", "settings": {}}, "settings": {"frames": 16}, "seconds": '
    known = timings.Timings()
    for times, any_known in ((seconds, False), ('{"a": 5}', True)):
        (tmp_path / "result.json").write_text(f"{start}{times}}}")
        known.learn(tmp_path)
        assert known.any is any_known


def test_offers_are_as_many_as_can_wait(tmp_path):
    for name in ("\u202e" + NAME, "a\nb"):
        job(tmp_path / name)
    home = notes.Owner(scene="S", key="k", file="")
    assert [offer for offer in recovery.search(tmp_path, [home]) if offer] == []
    assert recovery.MAX == 200


def test_a_picture_s_size_is_known_from_its_header(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(pictures.SIGNATURE + b"\0\0\0\rIHDR" + (30000).to_bytes(4, "big") + (20000).to_bytes(4, "big"))
    assert pictures.picture_size(path) == (20000, 30000)
    frame = b"\xff\xc2\0\x11\x08" + (7000).to_bytes(2, "big") + (9000).to_bytes(2, "big")
    path.write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF" + b"\0" * 10 + frame)
    assert pictures.picture_size(path) == (7000, 9000)
    for content in (b"", b"\xff\xd8", b"\xff\xd8" + b"\xff\xe0\0\x02" * 5000, b"GIF89a" + b"x" * 50):
        path.write_bytes(content)
        assert pictures.picture_size(path) is None


def test_a_preview_is_small(tmp_path):
    path = tmp_path / "strip.png"
    for width, height in ((0, 4_000_000), (5000, 1), (4096, 4096)):
        body = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
        path.write_bytes(pictures.SIGNATURE + len(body).to_bytes(4, "big") + b"IHDR" + body + b"\0\0\0\0")
        with pytest.raises(pictures.PngError, match="of a form that is not read here"):
            pictures.read_png(path)


def test_what_is_drawn_turns_no_letters_around_and_has_an_end():
    text = "\x1b[31mred\x1b]0;title\x07 \u202egpj.exe\u202c\0\u200b\ud800\tdone\n"
    assert wrapping.shown(text) == "red gpj.exe? done\n" and wrapping.shown_line(text) == "red gpj.exe? done "
    assert wrapping.shown("עברית, عربي, 猫 und ü") == "עברית, عربي, 猫 und ü"
    assert len(wrapping.shown("x" * 10**6)) == wrapping.MAX_SHOWN
