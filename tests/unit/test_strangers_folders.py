"""Job folders, pictures and model entries from strangers cannot block the backend, fill its memory, or lead it out of
the folder."""

from __future__ import annotations

import os
import struct
import time
import zlib
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from backend.__main__ import main
from backend.backbones.animatediff.weights.files import open_weights
from backend.clips import ffmpeg, fit, read_clip, read_picture, write_frames, write_video
from backend.clips.pictures import to_rgb
from backend.controls.conditions import read_conditions, read_mask
from backend.errors import Cancelled
from backend.job.job import read_reference
from backend.job.progress import Progress
from backend.job.take import seeded_generator
from backend.job_folder.lock import FolderLock
from backend.job_folder.pictures import picture_size
from backend.job_folder.problem import Problem
from backend.job_folder.request import RequestError, read_request
from backend.job_folder.state import JobState, read_state
from backend.models.entry import find_entry, read_entries
from backend.worker.one_job import as_problem, claim
from tests.systems import link_folder

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
HUGE = 30_000


@contextmanager
def soon(seconds: float = 2.0):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def png(width: int, height: int, rows: int = 0) -> bytes:
    """A gray picture with only this many rows."""
    parts = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0" * rows))
    chunks = [struct.pack(">I", len(data)) + kind + data + b"\0\0\0\0" for kind, data in (*parts, (b"IEND", b""))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpg(width: int, height: int, kind: int = 0xC0) -> bytes:
    frame = struct.pack(">BBHBHHB", 0xFF, kind, 11, 8, height, width, 1) + b"\1\x11\0"
    thumbnail = b"\xff\xd8" + struct.pack(">BBHBHH", 0xFF, 0xC0, 11, 8, 16, 16)
    notes = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    return b"\xff\xd8" + notes + b"\xff" + frame + b"\xff\xd9"


def strange(path: Path, kind: str) -> Path:
    """A named pipe, an endless device or a huge empty file in place of a small one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    else:
        path.touch()
        os.truncate(path, 4 << 30)
    return path


KINDS = ("pipe", "endless", "sparse")


# Entries.


@pytest.mark.parametrize("kind", [*KINDS, "folder"])
def test_an_entry_that_is_no_file_takes_no_other_away(tiny, data_folder, kind):
    path = data_folder / "models" / "strange.toml"
    path.mkdir() if kind == "folder" else strange(path, kind)
    with soon():
        entries, problems = read_entries()
        assert find_entry("tiny")
    assert "tiny" in entries and [str(path) in str(problem) for problem in problems] == [True]


@pytest.mark.parametrize(
    "text",
    [
        "name = " + "[" * 20_000,
        "name = " + "{a=" * 20_000,
        "a" + ".a" * 20_000 + " = 1",
        "name = " + "9" * 5000,
        "clip = " + "9" * 5000,
        "name = '" + "x" * 200_000 + "'",
        "\0",
        "name = 'x'\n" + "[a]\n" * 2,
    ],
)
def test_an_entry_that_cannot_be_read_is_one_problem_in_a_sentence(tiny, data_folder, text):
    (data_folder / "models" / "strange.toml").write_text(text)
    with soon(5):
        entries, problems = read_entries()
    assert "tiny" in entries and len(problems) == 1 and len(str(problems[0])) < 1500
    assert "strange.toml" in problems[0].message and problems[0].hint


def test_the_list_of_models_does_not_wait_for_a_pipe(data_folder, capsys):
    strange(data_folder / "models" / "strange.toml", "pipe")
    with soon(10):
        assert main(["models"]) == 0
    said = capsys.readouterr()
    assert "demo" in said.out and "strange.toml cannot be read (a named pipe, not a file)" in said.err


@pytest.mark.parametrize(
    "place", ["unet/config.json", "tokenizer/vocab.json", "unet/diffusion_pytorch_model.safetensors"]
)
@pytest.mark.parametrize("kind", ["pipe", "endless"])
def test_a_model_with_a_strange_file_is_refused_before_it_is_opened(tiny, place, kind):
    (tiny / place).unlink(missing_ok=True)
    strange(tiny / place, kind)
    with soon(), pytest.raises(Problem, match=f"folder: .*{Path(place).name} is a .*not a file"):
        find_entry("tiny")


def test_and_one_with_a_huge_text_or_far_too_many_files(tiny, data_folder, monkeypatch):
    strange(tiny / "unet" / "notes.json", "sparse")
    with pytest.raises(Problem, match="notes.json is larger than the 100 MB"):
        find_entry("tiny")
    (tiny / "unet" / "notes.json").unlink()
    monkeypatch.setattr("backend.models.entry_files.MAX_FILES", 3)
    with pytest.raises(Problem, match="more than 3 files, so it is not the folder of a model"):
        find_entry("tiny")


@pytest.mark.parametrize("kind", ["pipe", "endless"])
def test_weights_that_are_no_file(tmp_path, kind):
    with soon(), pytest.raises(Problem, match="base: .* is a .*, not a file"):
        open_weights(strange(tmp_path / "x.safetensors", kind), "base")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b'{"a":' + b"[" * 100_000, "damaged"),
        (b'{"a":1,"a":2}', "damaged"),
        (b'{"__metadata__":{"a":[]}}', "damaged"),
        (b'{"__metadata__":[]}', "damaged"),
        (b'{"a":{"shape":[1],"data_offsets":[0,' + b"9" * 5000 + b"]}}", "damaged"),
        (b"{" + b" " * 20_000_000, "header of 20,000,001 bytes"),
    ],
)
def test_headers_that_nobody_writes(tmp_path, header, said):
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with soon(), pytest.raises(Problem, match=said):
        open_weights(path, "base")


# Pictures.


def test_sizes_are_read_from_headers_as_the_decoder_sees_them():
    noise = np.random.default_rng(0).integers(0, 255, (37, 53, 3), dtype=np.uint8)
    for suffix, options in ((".png", []), (".jpg", []), (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])):
        assert picture_size(cv2.imencode(suffix, noise, options)[1].tobytes()) == (53, 37)
    assert picture_size(jpg(HUGE, 7)) == (HUGE, 7) and picture_size(jpg(3, HUGE, 0xC2)) == (3, HUGE)
    for data in (b"", b"\xff\xd8\xff", b"\xff\xd8" + b"\xff" * 100_000, b"\x89PNG\r\n\x1a\n", b"BM" + b"\0" * 100):
        assert picture_size(data) is None


@pytest.mark.parametrize(("name", "data"), [("a.png", png(HUGE, HUGE, 10)), ("a.jpg", jpg(HUGE, HUGE))])
def test_a_picture_that_would_fill_the_memory_is_refused_by_its_header(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with soon(), pytest.raises(Problem, match=r"30000 x 30000; pictures up to 67,108,864 pixels \(8192 x 8192\)"):
        read_picture(tmp_path / name)


@pytest.mark.parametrize(
    "data", [png(0, 8, 1), png(8, 0, 1), png(2**31, 1, 1), b"BM" + bytes(200) + b"\xff\xd9", jpg(9, 9)]
)
def test_headers_that_cannot_be_are_told_as_a_broken_picture(tmp_path, data):
    (tmp_path / "a.png").write_bytes(data)
    with soon(), pytest.raises(Problem, match=r"not a complete PNG or JPG|pictures up to"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("kind", KINDS)
def test_frames_that_are_no_files(tmp_path, kind):
    """They count as missing if they can be distinguished from files immediately."""
    write_frames(tmp_path, np.zeros((3, 8, 8, 3), np.uint8))
    (tmp_path / "0001.png").unlink()
    strange(tmp_path / "0001.png", kind)
    with soon(), pytest.raises(Problem, match="0001.png is "):
        read_picture(tmp_path / "0001.png")
    with soon():
        if kind == "sparse":
            with pytest.raises(Problem, match="0001.png is larger"):
                read_clip(tmp_path)
        else:
            assert "lacks 1 of 3 frames" in read_clip(tmp_path).notes[0]


@pytest.mark.parametrize("kind", ["pipe", "endless"])
def test_a_video_that_is_no_file(tmp_path, kind):
    with soon(), pytest.raises(Problem, match=r"x\.mp4 is a .*, not a file"):
        read_clip(strange(tmp_path / "x.mp4", kind))


def test_a_video_of_frames_that_would_fill_the_memory(tmp_path, monkeypatch):
    path = write_video(tmp_path / "x.mp4", np.zeros((3, 64, 96, 3), np.uint8), 24)
    monkeypatch.setattr(ffmpeg, "MAX_PIXELS", 1000)
    with pytest.raises(Problem, match=r"x\.mp4 is 96 x 64; pictures up to"):
        read_clip(path)


def test_a_strip_of_one_line_does_not_fill_the_memory():
    line = np.full((1, 1, 1_000_000, 3), 7, np.uint8)
    with soon():
        assert fit(line, (512, 768)).shape == (1, 512, 768, 3)
        assert (fit(line.swapaxes(1, 2), (512, 768)) == 7).all()


def test_large_pictures_become_eight_bits_row_by_row_as_at_once():
    deep = np.random.default_rng(1).integers(0, 65536, (600, 5, 4), dtype=np.uint16)
    eight = ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)
    assert np.array_equal(to_rgb(deep[..., :3])[0], eight[..., 2::-1])
    cover = eight[..., 3:].astype(np.float32) / 255
    laid = (eight[..., 2::-1] * cover + 128 * (1 - cover) + 0.5).astype(np.uint8)
    shown, through = to_rgb(deep)
    assert through and np.array_equal(shown, laid)


# Cancelling.


def stopping_after(folder: Path, frames: int) -> tuple[Progress, list[int]]:
    progress, seen = Progress(folder, lambda _: None), []

    def check() -> None:
        seen.append(1)
        if len(seen) > frames:
            progress.cancel()
        Progress.check(progress)

    progress.check = check  # type: ignore[method-assign]
    return progress, seen


def test_reading_stops_at_the_next_frame_when_it_is_cancelled(tiny, tmp_path):
    entry = replace(find_entry("tiny"), depth_control=tmp_path)
    write_frames(tmp_path / "reference", np.zeros((8, 32, 32, 3), np.uint8))
    write_frames(tmp_path / "depth", np.full((8, 32, 32, 3), 9, np.uint8))
    write_frames(tmp_path / "mask", np.full((8, 32, 32, 3), 255, np.uint8))
    video = write_video(tmp_path / "x.mp4", np.zeros((8, 32, 32, 3), np.uint8), 8)
    for read in (
        lambda each: read_reference(tmp_path / "reference", entry, entry.settings_for({}), each),
        lambda each: read_conditions(tmp_path, entry, 8, (32, 32), each),
        lambda each: read_mask(tmp_path, 8, (32, 32), 8, each),
        lambda each: read_clip(video, check=each),
    ):
        progress, seen = stopping_after(tmp_path, 2)
        with pytest.raises(Cancelled):
            read(progress.check)
        assert len(seen) == 3


def test_a_reference_of_another_length_is_refused_unread(tiny, tmp_path):
    for number in range(3000):
        (tmp_path / f"{number:04d}.png").write_bytes(b"no picture")
    entry = find_entry("tiny")
    with soon(), pytest.raises(Problem, match="contains 3000 frames; the setting frames is 8"):
        read_reference(tmp_path, entry, entry.settings_for({}))


# What a job writes.


@pytest.mark.parametrize(
    "place",
    [
        "state.json",
        "log.txt",
        "result.json",
        "result.mp4",
        "checkpoint.safetensors",
        "worker.lock",
        "cancel.json",
        "result/0000.png",
        "preview/strip.png",
        "state.json.part",
    ],
)
@pytest.mark.parametrize("kind", ["pipe", "link", "dangling"])
def test_a_folder_with_a_strange_file_where_a_job_writes_is_refused(tmp_path, place, kind):
    folder, secret = tmp_path / "job", tmp_path / "secret"
    secret.write_text("mine")
    path = folder / place
    path.parent.mkdir(parents=True)
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(secret if kind == "link" else tmp_path / "nowhere")
    with soon(), pytest.raises(Problem, match="is a named pipe, not a file; jobs|is a link, but jobs"):
        claim(folder)
    assert secret.read_text() == "mine" and not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["result", "preview"])
def test_so_is_one_whose_folder_is_a_link(tmp_path, name):
    (tmp_path / "there").mkdir()
    (tmp_path / "job").mkdir()
    link_folder(tmp_path / "job" / name, tmp_path / "there")
    with pytest.raises(Problem, match="is a link, but jobs"):
        claim(tmp_path / "job")


def test_inputs_may_be_links(tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "job").mkdir()
    link_folder(tmp_path / "job" / "reference", tmp_path / "frames")
    claim(tmp_path / "job").release()


def test_a_log_that_is_also_another_s_file_is_left_to_the_other(tmp_path):
    folder, secret = tmp_path / "job", tmp_path / "secret"
    folder.mkdir()
    secret.write_text("mine")
    os.link(secret, folder / "log.txt")
    os.link(secret, folder / "worker.lock")
    lock = FolderLock(folder)
    problem = as_problem(ZeroDivisionError("x"), folder)
    lock.release()
    assert secret.read_text() == "mine" and "ZeroDivisionError" in (folder / "log.txt").read_text()
    assert "log.txt" in problem.hint


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_log_that_is_no_file_makes_nobody_wait(tmp_path, kind):
    os.mkfifo(tmp_path / "log.txt") if kind == "pipe" else (tmp_path / "log.txt").symlink_to(tmp_path / "nowhere")
    with soon():
        problem = as_problem(ZeroDivisionError("x"), tmp_path)
    assert "Traceback" in problem.hint or "ZeroDivisionError" in problem.hint
    assert not (tmp_path / "nowhere").exists()


def test_an_error_s_words_are_bounded_and_plain_in_the_state(tmp_path):
    Progress(tmp_path, lambda _: None).end(
        JobState(state="failed", message="\x1b[31m" + "x" * 2_000_000, hint="\u202ehint")
    )
    state = read_state(tmp_path)
    assert state.state == "failed" and len(state.message) == 10_000 and state.hint == "hint"


# Requests.


def request(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "job.json").write_text(text)
    return folder


def test_seeds_of_other_programs_are_taken_and_all_differ(tmp_path):
    drawn = set()
    for seed in (0, 5, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 5, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), -3):
        text = f'{{"prompt": "x", "shot": {{"frames": 2, "fps": 24}}, "seed": {seed}}}'
        assert read_request(request(tmp_path / "job", text)).seed == seed
        drawn.add(tuple(torch.rand(4, generator=seeded_generator(seed)).tolist()))
    assert len(drawn) == 12


@pytest.mark.parametrize(
    ("seed", "said"),
    [
        (str(2**64), "seed is 18446744073709551616; it must be between"),
        (str(-(2**63) - 1), "it must be between"),
        ("9" * 90, "seed is a number of more than 30 digits"),
        ("9" * 5000, "a number of 5000 digits"),
        ("1.5", "seed must be a whole number, not 1.5"),
        ("true", "seed must be a whole number, not True"),
        ('"5"', "seed must be a whole number, not '5'"),
    ],
)
def test_others_are_refused_in_a_sentence(tmp_path, seed, said):
    text = f'{{"prompt": "x", "shot": {{"frames": 2, "fps": 24}}, "seed": {seed}}}'
    with pytest.raises(RequestError, match=said) as caught:
        read_request(request(tmp_path / "job", text))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("seed", [str(2**64), "9" * 5000, "1e3", "", "\x1b[2J"])
def test_so_they_are_on_the_command_line(seed, capsys):
    with pytest.raises(SystemExit):
        main(["clone", "x", "--prompt", "x", "--seed", seed])
    said = capsys.readouterr().err.splitlines()[-1]
    assert "argument --seed: " in said and len(said) < 300 and "\x1b" not in said


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_that_is_no_file(tmp_path, kind):
    strange(tmp_path / "job.json", kind)
    with soon(), pytest.raises(RequestError, match="job.json is "):
        read_request(tmp_path)


@pytest.mark.parametrize(
    "text", ["[" * 500_000, '{"prompt": "x", "prompt": "y"}', '{"prompt": "\\ud800"}', '{"seed": NaN}']
)
def test_requests_that_nobody_writes(tmp_path, text):
    with soon(), pytest.raises(RequestError, match="job.json cannot be read as JSON"):
        read_request(request(tmp_path / "job", text))


def test_a_model_s_name_of_a_megabyte_takes_no_time(tiny):
    with soon(), pytest.raises(Problem, match="There is no model"):
        find_entry("tiny" * 200_000)


def test_words_of_errors_cannot_steer_a_terminal(tmp_path, capsys):
    assert main(["score", str(tmp_path / "\x1b[2Jnone"), "x"]) == 1
    assert "\x1b" not in capsys.readouterr().err
