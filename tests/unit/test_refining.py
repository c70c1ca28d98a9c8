"""The refining pass: noise is added to the finished latents and removed without guidance."""

from dataclasses import replace

import pytest
import torch

from backend.job.take import denoising_steps, generate, initial_noise, predictors, step_costs
from backend.job_folder.problem import Problem
from backend.sampling.guided import GuidanceOptions, Predictors, sample
from backend.sampling.noise_schedule import FlowMatching, VariancePreserving, refining_timesteps
from backend.sampling.schedule import plan_steps
from tests.tiny_takes import nothing, with_settings

LINEAR = VariancePreserving(torch.linspace(0.999, 0.005, 1000))


@pytest.mark.parametrize("sampler", ["ddim", "dpm++2m", "euler", "lcm"])
@pytest.mark.parametrize("strength", [0.2, 0.5, 0.9])
def test_it_begins_where_its_share_of_the_noise_is_left(sampler, strength):
    timesteps = refining_timesteps(LINEAR, sampler, 6, strength)
    assert len(timesteps) == 6 and timesteps == sorted(set(timesteps), reverse=True)
    assert timesteps[0] == pytest.approx(1000 * strength, abs=2) and timesteps[-1] >= 0


def test_it_begins_there_with_flow_matching_too():
    assert refining_timesteps(FlowMatching(), "euler", 5, 0.5) == pytest.approx([500, 400, 300, 200, 100])


@pytest.mark.parametrize("sampler", ["ddim", "dpm++2m", "euler"])
def test_it_is_plain_sampling_of_the_finished_latents_with_their_first_noise(model, take, motion, sampler):
    guided = with_settings(take, sampler=sampler, steps=6, guided_steps=3, score_form="relative", motion_weight=0.2)
    finished = generate(model, guided, motion, nothing)
    timesteps, schedule = refining_timesteps(model.schedule, sampler, 4, 0.5), model.schedule
    t, noise = timesteps[0], initial_noise(model, take)
    plain = with_settings(take, sampler=sampler, motion_weight=0.0).settings
    expected = sample(
        schedule.signal(t) * finished + schedule.noise(t) * noise,
        plan_steps(timesteps, 0, 0, 0),
        schedule,
        GuidanceOptions(plain.cfg_scale, plain.cfg_form, 0.0, "raw"),
        predictors(model.denoiser(), take.negative, take.positive),
        None,
        nothing,
    )
    refined = generate(model, with_settings(guided, refine=0.5, refine_steps=4), motion, nothing)
    if sampler == "dpm++2m":  # extrapolates, which the plain steps above do not
        assert (refined - expected).std() < 0.5 * (refined - finished).std()
    else:
        assert torch.equal(refined, expected)


def with_settings_of(take, **changes):
    return replace(take.settings, **changes)


def test_it_predicts_for_both_prompts_in_each_step_and_needs_no_gradient(model, take, motion):
    settings = with_settings_of(take, steps=4, guided_steps=2, reuse_negative=4, refine=0.5, refine_steps=3)
    steps, calls = denoising_steps(settings, model.schedule), []

    def predict(name):
        return lambda z, t: calls.append(name) or torch.zeros_like(z)

    def pair(z, t):
        calls.append("pair")
        return torch.zeros_like(z), torch.zeros_like(z)

    def guide(z, step):
        calls.append("gradient")
        return torch.zeros_like(z), torch.ones_like(z), 0.0

    sample(
        initial_noise(model, take),
        steps,
        model.schedule,
        GuidanceOptions(2.0, "standard", 0.1, "relative", reuse_negative=4),
        Predictors(predict("negative"), predict("positive"), pair),
        guide,
        nothing,
    )
    assert calls == ["gradient", "negative", "gradient", "positive", "positive", "pair", "pair", "pair"]


def test_each_of_its_steps_has_a_cost(model, take):
    settings = with_settings_of(take, steps=5, guided_steps=2, reuse_negative=5, refine=0.3, refine_steps=4)
    steps, costs = denoising_steps(settings, model.schedule), step_costs(settings)
    assert len(steps) == len(costs) == 9 and costs[5:] == [2.0] * 4
    assert [step.index for step in steps] == list(range(9))
    assert [step.starts_refining for step in steps] == [False] * 5 + [True] + [False] * 3


def test_more_steps_than_the_sampler_has_levels_are_refused(model, take):
    settings = with_settings_of(take, sampler="lcm", steps=4, guided_steps=0, refine=0.1, refine_steps=10)
    with pytest.raises(Problem, match="noise levels"):
        denoising_steps(settings, model.schedule)
