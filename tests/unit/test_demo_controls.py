"""Training of the demo model's control models: where it begins, and what depth it is shown."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.demo_training import architecture
from backend.demo_training.controls import STAGES, Controlled, chosen_frames, control_model
from backend.demo_training.feeding import reused
from backend.demo_training.moves import random_look, random_motion
from backend.demo_training.passes import draw_depth, lines
from backend.demo_training.world import Look, Motion, draw_clip, pack


@pytest.mark.parametrize("stage", STAGES)
def test_a_control_model_begins_as_the_unet_and_adds_nothing(stage):
    unet = architecture.unet()
    latents, t, text = torch.randn(1, 4, 16, 16, 16), torch.tensor([500]), torch.randn(16, 8, architecture.TEXT_WIDTH)
    controlled = Controlled(unet, control_model(stage, unet))
    weights = (model.down_blocks[0].resnets[0].conv1.weight for model in (unet, controlled.control))
    torch.testing.assert_close(*weights)
    conditions = {
        "sparse_rgb": chosen_frames(latents, np.random.default_rng(0)),
        "sparse_scribble": chosen_frames(torch.rand(1, 3, 16, 128, 128), np.random.default_rng(0)),
        "depth_control": (torch.rand(16, 3, 128, 128),),
    }
    controlled.condition = conditions[stage]
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


def test_lines_are_the_outlines_edges_and_the_horizon():
    """A level camera looks at a cube, turned by an eighth, and at a ball: three upright edges, or none inside."""
    motion = Motion(np.zeros((1, 3)), np.full(1, np.pi / 4), 1.0, np.array([[0, 1, -6, 0, 0, 0, 1.5]]))
    cube, ball = (
        lines(pack([Look(shape, "red", "green", "blue")], [motion]), (128, 128))[0, 0] for shape in ("cube", "ball")
    )
    assert {float(v) for v in cube.unique()} == {0.0, 1.0} and 0.01 < cube.mean() < 0.1
    assert cube[:61, :20].max() == 0 and cube[61:67, 5].max() == 1  # the horizon is one line, nothing above it
    crossings = [int((row.diff(prepend=torch.zeros(1)) > 0).sum()) for row in (cube[70], ball[70])]
    assert crossings == [3, 2]


def test_reused_batches_are_used_as_often_as_asked():
    fresh, rng = itertools.count(), np.random.default_rng(0)
    used = list(itertools.islice(reused(fresh, 3, rng), 3000))
    assert abs(len(used) / (max(used) + 1) - 3) < 0.3 and used[0] == 0
    assert list(itertools.islice(reused(itertools.count(), 1, rng), 50)) == list(range(50))
