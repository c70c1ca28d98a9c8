"""Solvers: without guidance each equals diffusers' pipeline, and guidance works with each."""

from dataclasses import replace

import pytest
import torch
from diffusers import (
    AnimateDiffPipeline,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
)

from backend.backbones.animatediff.denoise import Denoiser
from backend.backbones.animatediff.frame_norm import normalize_all_frames
from backend.job.take import generate
from backend.job_folder.problem import Problem
from backend.motion.guidance import MotionGuidance
from backend.sampling.noise_schedule import Estimate, FlowMatching, VariancePreserving
from backend.sampling.schedule import lcm_timesteps, plan_steps
from backend.sampling.solvers import ddim, make_solver
from tests.tiny_takes import LATENTS, nothing, read_motion, step_at, with_settings

LINEAR = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "linear"}
SAMPLERS = ["ddim", "dpm++2m", "euler", "lcm"]


class EvenDDIM(DDIMScheduler):
    """diffusers' DDIM takes the next timestep by a stride, not from its list."""

    def set_timesteps(self, num_inference_steps=None, device=None, timesteps=None):
        self.timesteps = torch.tensor(timesteps)
        self.num_inference_steps = 1000 // (timesteps[0] - timesteps[1])


def theirs(sampler):
    return {
        "ddim": lambda: EvenDDIM(clip_sample=False, **LINEAR),
        "dpm++2m": lambda: DPMSolverMultistepScheduler(**LINEAR),
        "euler": lambda: EulerDiscreteScheduler(timestep_spacing="leading", **LINEAR),  # starts from noise alike
        "lcm": lambda: LCMScheduler(**LINEAR),
    }[sampler]()


def by_diffusers(model, take):
    """Returns the latents of AnimateDiffPipeline, on our timesteps and from the same random numbers."""
    s = take.settings
    scheduler, draws = theirs(s.sampler), torch.Generator().manual_seed(take.seed)
    timesteps, of_list = model.schedule.timesteps(s.sampler, s.steps, 0, s.guided_range), scheduler.set_timesteps
    scheduler.set_timesteps = lambda steps, device=None: of_list(timesteps=timesteps)
    pipeline = AnimateDiffPipeline(
        vae=model.vae,
        text_encoder=model.text_encoder,
        tokenizer=model.tokenizer,
        unet=model.unet,
        motion_adapter=None,
        scheduler=scheduler,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        prompt="a red ball",
        negative_prompt="",
        num_frames=take.frames,
        height=take.size[0],
        width=take.size[1],
        num_inference_steps=s.steps,
        guidance_scale=s.cfg_scale,
        latents=torch.randn(LATENTS, generator=draws),
        generator=draws,
        output_type="latent",
    ).frames


@pytest.mark.parametrize(
    "sampler, steps, cfg_scale",
    [("ddim", 4, 3.0), ("dpm++2m", 5, 3.0), ("dpm++2m", 16, 3.0), ("euler", 5, 3.0), ("lcm", 4, 2.0), ("lcm", 6, 1.0)],
)
def test_unguided_it_equals_diffusers_pipeline(model, take, sampler, steps, cfg_scale):
    normalize_all_frames(model.unet)
    plain = with_settings(take, sampler=sampler, steps=steps, guided_steps=0, motion_weight=0.0, cfg_scale=cfg_scale)
    expected = by_diffusers(model, plain)
    assert (generate(model, plain, None, nothing) - expected).abs().max() < 1e-4


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_guidance_lowers_the_distance_to_the_reference(model, take, motion, sampler):
    changed = {"sampler": sampler, "steps": 6, "guided_steps": 6, "guided_range": 0.99, "score_form": "relative"}
    guided = generate(model, with_settings(take, motion_weight=0.3, **changed), motion, nothing)
    plain = generate(model, with_settings(take, motion_weight=0.0, **changed), motion, nothing)
    measure = MotionGuidance(model, model.denoiser(), take.positive, motion)
    assert measure(guided, step_at(10))[2] < measure(plain, step_at(10))[2]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_weight_zero_is_plain_sampling_and_a_seed_decides_all(model, take, motion, sampler):
    chosen = with_settings(take, sampler=sampler, motion_weight=0.0)
    first = generate(model, chosen, motion, nothing)
    assert torch.equal(first, generate(model, chosen, None, nothing))
    assert not torch.allclose(first, generate(model, replace(chosen, seed=6), None, nothing))


def test_lcm_draws_other_noise_than_the_first():
    steps = plan_steps(lcm_timesteps(4, 0, 0.3), 0, 0, 0)
    draws, schedule = torch.Generator().manual_seed(5), VariancePreserving(theirs("lcm").alphas_cumprod)
    first = torch.randn(LATENTS, generator=draws)
    estimate = schedule.estimate(first, first, steps[0].timestep)
    z = make_solver("lcm", steps, schedule, draws)(first, estimate, steps[0])
    noise = (z - z.mean()) / z.std()
    assert abs((noise * first).mean()) < 0.1


def test_lcm_visits_the_timesteps_of_diffusers():
    scheduler = theirs("lcm")
    for count in (1, 4, 8):
        scheduler.set_timesteps(count)
        assert lcm_timesteps(count, 0, 0.3) == scheduler.timesteps.tolist()
    assert lcm_timesteps(6, 4, 0.5) == [999, 879, 759, 639, 499, 259]


@pytest.mark.parametrize("steps, guided, share", [(51, 0, 0.3), (20, 18, 0.3), (48, 4, 0.3)])
def test_lcm_with_more_steps_than_levels_is_said(steps, guided, share):
    with pytest.raises(Problem, match="lcm has 50 noise levels.*do not fit.*Lower steps"):
        lcm_timesteps(steps, guided, share)


def test_what_only_ddim_can_do_is_said():
    schedule, draws = VariancePreserving(theirs("ddim").alphas_cumprod), torch.Generator()
    for sampler in SAMPLERS[1:]:
        with pytest.raises(Problem, match="does not support the inversion method.*ddim"):
            make_solver(sampler, plan_steps([999, 500, 0], 0, 0, 0, stride=333), schedule, draws)
        with pytest.raises(Problem, match="visit a timestep twice.*ddim"):
            make_solver(sampler, plan_steps([999, 500, 500, 0], 0, 0, 0), schedule, draws)


def forwards(monkeypatch):
    """Returns the number of texts in each pass from now on."""
    texts, call = [], Denoiser.__call__

    def counting(self, latents, timestep, text):
        texts.append(len(text))
        return call(self, latents, timestep, text)

    monkeypatch.setattr(Denoiser, "__call__", counting)
    return texts


@pytest.mark.parametrize("form, scale", [("standard", 1.0), ("paper", 0.0)])
def test_a_negative_prompt_without_effect_costs_nothing(model, take, motion, form, scale, monkeypatch):
    count = forwards(monkeypatch)
    chosen = with_settings(take, cfg_form=form, cfg_scale=scale)
    alone = generate(model, chosen, motion, nothing)
    assert count == [1, 1, 1, 1]
    near = generate(model, with_settings(chosen, cfg_scale=scale + 1e-6), motion, nothing)
    torch.testing.assert_close(alone, near, rtol=1e-3, atol=1e-3)


def test_a_gradient_used_again_is_not_computed(model, take, motion, monkeypatch):
    count = forwards(monkeypatch)
    changed = {"steps": 7, "guided_steps": 6, "guided_range": 0.9}
    every = generate(model, with_settings(take, **changed), motion, nothing)
    assert count == 6 * [1, 1] + [2]
    count.clear()
    third = generate(model, with_settings(take, reuse_gradient=3, **changed), motion, nothing)
    assert count == [1, 1, 2, 2, 1, 1, 2, 2, 2]
    assert not torch.equal(every, third)


def test_a_gradient_used_again_still_guides(model, take, motion):
    changed = {"steps": 6, "guided_steps": 6, "guided_range": 0.99, "score_form": "relative", "reuse_gradient": 3}
    guided = generate(model, with_settings(take, motion_weight=0.3, **changed), motion, nothing)
    plain = generate(model, with_settings(take, motion_weight=0.0, **changed), motion, nothing)
    measure = MotionGuidance(model, model.denoiser(), take.positive, read_motion(model))
    assert measure(guided, step_at(10))[2] < measure(plain, step_at(10))[2]


def test_a_multistep_solver_forgets_what_guidance_has_bent():
    """Extrapolating estimates of two different paths would amplify the score and distort the picture."""
    steps = plan_steps([900, 700, 500], 1, 0, 0)
    schedule = VariancePreserving(theirs("ddim").alphas_cumprod)
    z, eps = torch.randn(2, *LATENTS, generator=torch.Generator().manual_seed(0))
    kept = make_solver("dpm++2m", steps, schedule, torch.Generator())
    bent = make_solver("dpm++2m", steps, schedule, torch.Generator())
    first, half = schedule.estimate(z, eps, 900), 0.5 * eps
    straight, moved = kept(z, first, steps[0]), bent(z, first, steps[0]) + 0.1
    first_order = ddim(schedule)
    of_moved, of_straight = schedule.estimate(moved, half, 700), schedule.estimate(straight, half, 700)
    assert torch.allclose(bent(moved, of_moved, steps[1]), first_order(moved, of_moved, steps[1]), atol=1e-5)
    assert not torch.allclose(
        kept(straight, of_straight, steps[1]), first_order(straight, of_straight, steps[1]), atol=1e-3
    )


class OfGaussians:
    """Data of a known distribution, with a known best prediction and so a known path from noise to clean."""

    def __init__(self, schedule, mean=1.5, deviation=0.3):
        self.schedule, self.mean, self.deviation = schedule, mean, deviation

    def estimate(self, z, t):
        signal, noise = self.schedule.signal(t), self.schedule.noise(t)
        spread = signal * self.deviation**2 / ((signal * self.deviation) ** 2 + noise**2)
        clean = self.mean + spread * (z - signal * self.mean)
        return Estimate(clean, (z - signal * clean) / noise)

    def after(self, sampler, timesteps):
        """Returns the latents at the last of the timesteps."""
        steps = plan_steps(timesteps, 0, 0, 0)
        solver = make_solver(sampler, steps, self.schedule, torch.Generator())
        z = torch.linspace(-2, 2, 9, dtype=torch.float64)
        for step in steps[:-1]:
            z = solver(z, self.estimate(z, step.timestep), step)
        return z


@pytest.mark.parametrize("schedule", [VariancePreserving(theirs("ddim").alphas_cumprod), FlowMatching(3.0)], ids=type)
def test_a_multistep_solver_is_nearer_to_the_exact_way(schedule):
    data, timesteps = OfGaussians(schedule), schedule.timesteps("dpm++2m", 12, 0, 0.3)
    fine = list(range(round(timesteps[0]), round(timesteps[-1]), -1)) + [timesteps[-1]]
    exact = data.after("ddim", fine)
    first, second = (abs(data.after(sampler, timesteps) - exact).max() for sampler in ("ddim", "dpm++2m"))
    assert second < 0.5 * first
