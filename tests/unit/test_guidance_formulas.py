"""The formulas of guidance on numbers small enough to follow by hand."""

from __future__ import annotations

import pytest
import torch

from backend.motion.inversion_guidance import InversionGuidance, Texts
from backend.motion.location_masks import SIGMA, Regions, centered_regions, object_mask, plain_regions
from backend.motion.loss_terms import LossTerms, layer_weights
from backend.sampling.guided import GuidanceOptions, Predictors, sample
from backend.sampling.noise_schedule import FlowMatching, VariancePreserving
from backend.sampling.schedule import Step, lcm_timesteps
from tests.tiny_takes import LATENTS, step_at

NOISE = 0.2
SCHEDULE = VariancePreserving(torch.full((1000,), 1 - NOISE**2))
WEIGHT, RAMP = 0.1, 0.5


def score_of(gradient: torch.Tensor, predicted: torch.Tensor, form: str = "raw", **options) -> torch.Tensor:
    """Samples one guided step and returns its score."""
    kept = []
    sample(
        torch.zeros_like(predicted),
        [Step(0, 400, 200, RAMP)],
        SCHEDULE,
        GuidanceOptions(0.0, "paper", WEIGHT, form, **options),
        Predictors(pytest.fail, pytest.fail, pytest.fail),
        lambda z, step: (predicted, gradient, 0.0),
        lambda step, z, score, loss: kept.append(score),
    )
    return kept[0]


def test_a_raw_score_is_the_weighted_gradient():
    gradient = torch.tensor([-2.0, 0.5, 3.0]).view(1, 1, 1, 1, 3)
    torch.testing.assert_close(score_of(gradient, torch.ones_like(gradient)), NOISE * WEIGHT * RAMP * gradient)


def test_a_clamp_bounds_the_gradient_after_the_ramp():
    gradient = torch.tensor([-2.0, -0.4, 0.1, 0.5, 0.51]).view(1, 1, 1, 1, 5)
    score = score_of(gradient, torch.ones_like(gradient), score_clamp=0.25)
    wanted = torch.tensor([-0.5, -0.4, 0.1, 0.5, 0.5]).view(1, 1, 1, 1, 5)  # times the ramp of 0.5, 0.25 at most
    torch.testing.assert_close(score, NOISE * WEIGHT * RAMP * wanted)


@pytest.mark.parametrize("form", ["raw", "relative"])
def test_a_score_without_mean_shift_leaves_frame_means_alone(form):
    gradient, predicted = torch.randn(1, 4, 8, 6, 10) + 3, torch.randn(1, 4, 8, 6, 10)
    assert score_of(gradient, predicted, form).mean((-2, -1)).abs().min() > 1e-3
    assert score_of(gradient, predicted, form, mean_shift=False).mean((-2, -1)).abs().max() < 1e-6


def test_a_relative_score_is_its_share_of_the_noise_prediction():
    gradient, predicted = torch.randn(1, 4, 8, 6, 10), torch.randn(1, 4, 8, 6, 10)
    score = score_of(1e-9 * gradient, predicted, "relative")
    assert float(score.norm() / predicted.norm()) == pytest.approx(WEIGHT * RAMP, rel=1e-4)


def test_within_a_region_the_share_is_of_the_prediction_there():
    """A prediction elsewhere, however large, makes guidance in the region no stronger."""
    gradient, predicted = torch.randn(1, 4, 2, 3, 4), torch.randn(1, 4, 2, 3, 4)
    predicted[..., 2:] *= 1000
    region = torch.zeros(1, 1, 2, 3, 4)
    region[..., :2] = 1
    score = score_of(gradient, predicted, "relative", region=region)
    assert not score[..., 2:].any()
    assert float(score.norm() / predicted[..., :2].norm()) == pytest.approx(WEIGHT * RAMP, rel=1e-4)


def test_a_shift_moves_timesteps_of_flow_matching_toward_noise():
    """Esser et al., arXiv:2403.03206, eq. 23: 3t / (1 + 2t). Shifting by 1 and then by 3 must not hide an error."""
    assert FlowMatching(1.0).timesteps("euler", 4, 0, 0.3) == pytest.approx([1000, 750, 500, 250])
    assert FlowMatching(3.0).timesteps("euler", 4, 0, 0.3) == pytest.approx([1000, 900, 750, 500])


def test_lcm_may_use_every_level():
    every = list(range(999, 0, -20))
    assert lcm_timesteps(50, 0, 0.3) == lcm_timesteps(50, 15, 0.3) == every
    assert lcm_timesteps(15, 15, 0.3) == every[:15]


def test_an_object_is_where_attention_to_its_words_is_above_a_share_of_its_span_in_the_frame():
    first, second = torch.zeros(2, 1, 3, 4), torch.zeros(2, 1, 3, 4)
    first[0, 0, :, 1] = torch.tensor([0.2, 0.4, 1.0])
    first[1, 0, :, 2] = torch.tensor([0.9, 0.5, 0.1])
    first[..., 3] = 5.0  # another word
    assert object_mask([first], [1, 2], 0.3).tolist() == [[0, 0, 1], [1, 1, 0]]
    second[0, 0, :, 1] = torch.tensor([0.0, 0.9, 0.0])  # of another layer: the mean counts
    assert object_mask([first, second], [1, 2], 0.3).tolist() == [[0, 1, 1], [1, 1, 0]]


def test_a_subject_of_one_cell_fades_with_the_distance_from_it():
    mask = torch.zeros(1, 4, 5)
    mask[0, 1, 2] = 1
    regions = centered_regions(mask.flatten(1), (4, 5))
    ys, xs = torch.meshgrid(torch.arange(4), torch.arange(5), indexing="ij")
    fading = torch.exp(-((ys - 1) ** 2 + (xs - 2) ** 2) / (2 * SIGMA**2))
    torch.testing.assert_close(regions.foreground.view(4, 5), mask[0] * fading)
    torch.testing.assert_close(regions.background.view(4, 5), (1 - mask[0]) * (1 - fading))


def test_where_nothing_is_found_all_is_background():
    regions = centered_regions(torch.zeros(1, 6), (2, 3))
    assert not regions.foreground.any() and regions.background.isfinite().all() and regions.background.max() > 0


def test_regions_repeat_cells_on_a_finer_grid_and_average_them_on_a_coarser_one():
    mask = torch.tensor([[1.0, 0.0, 0.0, 0.5]])
    regions = plain_regions(mask, (2, 2))
    assert regions.at((2, 2)) is regions
    finer, coarser = regions.at((4, 4)), regions.at((1, 1))
    rows = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5]]
    assert finer.foreground.view(4, 4).tolist() == rows and finer.grid == (4, 4)
    torch.testing.assert_close(finer.background, 1 - finer.foreground)
    assert coarser.foreground.tolist() == [[[0.375]]] and coarser.background.tolist() == [[[0.625]]]
    assert isinstance(coarser, Regions) and coarser.grid == (1, 1)


def test_the_motion_term_ends_after_its_steps(model, take):
    """Its last step is the one before `motion_steps`."""
    latents, reference = (torch.randn(LATENTS, generator=torch.Generator().manual_seed(seed)) for seed in (2, 3))
    text = Texts(negative=take.negative, positive=take.positive, inversion=take.positive)

    def loss(motion_steps: int) -> float:
        terms = LossTerms(
            motion=layer_weights(model, ["up_blocks.1"], [2000.0], "temp"),
            semantic=layer_weights(model, ["up_blocks.1"], [500.0], "temp"),
            motion_steps=motion_steps,
        )
        denoise = model.denoiser()
        guide = InversionGuidance(
            model, denoise, text, terms, lambda t: reference, denoise, lambda z, negative, positive, step: z
        )
        return guide(latents, step_at(400))[2]  # step 0

    assert loss(1) == loss(5) > loss(0) > 0
