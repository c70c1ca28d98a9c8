"""Half precision: only the UNet uses it, on the CPU and on a GPU if there is one; steps and losses stay float32."""

import json

import pytest
import torch

from backend.__main__ import main
from backend.backbones.animatediff.backbone import load_animatediff
from backend.job.take import generate
from backend.job_folder.problem import Problem
from backend.memory.device import choose_device
from backend.models.entry import find_entry
from backend.motion.gradient import gradient_at
from backend.motion.guidance import MotionGuidance
from tests.tiny_takes import LATENTS, nothing, read_motion, step_at, take_of, with_settings

NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; there is none here")
HALVES = {
    "bfloat16": ("cpu", torch.bfloat16),
    "float16": ("cpu", torch.float16),  # slow and not offered to users, but the same numbers
    "float16-gpu": ("cuda", torch.float16),
}


@pytest.fixture(params=["bfloat16", "float16", pytest.param("float16-gpu", marks=NEEDS_GPU)])
def half(tiny, request):
    device, precision = HALVES[request.param]
    return load_animatediff(find_entry("tiny"), torch.device(device), precision)


def gradient_of(model, latents, timestep):
    guide = MotionGuidance(model, model.denoiser(), take_of(model).positive, read_motion(model))
    return guide(latents.to(model.unet.device), step_at(timestep))


def test_only_the_unet_is_in_half_precision(half):
    assert half.unet.dtype in (torch.bfloat16, torch.float16)
    assert half.vae.dtype == half.text_encoder.dtype == torch.float32


def test_a_take_is_finite_and_close_to_float32(model, half):
    full, rough = (
        generate(one, with_settings(take_of(one), steps=6, guided_steps=3), read_motion(one), nothing).cpu()
        for one in (model, half)
    )
    assert rough.dtype == torch.float32
    assert torch.isfinite(rough).all()
    assert (rough - full).norm() < 0.05 * full.norm()


def test_the_gradient_points_the_same_way(model, half):
    z = torch.randn(LATENTS, generator=torch.Generator().manual_seed(1))
    for timestep in (900, 500):
        full, rough = (gradient_of(one, z, timestep)[1].cpu().flatten() for one in (model, half))
        assert rough.dtype == torch.float32
        assert torch.cosine_similarity(full, rough, dim=0) > 0.9
        assert float(rough.norm()) == pytest.approx(float(full.norm()), rel=0.2)


def test_guidance_lowers_the_distance_to_the_reference(half):
    changed = {"steps": 6, "guided_steps": 6, "guided_range": 0.99, "score_form": "relative"}
    take, motion = take_of(half), read_motion(half)
    guided = generate(half, with_settings(take, motion_weight=0.3, **changed), motion, nothing)
    plain = generate(half, with_settings(take, motion_weight=0.0, **changed), motion, nothing)
    measure = MotionGuidance(half, half.denoiser(), take.positive, motion)
    assert measure(guided, step_at(10))[2] < measure(plain, step_at(10))[2]


def test_a_seed_starts_from_the_same_noise_in_every_precision(model, half):
    full, rough = (
        generate(one, with_settings(take_of(one), steps=1, guided_steps=0, cfg_scale=1.0), None, nothing).cpu()
        for one in (model, half)
    )
    assert (rough - full).norm() < 0.05 * full.norm()


def through_half(latents, gain):
    """A pass in float16 whose loss is a mean over many entries, with gradients below float16's smallest number."""
    return ((latents.half() * gain).float() ** 2).mean() * 1e-4


@pytest.mark.parametrize("gain", [0.01, 1.0, 200.0])
def test_float16_neither_swallows_nor_overflows_a_gradient(gain):
    latents = torch.randn(64, 1024).requires_grad_()
    truth = torch.autograd.grad(((latents * gain) ** 2).mean() * 1e-4, latents)[0]
    found = gradient_at(latents, through_half(latents, gain), torch.float16)
    torch.testing.assert_close(found, truth, rtol=0.01, atol=float(truth.abs().max()) * 1e-3)


def test_without_scaling_float16_would_swallow_it():
    latents = torch.randn(64, 1024).requires_grad_()
    assert not torch.autograd.grad(through_half(latents, 1.0), latents)[0].any()


def test_an_overflow_is_tried_again_at_a_smaller_scale():
    latents = torch.full((8,), 1e-4).requires_grad_()
    loss = (latents.half() * 60000).float().sum() * 1e-3  # the scaled gradient would be about 2 ** 28
    torch.testing.assert_close(gradient_at(latents, loss, torch.float16), torch.full((8,), 60.0), rtol=0.01, atol=0)


def test_a_hopeless_gradient_is_given_back_as_it_is():
    latents = torch.ones(8).requires_grad_()
    loss = (latents.half() * 2).float().sum() * float("nan")
    assert torch.isnan(gradient_at(latents, loss, torch.float16)).all()


def test_the_setting_decides_and_auto_suits_the_device():
    device, fitting = choose_device()
    assert fitting == (torch.float32 if device.type == "cpu" else torch.float16)
    assert choose_device("bfloat16") == (device, torch.bfloat16)
    assert choose_device("float32") == (device, torch.float32)


def test_float16_without_a_gpu_is_said(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(Problem, match="float16 needs a GPU.*bfloat16"):
        choose_device("float16")


def test_a_job_says_which_precision_and_sampler_it_used(tiny, moving_clip, tmp_path, data_folder):
    def clone(job, *assignments):
        chosen = [word for assignment in assignments for word in ("--set", assignment)]
        assert (
            main(["clone", str(moving_clip), "--prompt", "a ball", "--model", "tiny", "--job", str(job), *chosen]) == 0
        )
        return json.loads((job / "result.json").read_text(encoding="utf-8"))

    full = clone(tmp_path / "full", "precision=float32", "sampler=dpm++2m")
    assert (full["precision"], full["settings"]["sampler"]) == ("float32", "dpm++2m")
    assert clone(tmp_path / "half", "precision=bfloat16", "reuse_gradient=2")["precision"] == "bfloat16"
    assert len(list((data_folder / "motion").iterdir())) == 2, "each precision reads the motion for itself"
