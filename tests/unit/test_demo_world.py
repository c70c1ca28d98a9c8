"""The drawn world: geometry against plain arithmetic, light, batches, and what captions say of it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.demo_training import feeding
from backend.demo_training.captions import training_caption, words
from backend.demo_training.feeding import Batches
from backend.demo_training.moves import random_look, random_motion
from backend.demo_training.passes import draw_mask
from backend.demo_training.solids import CONE_SLOPE, CUBE_EDGE, SHAPES, length, solid
from backend.demo_training.world import COLORS, FRAMES, Look, Motion, draw, draw_clip, pack, project, rotation, trace

LEVEL = [0, 1, -8, 0, 0, 0, 1.5]  # a camera one unit above the ground, looking along +z


def still(camera=LEVEL, subject=(0, 0, 0), frames=2, radius=1.0) -> Motion:
    tiled = np.tile(np.asarray(camera, np.float32), (frames, 1))
    return Motion(np.tile(np.asarray(subject, np.float32), (frames, 1)), np.zeros(frames, np.float32), radius, tiled)


def look(shape="ball", **changes) -> Look:
    return replace(Look(shape, "red", "green", "blue", grain=0.0, gloss=0.0, contrast=0.0), **changes)


def test_rotation_turns_right_up_and_clockwise():
    assert rotation(math.pi / 2, 0, 0) @ [0, 0, 1] == pytest.approx([1, 0, 0], abs=1e-6)
    assert rotation(0, math.pi / 2, 0) @ [0, 0, 1] == pytest.approx([0, 1, 0], abs=1e-6)
    assert rotation(0, 0, math.pi / 2) @ [1, 0, 0] == pytest.approx([0, 1, 0], abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_subject_lies_where_project_says(shape):
    rng = np.random.default_rng(8)
    for _ in range(4):
        motion = random_motion(rng, "subject")
        mask = draw_mask(shape, motion, (64, 64))
        ys, xs = np.mgrid[0:64, 0:64]
        center = np.stack([((xs + 0.5 - 32) / 32 * mask).sum((1, 2)), ((ys + 0.5 - 32) / 32 * mask).sum((1, 2))], -1)
        whole = mask[:, 0].sum(1) + mask[:, -1].sum(1) + mask[:, :, 0].sum(1) + mask[:, :, -1].sum(1) == 0
        height = {"ball": 1.0, "cube": CUBE_EDGE, "cone": 1 / (3 * CONE_SLOPE)}[shape]
        found = center / mask.sum((1, 2))[:, None]
        assert np.abs(found - project(motion, height))[whole].max() < 0.1


@pytest.mark.parametrize("shape, chord", [("ball", 2.0), ("cube", 2 * CUBE_EDGE), ("cone", 2 * (1 - CONE_SLOPE))])
def test_a_level_ray_one_unit_up_runs_through_each_solid(shape, chord):
    one = torch.ones(1, 1, 1)
    eye, ray = (0 * one, one, -5 * one), (0 * one, 0 * one, one)
    assert length(shape, eye, ray, one, 0 * one).item() == pytest.approx(chord, abs=1e-4)
    surface = solid(shape, eye, tuple(part.expand(1, 3, 3) for part in ray), one, 0 * one)
    assert surface.reach[0, 1, 1].item() == pytest.approx(5 - chord / 2, abs=1e-4)
    assert surface.normal[2][0, 1, 1].item() == pytest.approx(-1, abs=0.15 if shape == "cone" else 1e-3)
    behind = length(shape, (0 * one, one, 5 * one), ray, one, 0 * one)
    assert behind.item() == 0


def test_an_unknown_solid_is_named():
    one = torch.ones(1, 1, 1)
    with pytest.raises(ValueError, match="no solid 'teapot'"):
        length("teapot", [one] * 3, [one] * 3, one, one)


@pytest.mark.parametrize("azimuth, side", [(-1.2, 1), (1.2, 0)])
def test_the_shadow_falls_away_from_the_light(azimuth, side):
    """The light comes from one side, so the ground on the other lies in the dark."""
    motion = still([0, 3, -8, 0, -0.2, 0, 1.5])
    lit, gone = (
        draw_clip(look(light=(azimuth, 0.7)), m).astype(int)
        for m in (motion, replace(motion, subject=motion.subject + [0, 0, -99]))
    )
    darker = (gone - lit)[0, ..., 1] > 30
    darker &= lit[0, ..., 1] > lit[0, ..., 0]  # green: the ground, not the ball
    halves = darker[:, :64].sum(), darker[:, 64:].sum()
    assert halves[side] > 40 and halves[side] > 4 * halves[1 - side]


def test_a_floating_subject_throws_a_weaker_shadow():
    def darkest(height):
        frame = draw_clip(look(), still([0, 4, -8, 0, -0.45, 0, 1.2], (0, height, 0)))[0].astype(int)
        return frame[..., 1][frame[..., 1] > 3.2 * frame[..., 0]].min()

    assert darkest(0) < darkest(2) - 10


def test_outlines_are_soft_and_flat_parts_are_flat():
    frame = draw_clip(look(), still())[0]
    assert (frame[5, :, 2] > frame[5, :, 0]).all()  # sky
    column = frame[63, :, 0].astype(int)
    edge = np.abs(np.diff(column)).max()
    assert 0 < edge < COLORS["red"][0]  # no pixel goes from nothing to all


def test_a_batch_is_the_same_as_its_clips_alone():
    rng = np.random.default_rng(1)
    looks = [random_look(rng) for _ in range(5)]
    motions = [random_motion(rng) for _ in looks]
    together = draw(pack(looks, motions), (48, 80)).numpy()
    assert together.shape == (5, FRAMES, 48, 80, 3)
    for one, motion, clip in zip(looks, motions, together):
        assert np.abs(draw_clip(one, motion, (48, 80)).astype(int) - clip).max() <= 1


def test_frames_can_be_chosen():
    rng = np.random.default_rng(2)
    one, motion = random_look(rng), random_motion(rng, frames=24)
    assert len(motion.yaw) == 24
    assert np.array_equal(draw_clip(one, motion, (32, 32))[[20, 3]], draw_clip(one, motion, (32, 32), [20, 3]))


def test_what_is_traced_is_finite_also_from_inside_and_behind():
    for subject in ((0, 0, -8), (0, 0, -20), (0, -30, 0)):
        for shape in SHAPES:
            traced = trace(pack([look(shape)], [still(subject=subject)]), (16, 16))
            assert torch.isfinite(traced.surface.cover).all() and torch.isfinite(traced.ground_reach).all()
            assert np.isfinite(draw_clip(look(shape), still(subject=subject), (16, 16))).all()


def test_captions_name_looks_in_many_words_and_never_motion():
    rng = np.random.default_rng(0)
    said = {training_caption(look("ball", ground="green", sky="black"), rng) for _ in range(600)}
    assert "a red ball on grass" in said and "" in said
    assert "a red ball on green ground under a black sky" in said
    assert any("night sky" in text for text in said) and any("crimson sphere" in text for text in said)
    known = {*COLORS, *SHAPES, *words(), "a", "on", "under", "ground", "floor", "sky"}
    assert {word.strip(",") for text in said for word in text.split()} <= known


def test_batches_hold_what_is_asked_for():
    rng_free = iter(Batches(3, 6, frames=1, shapes=False))
    frames = next(rng_free)
    assert frames.scenes.yaw.shape == (6, 1) and len(frames.captions) == 6 and frames.size == (128, 128)
    seen = {(clip.scenes.yaw.shape[1], clip.size) for _, clip in zip(range(60), iter(Batches(4, 1, None)))}
    assert {length for length, _ in seen} == {16, 24}
    assert {size for _, size in seen} == {(128, 128), (96, 160), (160, 96)}
    again = [next(iter(Batches(3, 6, frames=1, shapes=False))).captions for _ in range(2)]
    assert again[0] == again[1] == frames.captions


def test_processes_choose_batches_ahead_for_a_card():
    source = feeding.chosen_ahead(Batches(5, 3, frames=1), 2)
    first, second = next(source), next(source)
    assert first.scenes.camera.shape == (3, 1, 7) and len(first.captions) == 3
    assert not torch.equal(first.scenes.camera, second.scenes.camera)  # each process draws its own
