"""Takes: guidance moves them toward the reference, weight 0 is plain generation, and the seed decides the noise."""

from dataclasses import replace

import pytest
import torch

from backend.job.inverted_reference import inversion_steps
from backend.job.take import GRADIENT, READING, generate, initial_noise, step_costs
from backend.job_folder.families import resolve
from backend.job_folder.problem import Problem
from backend.motion.guidance import MotionGuidance
from backend.sampling.guided import GuidanceOptions, Predictors, sample
from backend.sampling.noise_schedule import VariancePreserving
from backend.sampling.schedule import even_timesteps, plan_steps
from tests.tiny_takes import nothing, read_motion, step_at, with_settings


def test_weight_zero_is_plain_sampling_bit_for_bit(model, take, motion):
    unguided = with_settings(take, motion_weight=0.0)
    assert torch.equal(generate(model, unguided, motion, nothing), generate(model, unguided, None, nothing))


def test_the_same_seed_gives_the_same_take_and_another_another(model, take, motion):
    first = generate(model, take, motion, nothing)
    assert torch.equal(first, generate(model, take, motion, nothing))
    assert not torch.allclose(first, generate(model, replace(take, seed=6), motion, nothing))


@pytest.mark.parametrize("form, weight", [("raw", 2000.0), ("relative", 0.3)])
def test_guidance_lowers_the_distance_to_the_reference(model, take, motion, form, weight):
    changed = {"steps": 12, "guided_steps": 12, "guided_range": 0.99, "warm_up_steps": 0, "score_form": form}
    guided = generate(model, with_settings(take, motion_weight=weight, **changed), motion, nothing)
    plain = generate(model, with_settings(take, motion_weight=0.0, **changed), motion, nothing)
    measure = MotionGuidance(model, model.denoiser(), take.positive, motion)
    assert measure(guided, step_at(10))[2] < measure(plain, step_at(10))[2]


def test_the_strength_multiplies_the_weight_and_none_is_plain_generation(model, take, motion):
    def with_weight(weight: float, strength: float = 1.0):
        return generate(model, with_settings(take, motion_weight=weight, motion_strength=strength), motion, nothing)

    assert torch.equal(with_weight(0.4, strength=0.5), with_weight(0.2))
    assert torch.equal(with_weight(0.4, strength=0.0), with_weight(0.0))


def test_the_gradient_is_the_true_one(model, take, motion):
    """Compared with a finite difference: ending autograd after the last recorded layer loses nothing."""
    guide = MotionGuidance(model, model.denoiser(), take.positive, motion)
    z = initial_noise(model, take)
    _, gradient, _ = guide(z, step_at(700))
    direction = gradient / gradient.norm()
    ahead, behind = (guide(z + sign * 0.5 * direction, step_at(700))[2] for sign in (1, -1))
    assert ahead - behind == pytest.approx(float(gradient.norm()), rel=0.05)


@pytest.mark.parametrize(("top_k", "kept"), [(1, 1), (7, 7), (8, 7), (128, 7)])
def test_without_the_diagonal_no_frame_points_at_itself(model, top_k, kept):
    motion = read_motion(model, diagonal=False, top_k=top_k)
    itself = torch.arange(8).view(8, 1)
    assert {index.shape[-1] for index in motion.indices.values()} == {kept}
    assert all((index.long() != itself).all() for index in motion.indices.values())


def test_numbers_that_are_not_finite_stop_the_take_with_advice(model, take, motion):
    with pytest.raises(Problem, match=r"invalid numbers \(NaN\) at step 1.*Lower motion_weight"):
        generate(model, with_settings(take, motion_weight=float("inf")), motion, nothing)


def test_a_prompt_too_long_is_said(model):
    with pytest.raises(Problem, match="has 40 tokens; this model reads at most 30.*about 10 words"):
        model.embed(["red " * 40])[0]


def test_latents_and_pixels_of_any_shape(model):
    pixels = torch.rand(3, 3, 16, 40) * 2 - 1
    latents = model.encode(pixels)
    assert latents.shape == (1, 4, 3, 4, 10)
    assert model.decode(latents, nothing).shape == pixels.shape


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"reuse_gradient": 3, "reuse_negative": 2},
        {"cfg_scale": 0.0},
        {"motion_strength": 0.0},
        {"guided_steps": 0},
        {"sampler": "lcm", "steps": 6, "guided_steps": 3, "guided_range": 0.5},
        {"method": "inversion", "semantic_weights": (500.0,)},
        {"method": "inversion"},
    ],
)
def test_what_steps_are_said_to_cost_is_what_the_sampler_spends(changes):
    """Measured by the bench with the sampler itself."""
    from backend.bench.costs import Costs, job_costs

    s = replace(resolve({}, {"steps": 20, "guided_steps": 10, "warm_up_steps": 0, "cool_down_steps": 0}), **changes)
    besides = READING + (2 if any(s.semantic_weights) else 0) if s.method == "inversion" else 0.0
    spent = job_costs(s, Costs(single=1.0, pair=2.0, guided=GRADIENT + besides, reading=1.0))
    read_before = 0.0
    if s.guidance_weight > 0 and s.guided_steps > 0:
        read_before = float(inversion_steps(s)) if s.method == "inversion" else 1.0
    assert sum(step_costs(s)) == pytest.approx(spent.whole - read_before)
    more = sum(step_costs(s, recompute=True)) - sum(step_costs(s))
    assert (more > 0) == (s.guidance_weight > 0 and s.guided_steps > 0)


@pytest.mark.parametrize("reuse", [2, 3])
def test_a_negative_pull_that_is_used_again_pulls_the_same_way(reuse):
    """If the difference of both predictions is constant, reusing it changes only the cost."""
    schedule, asked = VariancePreserving(torch.linspace(0.999, 0.01, 1000)), []

    def negative(z, step):
        asked.append(step)
        return 0.1 * z + 0.5

    def positive(z, step):
        return 0.1 * z

    predict = Predictors(negative, positive, lambda z, step: (negative(z, step), positive(z, step)))
    guidance = lambda z, step: (positive(z, step), torch.zeros_like(z), 0.0)  # noqa: E731

    def sampled(times: int) -> torch.Tensor:
        asked.clear()
        strength = GuidanceOptions(3.0, "standard", 0.0, "raw", reuse_negative=times)
        steps = plan_steps(even_timesteps(6), 3, 0, 0)
        return sample(torch.ones(1, 4, 2, 3, 3), steps, schedule, strength, predict, guidance, nothing)

    each_time = sampled(1)
    assert len(asked) == 6
    torch.testing.assert_close(sampled(reuse), each_time)
    assert len(asked) == 6 / reuse
