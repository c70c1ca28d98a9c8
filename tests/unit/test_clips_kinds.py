"""Clips other than plain video: HDR, interlaced, animated pictures, several streams, numbered frames."""

from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from backend.clips import examine, in_between, read_clip, write_frames, write_video
from backend.clips.color import to_srgb
from backend.clips.sequences import frame_files
from backend.job_folder.problem import Problem
from tests.unit.test_clips_read import close, ffmpeg, problem, sweep

TEST_CARD = ("-f", "lavfi", "-i", "testsrc=size=96x64:rate=24:duration=1")


def pictures(folder: Path, *names: str, size: tuple[int, int] = (8, 8)) -> Path:
    """Writes pictures whose gray level is their index."""
    folder.mkdir(exist_ok=True)
    for k, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((*size, 3), 10 * k, np.uint8))
    return folder


def greys(clip) -> list[int]:
    return [round(float(frame.mean()) / 10) for frame in clip.frames]


def test_numbers_in_names_are_frames_and_a_gap_keeps_its_time(tmp_path):
    folder = pictures(tmp_path / "shot", *(f"a_{number}.png" for number in (8, 9, 10, 11, 20)))
    clip = read_clip(folder, 5)
    assert clip.total == 13 and clip.fps is None
    assert clip.notes == ("shot lacks 8 of 13 frames of a_####.png: 12-19. The other frames keep their times.",)
    assert greys(clip) == [0, 3, 3, 4, 4]  # frames 8, 11, 14, 17 and 20: the nearest that there are
    assert greys(read_clip(folder)) == [0, 1, 2, 3, 4]


def test_in_betweens_know_when_frames_were_shown():
    frames = np.zeros((3, 32, 32, 3), np.uint8) + np.array([0, 40, 200], np.uint8)[:, None, None, None]
    evenly, timed = in_between(frames, 5), in_between(frames, 5, (0.0, 3.0, 4.0))
    assert [int(f[16, 16, 0]) for f in evenly] == pytest.approx([0, 20, 40, 120, 200], abs=3)
    assert [int(f[16, 16, 0]) for f in timed] == pytest.approx([0, 13, 27, 40, 200], abs=3)


@pytest.mark.parametrize(
    "names, order",
    [
        (["f2.png", "f10.png", "f1.png"], ["f1.png", "f2.png", "f10.png"]),
        (["s_0001.png", "s_-0002.png", "s_-0001.png"], ["s_-0002.png", "s_-0001.png", "s_0001.png"]),
        (["s-0001.png", "s-0002.png", "s-0003.png"], ["s-0001.png", "s-0002.png", "s-0003.png"]),
        (["b_00002_.png", "b_00001_.png"], ["b_00001_.png", "b_00002_.png"]),
        (["0002_v3.png", "0001_v3.png"], ["0001_v3.png", "0002_v3.png"]),
        (["f1_t0.04.png", "f2_t0.08.png", "f3_t0.12.png"], ["f1_t0.04.png", "f2_t0.08.png", "f3_t0.12.png"]),
        (["b.png", "a.png", "c.jpg"], ["a.png", "b.png", "c.jpg"]),
    ],
)
def test_the_order_of_frames(tmp_path, names, order):
    for name in (*names, "._f3.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in frame_files(tmp_path).files] == order


@pytest.mark.parametrize(
    "names, sentence",
    [
        (["s_1.png", "s_2.png", "s_v2_1.png", "s_v2_2.png"], r"s_####.png (1-2) and s_v2_####.png (1-2)"),
        (["v1_0001.png", "v1_0002.png", "v2_0001.png", "v2_0002.png"], "v1_####.png (1-2) and v2_####.png (1-2)"),
        (["s_1.png", "s_2.png", "s_1.jpg", "s_2.jpg"], "s_####"),
        (["s_1.png", "s_2.png", "s_01.png"], "frame number 1: s_1.png and s_01.png"),
    ],
)
def test_two_clips_in_a_folder_are_named_and_refused(tmp_path, names, sentence):
    for name in names:
        (tmp_path / name).touch()
    assert sentence in problem(tmp_path)


def test_a_picture_that_is_no_frame_is_left_out_and_named(tmp_path):
    folder = pictures(tmp_path / "shot", "s_1.png", "s_2.png", "s_3.png")
    cv2.imwrite(str(folder / "contact_sheet.png"), np.zeros((50, 70, 3), np.uint8))
    clip = read_clip(folder)
    assert greys(clip) == [0, 1, 2]
    assert clip.notes == ("shot contains pictures that are not frames of s_####.png; ignored: contact_sheet.png.",)


def test_numbers_that_are_no_frames(tmp_path):
    clip = read_clip(pictures(tmp_path / "shot", "1700000000.png", "1700700000.png", "1701000000.png"))
    assert clip.total == 3 and "too far apart" in clip.notes[0]


@pytest.mark.parametrize("suffix", ["tif", "webp", "bmp", "tga", "dpx", "jp2"])
def test_folders_of_other_formats(tmp_path, suffix):
    for number in range(3):
        ffmpeg("-f", "lavfi", "-i", "color=#4080c0:size=32x24", "-frames:v", "1", tmp_path / f"f{number}.{suffix}")
    clip = read_clip(tmp_path)
    assert clip.frames.shape == (3, 24, 32, 3)
    assert np.abs(clip.frames.astype(int) - (0x40, 0x80, 0xC0)).max() <= 3


def test_linear_light_becomes_srgb(tmp_path):
    """Middle gray in sRGB survives being written to a linear EXR and read."""
    ffmpeg("-f", "lavfi", "-i", "color=black:size=16x16:rate=1:duration=2", "-vf",
           "format=gbrpf32le,geq=r=0.2159:g=0.2159:b=0.2159", tmp_path / "f%d.exr")  # fmt: skip
    assert np.abs(read_clip(tmp_path).frames.astype(int) - 128).max() <= 1


def test_a_picture_that_cannot_be_read_whole_is_named(tmp_path):
    for number in range(4):
        cv2.imwrite(
            str(tmp_path / f"f{number}.tif"), np.zeros((64, 64, 3), np.uint8), [cv2.IMWRITE_TIFF_COMPRESSION, 1]
        )
    data = (tmp_path / "f2.tif").read_bytes()
    (tmp_path / "f2.tif").write_bytes(data[:60])
    with pytest.raises(Problem, match="f2.tif is not a complete, readable picture"):
        read_clip(tmp_path)


@pytest.mark.parametrize("name, codec", [("a.png", "apng"), ("a.gif", "gif"), ("a.webp", "libwebp_anim")])
def test_animated_pictures_are_clips(tmp_path, name, codec):
    kind = ("-f", "apng") if codec == "apng" else ()
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=96x64:rate=10:duration=1", "-c:v", codec, *kind, tmp_path / name)
    source = examine(tmp_path / name)
    assert source.total == 10 and source.seconds == pytest.approx(1, abs=0.01) and source.size == (64, 96)


def test_of_several_videos_the_largest_is_read(tmp_path):
    ffmpeg(*TEST_CARD, "-f", "lavfi", "-i", "color=red:size=16x16:rate=24:duration=1", "-map", "1", "-map", "0",
           tmp_path / "two.mp4")  # fmt: skip
    source = examine(tmp_path / "two.mp4")
    assert source.size == (64, 96) and source.notes == ("two.mp4 contains 2 videos; the largest, 96 x 64, was read.",)
    assert read_clip(tmp_path / "two.mp4", 2).frames.shape[1:3] == (64, 96)


def test_a_cover_is_no_video(tmp_path):
    cv2.imwrite(str(tmp_path / "cover.png"), np.zeros((160, 160, 3), np.uint8))
    cover = ("-i", tmp_path / "cover.png", "-map", "0", "-map", "1", "-disposition:v:{}", "attached_pic")
    ffmpeg(
        "-f", "lavfi", "-i", "sine=duration=1", *(str(x).format(0) for x in cover), "-c:v", "png", tmp_path / "a.m4a"
    )
    assert "contains sound and a cover picture, but no video" in problem(tmp_path / "a.m4a")
    ffmpeg(*TEST_CARD, *(str(x).format(1) for x in cover), "-c:v:1", "png", tmp_path / "v.mp4")
    assert examine(tmp_path / "v.mp4").size == (64, 96) and not examine(tmp_path / "v.mp4").notes


def test_a_huge_picture_is_refused_by_its_header(tmp_path):
    """An empty picture of 30000 x 30000 is a small file that would fill the memory."""
    pictures(tmp_path, "f1.png", "f2.png")
    data = bytearray((tmp_path / "f1.png").read_bytes())
    data[16:24] = (30000).to_bytes(4, "big") * 2
    (tmp_path / "f1.png").write_bytes(data)
    with pytest.raises(Problem, match="f1.png is 30000 x 30000; pictures up to"):
        read_clip(tmp_path)


def test_a_text_is_no_video(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear all,\n" * 99)
    assert "is not a video" in problem(tmp_path / "letter.txt")


def test_a_video_that_changes_its_size(tmp_path):
    for k, size in enumerate(("96x64", "48x32")):
        ffmpeg("-f", "lavfi", "-i", f"testsrc=size={size}:rate=24:duration=1", tmp_path / f"{k}.ts")
    (tmp_path / "both.ts").write_bytes((tmp_path / "0.ts").read_bytes() + (tmp_path / "1.ts").read_bytes())
    assert re.search("changes: frame 1 is 96 x 64, frame 2[0-9] is 48 x 32", problem(tmp_path / "both.ts"))


def test_interlaced_video_loses_its_combs_and_keeps_its_frames(tmp_path):
    fields = write_video(tmp_path / "fields.mp4", sweep(48), 48)
    ffmpeg("-i", fields, "-vf", "interlace=lowpass=off", "-flags", "+ildct+ilme", "-x264opts", "tff=1", "-crf", "1",
           tmp_path / "i.mp4")  # fmt: skip
    clip = read_clip(tmp_path / "i.mp4")
    assert clip.total == 24 and clip.notes == ("i.mp4 is interlaced; its frames were deinterlaced.",)
    ffmpeg("-i", tmp_path / "i.mp4", "-vf", "setfield=prog", "-crf", "1", tmp_path / "combed.mp4")
    assert combs(clip.frames) < 0.5 * combs(read_clip(tmp_path / "combed.mp4").frames)


def combs(frames: np.ndarray) -> float:
    """Returns how much each line differs from the mean of its neighbors."""
    values = frames.astype(int)
    return float(np.abs(2 * values[:, 1:-1] - values[:, :-2] - values[:, 2:]).mean())


@pytest.mark.parametrize("transfer, name, white", [("smpte2084", "PQ", 0.5807), ("arib-std-b67", "HLG", 0.75)])
def test_hdr_video_has_its_grays_where_standard_video_has_them(tmp_path, transfer, name, white):
    """A quarter of white, and white itself, which is compressed to below 255."""
    for code, expected in ((white, (235, 250)), (gray_code(transfer), (134, 140))):
        level = round(64 + code * 876)
        ffmpeg("-f", "lavfi", "-i", "color=black:size=64x48:rate=10:duration=0.5", "-vf",
               f"format=yuv420p10le,lutyuv=y={level}:u=512:v=512,setparams=color_primaries=bt2020:color_trc={transfer}"
               ":colorspace=bt2020nc:range=tv", "-c:v", "libx265", "-x265-params", "log-level=none:lossless=1",
               tmp_path / "hdr.mp4")  # fmt: skip
        clip = read_clip(tmp_path / "hdr.mp4")
        assert clip.notes == (f"hdr.mp4 is HDR ({name}); it was converted to sRGB.",)
        low, high = expected
        assert low <= clip.frames.min() and clip.frames.max() <= high


def gray_code(transfer: str) -> float:
    """Returns the code of a quarter of white, which is 137 in sRGB."""
    light = 203 / 4
    if transfer == "smpte2084":
        power = (light / 10000) ** (2610 / 16384)
        return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    scene = (light / 1000) ** (1 / 1.2)
    return (3 * scene) ** 0.5 if scene <= 1 / 12 else 0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073


def test_hdr_keeps_hues_and_never_clips_to_white():
    rgba = np.full((1, 3, 4), 65535, np.uint16)
    rgba[0, 1, :3] = (60000, 20000, 20000)
    rgba[0, 2, :3] = 0
    bright, red, black = to_srgb(rgba, "pq", wide=False)[0]
    assert tuple(bright[:3]) == (255, 255, 255) and tuple(black) == (0, 0, 0, 255)
    assert red[0] > 240 and red[1] == red[2] < 20


def test_colors_of_a_wide_gamut_are_brought_into_srgb():
    gray = np.array([[[32768, 32768, 32768, 32768]]], np.uint16)
    assert np.abs(to_srgb(gray, "sdr", wide=True)[0, 0].astype(int) - 128).max() <= 1
    dull_red = np.array([[[40000, 20000, 20000, 65535]]], np.uint16)
    plain, widened = (to_srgb(dull_red, "sdr", wide=wide)[0, 0].astype(int) for wide in (False, True))
    assert tuple(plain[:3]) == (156, 78, 78) and widened[0] > plain[0] and widened[1] < plain[1]


def test_times_are_exact(tmp_path):
    """A frame rate of 24 would round them to 24ths of a second."""
    ffmpeg(*TEST_CARD, "-vf", "settb=1/12000,setpts='(N+0.3*mod(N,2))/24/TB'", "-fps_mode", "passthrough",
           "-enc_time_base", "1/12000", tmp_path / "uneven.mkv")  # fmt: skip
    times = examine(tmp_path / "uneven.mkv").times
    assert times[:4] == pytest.approx([0, 1.3 / 24, 2 / 24, 3.3 / 24], abs=0.0011)


def test_the_end_of_a_variable_rate_is_read(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=4", "-vf", "select='lt(n,10)+eq(n,39)'",
           "-fps_mode", "vfr", tmp_path / "vfr.mkv")  # fmt: skip
    whole, few = read_clip(tmp_path / "vfr.mkv"), read_clip(tmp_path / "vfr.mkv", 4)
    assert examine(tmp_path / "vfr.mkv").seconds == pytest.approx(4, abs=0.15)
    assert close(few.frames[-1:], whole.frames[-1:])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes among files")
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "pipe.mp4 is a named pipe" in problem(tmp_path / "pipe.mp4")
    write_frames(tmp_path / "frames", sweep(3))
    os.mkfifo(tmp_path / "frames" / "0003.png")
    assert read_clip(tmp_path / "frames").total == 3
