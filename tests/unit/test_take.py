"""Takes: guidance pulls towards the reference, weight 0 is plain DDIM, and a seed decides all."""

from dataclasses import replace

import pytest
import torch
from diffusers import DDIMScheduler

from backend.errors import JobError
from backend.models.codec import decode_latents, embed_text, encode_pixels
from backend.models.components import load_components
from backend.models.entry import find_entry
from backend.motion.guidance import MotionGuidance
from backend.motion.representation import extract_motion
from backend.sampling.guided_ddim import Strength, _score
from backend.sampling.schedule import Step
from backend.take import Take, generate, initial_noise
from backend.wire.settings import resolve


@pytest.fixture
def model(tiny):
    return load_components(find_entry("tiny"), torch.device("cpu"), torch.float32)


@pytest.fixture
def take(model):
    settings = resolve(model.entry.settings, {"frames": 8, "motion_weight": 200})
    return Take(
        frames=8,
        size=(24, 40),
        seed=5,
        settings=settings,
        negative=embed_text(model, ""),
        positive=embed_text(model, "a red ball"),
    )


@pytest.fixture
def motion(model):
    reference = torch.randn(1, 4, 8, 6, 10, generator=torch.Generator().manual_seed(2))
    return extract_motion(
        model.unet,
        model.denoise,
        reference,
        torch.randn(reference.shape, generator=torch.Generator().manual_seed(3)),
        timestep=400,
        alpha=float(model.alphas[400]),
        empty_text=embed_text(model, ""),
        blocks=["up_blocks.1"],
    )


def nothing() -> None:
    pass


def with_settings(take: Take, **changes) -> Take:
    return replace(take, settings=replace(take.settings, **changes))


def test_weight_zero_is_plain_sampling_bit_for_bit(model, take, motion):
    unguided = with_settings(take, motion_weight=0.0)
    assert torch.equal(generate(model, unguided, motion, nothing), generate(model, unguided, None, nothing))


def test_weight_zero_equals_diffusers_own_ddim(model, take):
    plain = with_settings(take, motion_weight=0.0, guided_steps=0, steps=6, cfg_scale=3.0)
    ours = generate(model, plain, None, nothing)
    scheduler = DDIMScheduler.from_config(
        {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "linear"},
        clip_sample=False,
        timestep_spacing="linspace",
    )
    alphas, z = scheduler.alphas_cumprod, initial_noise(model, plain)
    scheduler.set_timesteps(6)
    timesteps = scheduler.timesteps.tolist()
    for t, following in zip(timesteps, [*timesteps[1:], None]):
        eps_u, eps_c = model.denoise.pair(z, t, plain.negative, plain.positive)
        scheduler.num_inference_steps = 1000 // (t - following) if following is not None else 1
        eps = eps_u + 3.0 * (eps_c - eps_u)
        alpha, beyond = alphas[t], alphas[following] if following is not None else torch.tensor(1.0)
        clean = scheduler.step(eps, t, z).pred_original_sample
        z = beyond.sqrt() * clean + (1 - beyond).sqrt() * (z - alpha.sqrt() * clean) / (1 - alpha).sqrt()
    torch.testing.assert_close(ours, z, rtol=1e-3, atol=1e-4)


def step_at(timestep):
    return Step(index=0, timestep=timestep, next_timestep=-1, ramp=1.0)


def test_the_same_seed_gives_the_same_take_and_another_another(model, take, motion):
    first = generate(model, take, motion, nothing)
    assert torch.equal(first, generate(model, take, motion, nothing))
    assert not torch.allclose(first, generate(model, replace(take, seed=6), motion, nothing))


@pytest.mark.parametrize("form, weight", [("raw", 2000.0), ("relative", 0.3)])
def test_guidance_lowers_the_distance_to_the_reference(model, take, motion, form, weight):
    changed = {"steps": 12, "guided_steps": 12, "guided_range": 0.99, "warm_up_steps": 0, "score_form": form}
    guided = generate(model, with_settings(take, motion_weight=weight, **changed), motion, nothing)
    plain = generate(model, with_settings(take, motion_weight=0.0, **changed), motion, nothing)
    measure = MotionGuidance(model.unet, model.denoise, take.positive, motion)
    assert measure(guided, step_at(10))[2] < measure(plain, step_at(10))[2]


def test_the_gradient_is_the_true_one(model, take, motion):
    """Against a finite difference along the gradient: stopping after the last recorded attention loses nothing."""
    guide = MotionGuidance(model.unet, model.denoise, take.positive, motion)
    z = initial_noise(model, take)
    _, gradient, _ = guide(z, step_at(700))
    direction = gradient / gradient.norm()
    ahead, behind = (guide(z + sign * 0.5 * direction, step_at(700))[2] for sign in (1, -1))
    assert ahead - behind == pytest.approx(float(gradient.norm()), rel=0.05)


def test_without_the_diagonal_no_frame_points_at_itself(model):
    reference = torch.randn(1, 4, 8, 6, 10, generator=torch.Generator().manual_seed(2))
    motion = extract_motion(
        model.unet,
        model.denoise,
        reference,
        torch.zeros_like(reference),
        timestep=400,
        alpha=float(model.alphas[400]),
        empty_text=embed_text(model, ""),
        blocks=["up_blocks.1"],
        top_k=7,
        diagonal=False,
    )
    itself = torch.arange(8).view(8, 1)
    assert all((index.long() != itself).all() for index in motion.indices.values())


def test_numbers_that_are_not_finite_stop_the_take_with_advice(model, take, motion):
    with pytest.raises(JobError, match="fell apart in step 1.*Lower motion_weight"):
        generate(model, with_settings(take, motion_weight=float("inf")), motion, nothing)


def test_a_prompt_too_long_is_said(model):
    with pytest.raises(JobError, match="has 40 tokens; this model reads at most 30.*about 10 words"):
        embed_text(model, "red " * 40)


def test_latents_and_pixels_of_any_shape(model):
    pixels = torch.rand(3, 3, 16, 40) * 2 - 1
    latents = encode_pixels(model, pixels)
    assert latents.shape == (1, 4, 3, 4, 10)
    assert decode_latents(model, latents, nothing).shape == pixels.shape


def test_a_score_without_mean_shift_leaves_frame_means_alone():
    gradient, eps = torch.randn(1, 4, 8, 6, 10) + 3, torch.randn(1, 4, 8, 6, 10)
    for form in ("raw", "relative"):
        free = _score(gradient, eps, 0.2, 0.5, Strength(3.0, "standard", 0.1, form))
        bound = _score(gradient, eps, 0.2, 0.5, Strength(3.0, "standard", 0.1, form, mean_shift=False))
        assert free.mean((-2, -1)).abs().min() > 1e-3
        assert bound.mean((-2, -1)).abs().max() < 1e-6


def test_a_relative_score_is_its_share_of_the_noise_prediction():
    gradient, eps = torch.randn(1, 4, 8, 6, 10), torch.randn(1, 4, 8, 6, 10)
    score = _score(1e-9 * gradient, eps, 0.2, 0.5, Strength(3.0, "standard", 0.1, "relative"))
    assert float(score.norm() / eps.norm()) == pytest.approx(0.05, rel=1e-4)
