"""A mask decides where guidance acts: in each cell and frame, and on the coarser grid of every layer."""

import pytest
import torch

from backend.motion.location_masks import RegionWeights, layer_grid

SUBJECT, BACKGROUND = 1.0, 0.25


def weights_of(mask: torch.Tensor) -> RegionWeights:
    return RegionWeights(mask, SUBJECT, BACKGROUND)


@pytest.fixture
def corner() -> RegionWeights:
    """The subject fills the top left quarter in the first frame, the bottom left one in the second; no mirror image of
    either is the same."""
    mask = torch.zeros(2, 4, 6)
    mask[0, :2, :3] = 1
    mask[1, 2:, :3] = 1
    return weights_of(mask)


def test_each_latent_cell_has_the_weight_of_what_the_mask_shows_there(corner):
    latents = corner.latent_weights
    assert latents.shape == (1, 1, 2, 4, 6)
    assert torch.equal(latents[0, 0] == SUBJECT, corner.mask.bool())
    assert torch.equal(latents[0, 0] == BACKGROUND, ~corner.mask.bool())
    half = weights_of(torch.full((1, 2, 2), 0.5)).latent_weights
    assert torch.equal(half, torch.full((1, 1, 1, 2, 2), (SUBJECT + BACKGROUND) / 2))


def test_a_layer_s_positions_are_its_grid_row_by_row(corner):
    fine = corner.for_layer(24)
    assert fine.shape == (24, 2)
    assert torch.equal(fine.T.unflatten(1, (4, 6)), corner.latent_weights[0, 0])
    top_left, top_right, bottom_left, bottom_right = range(4)
    coarse = weights_of(corner.mask[:, :, :4]).for_layer(4)  # of 4 x 4 cells; the subject's edge is at 3
    between = (SUBJECT + BACKGROUND) / 2
    assert coarse[top_left].tolist() == [SUBJECT, BACKGROUND] and coarse[bottom_left].tolist() == [BACKGROUND, SUBJECT]
    assert coarse[top_right].tolist() == [between, BACKGROUND]
    assert coarse[bottom_right].tolist() == [BACKGROUND, between]


def test_odd_sizes_are_halved_rounding_up_and_others_have_no_such_layer():
    assert [layer_grid(n, (5, 7)) for n in (35, 12, 4, 1)] == [(5, 7), (3, 4), (2, 2), (1, 1)]
    with pytest.raises(ValueError, match="No halving"):
        layer_grid(10, (5, 7))


@pytest.mark.parametrize(("subject", "background", "active"), [(1, 0, True), (0, 1, True), (0, 0, False)])
def test_guidance_acts_where_any_cell_has_a_weight(corner, subject, background, active):
    assert RegionWeights(corner.mask, subject, background).active is active


def test_a_mask_of_ones_is_the_subject_everywhere_exactly():
    assert torch.equal(weights_of(torch.ones(2, 3, 5)).latent_weights, torch.full((1, 1, 2, 3, 5), SUBJECT))
