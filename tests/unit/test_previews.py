"""Previews: what they show, how much time they take, and that their errors never end a job."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny

from backend.__main__ import main
from backend.backbones.animatediff.backbone import AnimateDiff, load_animatediff
from backend.clips import fit, read_clip, to_frames
from backend.errors import Cancelled
from backend.job import previews
from backend.job.previews import AREA, FRAMES, Previews
from backend.job.progress import PREVIEW, Progress
from backend.job_folder.problem import Problem
from backend.models.entry import find_entry
from backend.sampling.state import SamplerState
from backend.wire.encoding import PIECE_BYTES

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch):
    """Returns a function that lets time pass."""
    now = [100.0]
    monkeypatch.setattr(previews.time, "monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


@pytest.fixture
def demo():
    return load_animatediff(find_entry("demo"), CPU, torch.float32)


def shown(model, latents: torch.Tensor, folder, clock, size=(64, 64)) -> np.ndarray:
    """Returns the preview of clean latents: uint8 RGB [n, h, w, 3]."""
    show = Previews(model, size, Progress(folder, lambda state: None))
    clock(1000.0)
    show(SamplerState(clean=latents))
    strip = cv2.imread(str(folder / PREVIEW))[..., ::-1]
    return np.stack(np.split(strip, min(FRAMES, latents.shape[2]), axis=1))


def coloured_clip() -> torch.Tensor:
    """Returns [8, 3, 64, 64] in -1..1: a red square crosses green ground."""
    pixels = torch.empty(8, 3, 64, 64)
    pixels[:] = torch.tensor([-0.6, 0.5, -0.5])[:, None, None]
    for i, frame in enumerate(pixels):
        frame[:, 20:44, 4 * i : 4 * i + 24] = torch.tensor([0.8, -0.6, -0.6])[:, None, None]
    return pixels


def test_the_linear_map_shows_the_colours_and_places_of_this_take(demo, tmp_path, clock):
    latents = demo.encode(coloured_clip())
    strip = shown(demo, latents, tmp_path, clock)
    truth = fit(to_frames(demo.decode(latents))[[0, 2, 5, 7]], strip.shape[1:3])
    assert strip.shape[0] == 4 and abs(strip.shape[1] * strip.shape[2] - AREA) < 300
    assert np.abs(strip.astype(int) - truth).mean() < np.abs(truth.mean((0, 1, 2)) - truth).mean() / 2
    for i, frame in enumerate(strip):  # red where the square is in this very frame
        red = (frame[..., 0].astype(int) - frame[..., 1])[40:70].mean(0)
        centre = (4 * (0, 2, 5, 7)[i] + 12) * frame.shape[1] / 64
        assert abs(float((red.clip(0) * np.arange(len(red))).sum() / red.clip(0).sum()) - centre) < 4


def test_a_picture_of_a_single_colour_and_a_clip_of_two_wide_frames(demo, tmp_path, clock):
    plain = demo.encode(torch.zeros(2, 3, 16, 96))
    flat = plain.mean((-2, -1), keepdim=True).expand_as(plain)
    strip = shown(demo, flat, tmp_path, clock, size=(16, 96))
    truth = to_frames(demo.decode(flat)).mean()
    assert strip.shape[0] == 2 and abs(float(strip.mean()) - truth) < 3 and strip.std((1, 2)).max() < 3


def test_no_strip_is_larger_than_a_piece_on_the_wire(demo, tmp_path, clock):
    noise = torch.randn(1, 4, 16, 8, 40, generator=torch.Generator().manual_seed(0)) * 3
    shown(demo, noise, tmp_path, clock, size=(32, 160))
    assert (tmp_path / PREVIEW).stat().st_size < PIECE_BYTES
    assert FRAMES * AREA * 3 * 1.05 < PIECE_BYTES  # nor could one be that cannot be compressed at all


def test_they_take_their_share_of_the_time_and_no_more(demo, tmp_path, clock, monkeypatch):
    made, cost = [], [3.0]
    show = Previews(demo, (64, 64), Progress(tmp_path, lambda state: None))
    monkeypatch.setattr(Previews, "_strip", lambda *_: made.append(1) or clock(cost[0]) or b"")
    for _ in range(1000):
        clock(1.0)
        show(SamplerState(clean=torch.zeros(1)))
    assert len(made) > 3 and show.seconds == 3.0 * len(made)
    assert show.seconds <= 0.02 * (1000 + show.seconds)
    cost[0] = 0.001  # now they are cheap: one each second, whatever the steps take
    show, before = Previews(demo, (64, 64), Progress(tmp_path, lambda state: None)), len(made)
    for _ in range(1000):
        clock(0.1)
        show(SamplerState(clean=torch.zeros(1)))
    assert 80 < len(made) - before <= 100


def test_want_of_memory_ends_the_previews_and_not_the_job(demo, tmp_path, clock, monkeypatch, capsys):
    tries = []

    def failing(*_):
        tries.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(AnimateDiff, "decode", failing)
    show = Previews(demo, (64, 64), Progress(tmp_path, lambda state: None))
    for _ in range(3):
        clock(1000.0)
        show(SamplerState(clean=torch.zeros(1, 4, 8, 16, 16)))
    assert len(tries) == 1 and "not enough memory for previews" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."),
        NotImplementedError("The operator 'aten::linalg_lstsq' is not implemented for the MPS device."),
        RuntimeError("CUDNN_STATUS_NOT_SUPPORTED"),
        Problem("The model gave values that are not numbers."),
        IndexError("nobody foresaw this"),
        cv2.error("no picture"),
    ],
)
def test_no_error_of_a_preview_ends_the_job_and_it_is_said_once(demo, tmp_path, clock, monkeypatch, capsys, error):
    tries = []

    def failing(*_):
        tries.append(1)
        raise error

    monkeypatch.setattr(AnimateDiff, "decode", failing)
    show = Previews(demo, (64, 64), Progress(tmp_path, lambda state: None))
    for _ in range(3):
        clock(1000.0)
        show(SamplerState(clean=torch.zeros(1, 4, 8, 16, 16)))
    said = capsys.readouterr().err
    assert len(tries) == 1 and said.count("shows no more previews") == 1
    assert type(error).__name__ in said and "in failing" in said  # the log has where it was


def test_cancelling_within_a_preview_still_cancels(demo, tmp_path, clock, monkeypatch):
    def cancelled(*_):
        raise Cancelled

    monkeypatch.setattr(AnimateDiff, "decode", cancelled)
    show = Previews(demo, (64, 64), Progress(tmp_path, lambda state: None))
    clock(1000.0)
    with pytest.raises(Cancelled):
        show(SamplerState(clean=torch.zeros(1, 4, 8, 16, 16)))


@pytest.fixture
def with_tiny_vae(tiny):
    """Gives the tiny model's entry a tiny VAE; returns its folder."""
    torch.manual_seed(1)
    folder, channels = tiny.parent / "taesd ü", (8, 8, 8)
    AutoencoderTiny(
        encoder_block_out_channels=channels,
        decoder_block_out_channels=channels,
        num_encoder_blocks=(1, 1, 1),
        num_decoder_blocks=(1, 1, 1),
    ).save_pretrained(folder)
    entry = tiny.parent / "tiny.toml"
    entry.write_text(
        entry.read_text(encoding="utf-8").replace("\n[clip]", '\ntiny_vae = "taesd ü"\n\n[clip]'), encoding="utf-8"
    )
    return folder


def test_a_tiny_vae_makes_them_where_the_entry_names_one(with_tiny_vae, tmp_path, clock):
    model = load_animatediff(find_entry("tiny"), CPU, torch.float32)
    latents = torch.randn(1, 4, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    strip = shown(model, latents, tmp_path, clock, size=(32, 32))
    tiny_vae = AutoencoderTiny.from_pretrained(with_tiny_vae, low_cpu_mem_usage=False)
    with torch.no_grad():
        frames = torch.cat([tiny_vae.decode(latents[:, :, i]).sample for i in (0, 2, 5, 7)])
    np.testing.assert_array_equal(strip, fit(to_frames(frames), strip.shape[1:3]))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda config: config | {"_class_name": "AutoencoderKL"}, "contains another model than a tiny VAE"),
        (lambda config: config | {"latent_channels": 16}, "is for latents of 16 channels"),
        (lambda config: [], "contains another model"),
        (None, "is not a diffusers folder"),
    ],
)
def test_what_is_no_tiny_vae_is_refused_by_name(with_tiny_vae, change, words):
    path = with_tiny_vae / "config.json"
    if change:
        path.write_text(json.dumps(change(json.loads(path.read_text()))))
    else:
        path.unlink()
    with pytest.raises(Problem, match=words) as told:
        load_animatediff(find_entry("tiny"), CPU, torch.float32)
    assert str(with_tiny_vae) in told.value.message and "or remove it" in told.value.hint


def test_a_job_shows_them_and_its_result_is_the_same_without(tiny, moving_clip, tmp_path, monkeypatch):
    frames = {}
    for name, seconds in (("with", 0.0), ("without", 1e9)):
        monkeypatch.setattr(previews, "SECONDS", seconds)
        monkeypatch.setattr(previews, "SHARE", 1.0)
        job = tmp_path / name
        assert main(["clone", str(moving_clip), "--prompt", "a ball", "--model", "tiny", "--job", str(job)]) == 0
        frames[name] = read_clip(job / "result").frames
        seconds = json.loads((job / "result.json").read_text(encoding="utf-8"))["seconds"]
        assert (seconds["previews"] > 0) == (job / PREVIEW).exists() == (name == "with")
        assert seconds["previews"] <= seconds["sampling"]
    np.testing.assert_array_equal(frames["with"], frames["without"])
    strip = cv2.imread(str(tmp_path / "with" / PREVIEW))
    assert strip.shape[1] == 4 * strip.shape[0]
    shutil.rmtree(tmp_path / "with" / "preview")
