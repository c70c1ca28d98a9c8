"""Training of the demo model's control models: where it begins, and what depth it is shown."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.demo_training import architecture
from backend.demo_training.controls import STAGES, Controlled, chosen_frames, control_model
from backend.demo_training.moves import random_look, random_motion
from backend.demo_training.passes import draw_depth
from backend.demo_training.world import Motion, draw_clip


@pytest.mark.parametrize("stage", STAGES)
def test_a_control_model_begins_as_the_unet_and_adds_nothing(stage):
    unet = architecture.unet()
    latents, t, text = torch.randn(1, 4, 16, 16, 16), torch.tensor([500]), torch.randn(16, 8, architecture.TEXT_WIDTH)
    controlled = Controlled(unet, control_model(stage, unet))
    weights = (model.down_blocks[0].resnets[0].conv1.weight for model in (unet, controlled.control))
    torch.testing.assert_close(*weights)
    picture = chosen_frames(latents, np.random.default_rng(0))
    controlled.condition = picture if stage == "sparse_rgb" else (torch.rand(16, 3, 128, 128),)
    predicted = controlled(latents, t, text)[0]
    torch.testing.assert_close(predicted, unet(latents, t, text, return_dict=False)[0])
    predicted.pow(2).mean().backward()
    assert controlled.control.controlnet_mid_block.weight.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in unet.parameters())


@pytest.mark.parametrize("shape, front", [("ball", 7.0), ("cube", 8 - 0.86)])
def test_depth_is_the_inverse_of_the_distance(shape, front):
    """A camera at height 1 looks level at a solid 8 units away; the nearest thing is the ground in the last row."""
    motion = Motion(np.zeros((2, 3)), np.zeros(2), 1.0, np.tile([0, 1, -8, 0, 0, 0, 1.5], (2, 1)))
    depth = draw_depth(shape, motion)
    nearest = 1.5 / (63.5 / 64)
    assert depth.shape == (2, 128, 128, 3) and depth[0, -1, 64, 0] == 255
    assert depth[0, 63, 64, 0] == pytest.approx(255 * nearest / front, abs=1)
    assert depth[0, 104, 4, 0] == pytest.approx(255 * nearest / (1.5 / (40.5 / 64)), abs=1)
    assert (depth[:, 0] == 0).all()


def test_depth_shows_the_subject_of_the_clip():
    rng = np.random.default_rng(3)
    for look, motion in ((random_look(rng), random_motion(rng)) for _ in range(6)):
        look = replace(look, grain=0.0)
        gone = replace(motion, subject=motion.subject - [0, 1000, 0])
        with_it, without = (draw_clip(look, m).astype(int) for m in (motion, gone))
        drawn = np.abs(with_it - without).max(-1) > 60
        raised = draw_depth(look.shape, motion)[..., 0] != draw_depth(look.shape, gone)[..., 0]
        assert raised[drawn].mean() > 0.8 if drawn.any() else True


def test_one_to_three_frames_are_kept():
    latents, rng = torch.ones(50, 4, 16, 2, 2), np.random.default_rng(0)
    pictures, mask = chosen_frames(latents, rng)
    counts = mask[:, 0, :, 0, 0].sum(1)
    assert set(counts.tolist()) == {1.0, 2.0, 3.0}
    assert torch.equal(pictures, latents * mask)
