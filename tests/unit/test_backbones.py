"""The contract that every model family keeps, with small random weights: AnimateDiff, and a toy of a second family."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, WanPipeline

from backend.backbones.base import TEMPORAL, Backbone
from backend.job.take import Take, generate
from backend.job_folder.families import resolve
from backend.job_folder.problem import Problem
from backend.memory.policy import POLICIES, choose_policy
from backend.sampling.noise_schedule import FlowMatching, VariancePreserving
from tests import toy_wan
from tests.tiny_takes import nothing

FRAMES, SIZE = 9, (32, 48)
PROMPT = "a red ball"


@pytest.fixture(params=["animatediff", "toy-wan"])
def backbone(request, model) -> Backbone:
    return model if request.param == "animatediff" else toy_wan.build(model.entry)


@pytest.fixture
def toy(model) -> toy_wan.ToyWan:
    return toy_wan.build(model.entry)


@pytest.fixture
def take(backbone) -> Take:
    return plain_take(backbone)


def plain_take(backbone: Backbone, **chosen) -> Take:
    settings = resolve(
        {}, {"frames": FRAMES, "steps": 4, "guided_steps": 0, "motion_weight": 0, "cfg_scale": 2} | chosen
    )
    negative, positive = backbone.embed(["", PROMPT])
    return Take(frames=FRAMES, size=SIZE, seed=1, settings=settings, negative=negative, positive=positive)


def noise_for(backbone: Backbone) -> torch.Tensor:
    return torch.randn(backbone.latent_shape(FRAMES, SIZE), generator=torch.Generator().manual_seed(0))


def test_prompts_become_one_length_and_say_different_things(backbone):
    empty, red, blue = backbone.embed(["", PROMPT, "a blue cube"])
    assert empty.shape == red.shape == blue.shape and empty.ndim == 3 and len(empty) == 1
    assert not torch.allclose(red, blue) and torch.equal(red, backbone.embed([PROMPT])[0])
    with pytest.raises(Problem, match="[Ss]horten"):
        backbone.embed(["red " * 200])


def test_words_are_found_among_the_tokens(backbone):
    assert len(backbone.token_indices(PROMPT, "red", "prompt")) >= 1
    with pytest.raises(Problem, match="'green' is not in the prompt"):
        backbone.token_indices(PROMPT, "green", "prompt")


def test_pictures_become_latents_of_the_promised_shape_and_pictures_again(backbone):
    pixels, decoded = torch.rand(FRAMES, 3, *SIZE) * 2 - 1, []
    latents = backbone.encode(pixels)
    assert latents.shape == backbone.latent_shape(FRAMES, SIZE) and latents.dtype == torch.float32
    frames = backbone.decode(latents, lambda: decoded.append(None))
    assert frames.shape == pixels.shape and frames.abs().max() <= 1 and decoded
    quick = backbone.decode_preview(latents)
    assert quick is None or quick.shape == pixels.shape


def test_a_prediction_follows_latents_time_and_text(backbone):
    z, (empty, red) = noise_for(backbone), backbone.embed(["", PROMPT])
    denoise = backbone.denoiser()
    with torch.no_grad():
        first = denoise(z, 900, red)
        assert first.shape == z.shape and first.dtype == torch.float32 and torch.isfinite(first).all()
        assert torch.equal(first, denoise(z, 900, red))
        for other in (denoise(0.5 * z, 900, red), denoise(z, 100, red), denoise(z, 900, empty)):
            assert not torch.allclose(first, other)
        together = denoise.pair(z, 900, empty, red)
    torch.testing.assert_close(together[1], first, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together[0], denoise(z, 900, empty), rtol=1e-4, atol=1e-5)


def test_a_gradient_reaches_the_latents(backbone):
    z, (red,) = noise_for(backbone).requires_grad_(), backbone.embed([PROMPT])
    (gradient,) = torch.autograd.grad(backbone.denoiser()(z, 500, red).square().mean(), z)
    assert gradient.dtype == torch.float32 and gradient.abs().max() > 0


def test_latents_are_what_they_are_taken_for(backbone):
    schedule, z = backbone.schedule, noise_for(backbone)
    prediction = torch.randn(z.shape, generator=torch.Generator().manual_seed(1))
    for t in (schedule.train_timesteps - 1, schedule.train_timesteps // 2, 1):
        estimate = schedule.estimate(z, prediction, t)
        torch.testing.assert_close(schedule.signal(t) * estimate.clean + schedule.noise(t) * estimate.noise, z)
    assert schedule.signal(-1) == 1 and schedule.noise(-1) == 0
    assert schedule.noise(schedule.train_timesteps - 1) > 0.9 > 0.5 > schedule.noise(1)


def test_timesteps_fall_and_guided_ones_lie_in_their_range(backbone):
    for sampler in backbone.schedule.samplers:
        timesteps = backbone.schedule.timesteps(sampler, 10, 4, 0.5)
        assert len(timesteps) == 10 and timesteps == sorted(set(timesteps), reverse=True)
    with pytest.raises(Problem, match="does not support the sampler|do not fit"):
        generate(backbone, plain_take(backbone, sampler="lcm", steps=60), None, nothing)


@pytest.mark.parametrize("name", POLICIES)
def test_a_take_is_the_same_with_every_memory_policy_and_the_model_is_left_as_it_was(backbone, take, name):
    plain = generate(backbone, take, None, nothing)
    assert plain.shape == backbone.latent_shape(FRAMES, SIZE) and torch.isfinite(plain).all()
    with backbone.with_policy(POLICIES[name]) as spared:
        again = generate(spared, take, None, nothing)
    torch.testing.assert_close(again, plain, atol=1e-4, rtol=1e-4)
    assert torch.equal(generate(backbone, take, None, nothing), plain)


def test_thriftier_policies_need_less_and_auto_takes_the_fastest_that_fits(backbone, take):
    needs = backbone.memory_needs(take.settings, take.frames, take.size, 0)
    fast, balanced, thrifty = (needs.sampling(policy) for policy in POLICIES.values())
    assert fast > balanced > thrifty > 0 and backbone.weight_bytes > 0
    assert choose_policy("auto", 2 * fast, needs).name == "fast" and choose_policy("auto", 1, needs).name == "thrifty"


def test_recording_leaves_no_trace_or_says_that_there_is_nothing_to_record(backbone):
    z, (red,) = noise_for(backbone), backbone.embed([PROMPT])
    with torch.no_grad():
        before = backbone.denoiser()(z, 500, red)
        try:
            layers = backbone.layers(TEMPORAL, ["up_blocks.1"])
        except Problem as error:
            assert error.hint
            return
        with backbone.recording(layers) as recorded:
            backbone.denoiser()(z, 500, red)
        assert list(recorded.maps) == layers
        assert torch.equal(backbone.denoiser()(z, 500, red), before)


def test_without_conditions_there_are_no_controls(backbone):
    assert backbone.load_controls({}, FRAMES, resolve({}, {})) == ()


@pytest.mark.parametrize("steps", [1, 6])
def test_the_toy_samples_as_diffusers_pipeline_does(toy, steps):
    """The sampling loop with flow matching behind the contract equals diffusers' WanPipeline."""
    take = plain_take(toy, steps=steps, cfg_scale=3.0, cfg_form="standard")
    noise = torch.randn(toy.latent_shape(FRAMES, SIZE), generator=torch.Generator().manual_seed(take.seed))
    scheduler = FlowMatchEulerDiscreteScheduler(shift=toy_wan.SHIFT)
    pipeline = WanPipeline(
        tokenizer=None, text_encoder=None, vae=toy.vae, scheduler=scheduler, transformer=toy.transformer
    )
    pipeline.set_progress_bar_config(disable=True)
    # Its own list of timesteps ends above 0; ours goes the whole way in as many steps.
    set_timesteps, ours = scheduler.set_timesteps, toy.schedule.timesteps("euler", steps, 0, 0.3)
    sigmas = [t / 1000 for t in FlowMatching(1.0).timesteps("euler", steps, 0, 0.3)]
    scheduler.set_timesteps = lambda count, device=None: set_timesteps(sigmas=sigmas)
    theirs = pipeline(
        prompt_embeds=take.positive,
        negative_prompt_embeds=take.negative,
        num_frames=FRAMES,
        height=SIZE[0],
        width=SIZE[1],
        num_inference_steps=steps,
        guidance_scale=3.0,
        latents=noise,
        output_type="latent",
    ).frames
    assert scheduler.timesteps.tolist() == pytest.approx(ours, rel=1e-5)
    assert (generate(toy, take, None, nothing) - theirs).abs().max() < 1e-4


def test_noise_prediction_and_flow_matching_are_two_forms_of_one_estimate():
    """Both parametrizations give the same clean latents and noise."""
    draws = torch.Generator().manual_seed(3)
    clean, noise = torch.randn(2, 1, 4, 2, 3, 3, generator=draws)
    for schedule, prediction in (
        (VariancePreserving(torch.linspace(0.99, 0.01, 1000)), noise),
        (FlowMatching(), noise - clean),
    ):
        z = schedule.signal(400) * clean + schedule.noise(400) * noise
        estimate = schedule.estimate(z, prediction, 400)
        torch.testing.assert_close(estimate.clean, clean, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(estimate.noise, noise, atol=1e-5, rtol=1e-5)


def test_a_sampler_that_a_family_does_not_know_is_said(toy):
    with pytest.raises(Problem, match="does not support the sampler lcm.*ddim or euler"):
        generate(
            toy, replace(plain_take(toy), settings=resolve({}, {"sampler": "lcm", "motion_weight": 0})), None, nothing
        )
