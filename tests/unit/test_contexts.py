"""Contexts: a long clip is generated in windows of the model's own length, each alone, and averaged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.controls.conditions import Condition
from backend.errors import Cancelled
from backend.job.attempts import TakeInputs
from backend.job.expected import expected_stages
from backend.job.job import run_job
from backend.job.reference_motion import read_contexts
from backend.job.take import Take, generate, initial_noise, step_costs
from backend.job_folder.declared import SettingError
from backend.motion import representation
from backend.sampling.averaging import InContexts
from backend.sampling.contexts import Contexts, contexts_of
from backend.sampling.guided import GuidanceOptions, Predictors
from backend.sampling.schedule import Step
from backend.sampling.state import SamplerState
from tests.tiny_jobs import Told, frames, job_of
from tests.tiny_takes import nothing, with_settings

FRAMES, LENGTH, OVERLAP = 14, 8, 3
LONG = ("--set", "frames=12", "--set", "context_length=5", "--set", "context_overlap=2")
CPU = torch.device("cpu")


@pytest.fixture
def reference() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (FRAMES, 24, 40, 3)).astype(np.uint8)


@pytest.fixture
def long(take) -> Take:
    """The tiny model's take with two contexts or three."""
    return replace(with_settings(take, frames=FRAMES, context_length=LENGTH, context_overlap=OVERLAP), frames=FRAMES)


@pytest.fixture
def motions(model, reference, long):
    contexts = contexts_of(long.settings, FRAMES)
    return read_contexts(model, reference, long.settings, contexts.distinct(range(long.settings.guided_steps)))


@pytest.mark.parametrize("frames, length, overlap", [(17, 16, 6), (48, 16, 6), (240, 16, 6), (1000, 16, 15), (9, 2, 0)])
@pytest.mark.parametrize("stride", [1, 3])
def test_contexts_have_one_length_and_contain_every_frame(frames, length, overlap, stride):
    contexts = Contexts(frames, length, overlap, stride)
    for step in range(8):
        found = contexts.at(step)
        assert {len(context) for context in found} == {length}
        assert {frame for context in found for frame in context} == set(range(frames))
        assert {context[1] - context[0] for context in found} <= {1, 2, 4}
        assert all(set(np.diff(context)) == {context[1] - context[0]} for context in found)
        neighbours = [context for context in found if context[1] == context[0] + 1]
        assert all(b[0] <= a[-1] + 1 - overlap for a, b in zip(neighbours, neighbours[1:]))
    assert len(found) == len(set(found))


def test_no_border_stays_in_its_place():
    contexts = Contexts(48, 16, 6)
    borders = [{context[0] for context in contexts.at(step)} - {0, 32} for step in range(3)]
    assert all(borders) and not borders[0] & borders[1] and not borders[1] & borders[2] and not borders[2] & borders[0]


def test_a_stride_adds_contexts_of_distant_frames_at_most_doubling_them():
    plain, more = (Contexts(240, 16, 6, stride) for stride in (1, 4))
    jumps = {context[1] - context[0] for context in more.at(1)}
    assert jumps == {1, 2, 4, 8} and len(plain.at(1)) < len(more.at(1)) <= 2 * len(plain.at(1)) + 3
    assert Contexts(20, 16, 6, 4).at(0) == Contexts(20, 16, 6).at(0)  # too short for them


def test_time_is_linear_and_the_estimate_counts_contexts(model):
    settings = model.entry.settings_for({"frames": 48, "context_length": 16})
    costs = {n: sum(step_costs(settings, contexts=contexts_of(settings, n))) for n in (16, 48, 240)}
    assert costs[16] == sum(step_costs(settings))
    assert costs[240] / costs[48] <= 1.1 * 240 / 48
    stages = {n: {s.name: sum(s.passes) for s in expected_stages(settings, n, (64, 64), n, False)} for n in (48, 240)}
    assert stages[240]["decoding"] == pytest.approx(5 * stages[48]["decoding"])
    assert stages[48]["motion"] > 0 and sum(stages[240].values()) <= 1.1 * 5 * sum(stages[48].values())


@pytest.mark.parametrize("changes", [{}, {"frames": 24}, {"frames": 24, "context_length": 24}])
def test_what_the_model_generates_at_once_is_one_context(model, changes):
    settings = model.entry.settings_for(changes)
    assert not contexts_of(settings, settings.frames).several


def test_longer_clips_are_contexts_of_the_model_s_own_length(model):
    settings = model.entry.settings_for({"frames": 1000})
    assert (settings.context_length, settings.context_overlap) == (8, 2)
    assert model.entry.settings_for({"frames": 9, "context_length": 4, "context_overlap": "0"}).context_overlap == 0


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"frames": 1001}, "between 2 and 1000"),
        ({"context_length": 25}, "context_length is 25; the model 'tiny' generates at most 24 frames at once"),
        ({"context_length": 4, "context_overlap": 4}, "context_overlap is 4; it must be less than context_length, 4"),
        ({"context_length": "some"}, "must be a whole number or auto"),
        ({"context_stride": 0}, "between 1 and 6"),
    ],
)
def test_impossible_contexts_are_said(model, changes, words):
    with pytest.raises(SettingError, match=words):
        model.entry.settings_for(changes)


def test_one_context_is_the_take_as_it_was_bit_for_bit(model, take, motion):
    one = with_settings(take, context_length=8, context_overlap=3)
    assert torch.equal(generate(model, take, motion, nothing), generate(model, one, motion, nothing))


def test_predictions_that_need_no_neighbors_average_to_themselves():
    """Then neither the borders nor the weights can be seen."""
    contexts, z = Contexts(20, 8, 3), torch.randn(1, 4, 20, 2, 3)
    spread = InContexts(contexts, CPU)
    parts = spread.predictors(lambda _: Predictors(lambda z, s: z.sin(), lambda z, s: z.cos(), lambda z, s: (z, -z)))
    step = Step(1, 500, 400, 1.0)
    torch.testing.assert_close(parts.negative(z, step), z.sin())
    torch.testing.assert_close(parts.positive(z, step), z.cos())
    torch.testing.assert_close(parts.pair(z, step)[1], -z)


def test_weights_fall_to_a_context_s_ends():
    spread, z = InContexts(Contexts(7, 5, 3), CPU), torch.zeros(1, 1, 7, 1, 1)
    (mean,) = spread.average(z, 0, lambda context, part: (torch.full_like(part, context[0]),))
    # Frames 2 to 4 are in both contexts, with the weights 3, 2, 1 in the first and 1, 2, 3 in the second.
    assert mean.flatten().tolist() == pytest.approx([0, 0, 0.5, 1, 1.5, 2, 2])


def test_relative_gradients_count_alike_whatever_their_size():
    """One context's gradient is a million times larger; both still get their share."""
    options = GuidanceOptions(1.0, "standard", 1.0, "relative")
    spread, z = InContexts(Contexts(8, 4, 0), CPU), torch.ones(1, 1, 8, 2, 2)
    part = lambda context, own: lambda z, step: (z, z * (1e6 if context[0] else 1.0), float(context[0]))  # noqa: E731
    _, gradient, loss = spread.guidance(part, options, SamplerState())(z, Step(0, 9, 8, 1.0))
    assert gradient[:, :, :4].norm() == pytest.approx(1) and gradient[:, :, 4:].norm() == pytest.approx(1)
    assert loss == 2.0


def test_the_noise_of_later_contexts_is_a_shuffle_of_the_first(model, take, long):
    alone, noise = initial_noise(model, take), initial_noise(model, long)
    assert torch.equal(noise[:, :, :LENGTH], alone) and noise.shape[2] == FRAMES
    later = noise[0, :, LENGTH:].transpose(0, 1)
    first = alone[0].transpose(0, 1)
    origins = [next(k for k, frame in enumerate(first) if torch.equal(frame, one)) for one in later]
    assert set(origins[: LENGTH - OVERLAP]) == set(range(LENGTH - OVERLAP))


@pytest.mark.parametrize(
    "sampler, changes",
    [("ddim", {"refine": 0.5, "refine_steps": 2}), ("dpm++2m", {}), ("euler", {}), ("lcm", {"steps": 6})],
)
def test_every_solver_follows_the_reference_in_contexts(model, long, motions, sampler, changes):
    chosen = with_settings(long, sampler=sampler, score_form="relative", motion_weight=0.3, **changes)
    guided, plain = (generate(model, chosen, motion, nothing) for motion in (motions, None))
    assert guided.shape[2] == FRAMES and torch.isfinite(guided).all() and not torch.allclose(guided, plain)
    assert torch.equal(guided, generate(model, chosen, motions, nothing))


def test_weight_zero_is_plain_generation_in_contexts_too(model, long, motions):
    unguided = with_settings(long, motion_weight=0.0)
    assert torch.equal(generate(model, unguided, motions, nothing), generate(model, unguided, None, nothing))


def test_a_longer_shot_reads_only_the_contexts_that_it_does_not_share(model, long, reference, monkeypatch):
    s, read, true = long.settings, [], representation.extract_motion
    monkeypatch.setattr("backend.job.reference_motion.extract_motion", lambda *a, **k: read.append(1) or true(*a, **k))
    short = contexts_of(s, 12).distinct(range(3))
    read_contexts(model, reference[:12], s, short)
    assert len(read) == len(short)
    longer = contexts_of(s, FRAMES).distinct(range(3))
    shared = [context for context in longer if context[-1] < 12 and context in short]
    assert shared
    read.clear()
    again = read_contexts(model, reference, s, longer)
    assert len(read) == len(longer) - len(shared)
    fresh = representation.MotionRepresentation.from_tensors(again.part(longer[-1]).tensors())
    assert all(len(value) and value.shape[2] == LENGTH for value in fresh.values.values())


def test_each_context_gets_its_own_part_of_the_mask(model, long, motions):
    """A subject that is only in the last frames leaves the first ones as they are without guidance."""
    options = {"score_form": "raw", "context_overlap": 0, "context_length": 7, "motion_weight": 2000.0}
    subject = torch.zeros(FRAMES, 6, 10)
    subject[-1] = 1
    masked = replace(with_settings(long, steps=2, guided_steps=1, warm_up_steps=0, **options), subject=subject)
    contexts = contexts_of(masked.settings, FRAMES).distinct([0])
    reference = np.random.default_rng(1).integers(0, 255, (FRAMES, 24, 40, 3)).astype(np.uint8)
    own = read_contexts(model, reference, masked.settings, contexts)
    guided, plain = (after_one_step(model, masked, motion) for motion in (own, None))
    changed = (guided - plain).abs().amax((0, 1, 3, 4)) > 1e-4
    assert changed.tolist() == [False] * (FRAMES - 1) + [True]


def after_one_step(model, take: Take, motion) -> torch.Tensor:
    def stop() -> None:
        raise Cancelled

    state = SamplerState()
    with pytest.raises(Cancelled):
        generate(model, take, motion, stop, state)
    return state["latents"]


@pytest.mark.parametrize("kind, shown", [("image", (9,)), ("sketch", (0, 13)), ("depth", tuple(range(FRAMES)))])
def test_each_context_gets_its_own_part_of_the_controls(tiny, kind, shown):
    from backend.backbones.animatediff.backbone import load_animatediff
    from backend.models.entry import find_entry

    model = load_animatediff(find_entry("tiny-controls"), CPU, torch.float32)
    settings = replace(model.entry.settings_for({"frames": FRAMES, "context_length": LENGTH}), steps=2)
    pictures = np.random.default_rng(2).integers(0, 255, (len(shown), 24, 40, 3)).astype(np.uint8)
    (control,) = model.load_controls({kind: Condition(pictures, shown)}, FRAMES, settings)
    late, early = tuple(range(6, FRAMES)), tuple(range(1, 9))
    chosen = [k for k, frame in enumerate(shown) if frame in late]
    moved = tuple(shown[k] - 6 for k in chosen)
    (alone,) = model.load_controls({kind: Condition(pictures[chosen], moved)}, LENGTH, settings)
    latents, text = torch.randn(1, 4, LENGTH, 6, 10), model.embed(["a red ball"])[0]
    expected = model.denoiser([alone])(latents, 500, text)
    assert torch.equal(model.denoiser([control], late)(latents, 500, text), expected)
    plain = model.denoiser()(latents, 500, text)
    assert not torch.equal(expected, plain)
    if kind != "depth":  # a context without a picture is generated without the control model
        assert torch.equal(model.denoiser([control], early)(latents, 500, text), plain)


def test_memory_needs_are_those_of_one_context(model, take):
    def needs(count: int):
        settings = model.entry.settings_for({"frames": count})
        reference = np.zeros((count, 24, 40, 3), np.uint8)
        inputs = {"conditions": {}, "controls": (), "subject": None, "request": None}
        return TakeInputs(model=model, settings=settings, reference=reference, **inputs).needs

    assert needs(48) == needs(1000) == needs(8)


@pytest.mark.parametrize("more", [(), ("--method", "inversion", "--inversion-prompt", "a ball")])
def test_a_job_stopped_inside_a_context_goes_on_to_the_same_clip(tiny, moving_clip, tmp_path, monkeypatch, more):
    monkeypatch.setattr("backend.job.checkpoint.SECONDS", 0.0)
    whole, cut = (job_of(moving_clip, tmp_path / name, *LONG, *more) for name in ("whole", "cut"))
    run_job(whole, Told().progress(whole))
    progress, calls = Told().progress(cut), []
    true = progress.check

    def check() -> None:
        calls.append(progress._state.stage)
        if calls.count("sampling") == 15:  # in the middle of a step
            progress.cancel()
        true()

    monkeypatch.setattr(progress, "check", check)
    with pytest.raises(Cancelled):
        run_job(cut, progress)
    again = Told()
    run_job(cut, again.progress(cut))
    assert 0 < again.steps()[0] < 6
    np.testing.assert_array_equal(frames(cut), frames(whole))
    assert len(frames(whole)) == 12
