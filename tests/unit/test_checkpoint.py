"""Checkpoints: a take that is interrupted after any step continues to the same result, and no other take uses them."""

from __future__ import annotations

import os

import pytest
import torch

from backend.errors import Cancelled
from backend.job import checkpoint
from backend.job.checkpoint import NAME, Checkpoint
from backend.job.inverted_reference import InvertedReference
from backend.job.take import generate, step_costs
from backend.motion.loss_terms import LossTerms, layer_weights
from backend.sampling.state import SamplerState
from tests.tiny_takes import LATENTS, nothing, with_settings

CPU = torch.device("cpu")
FORM = {"steps": 7, "guided_steps": 5, "guided_range": 0.6, "reuse_gradient": 2, "reuse_negative": 3}


@pytest.fixture(autouse=True)
def at_every_step(monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def kept(folder) -> Checkpoint:
    """Returns the state that a new process finds."""
    return Checkpoint(folder, pytest.fail)


THIS = {"The seed changed.": "1", "A setting changed.": "7"}
ANOTHER = {"The seed changed.": "2", "A setting changed.": "7"}


def cut_off(model, take, motion, folder, steps: int) -> None:
    """Makes this many more steps and stops as if killed: only the file remains."""
    record = kept(folder)
    state, begun = record.state(THIS, CPU), record.state(THIS, CPU).done

    def after_step():
        record.keep(state)
        if state.done == begun + steps:
            raise Cancelled

    with pytest.raises(Cancelled):
        generate(model, take, motion, after_step, state)


def check_every_cut(model, take, motion, folder) -> None:
    """Every step runs in a process of its own; then a take is interrupted once."""
    whole = generate(model, take, motion, nothing)
    steps = len(step_costs(take.settings))
    for cuts in ([1] * (steps - 1), [take.settings.guided_steps]):
        for steps in cuts:
            cut_off(model, take, motion, folder, steps)
        state = kept(folder).state(THIS, CPU)
        assert state.done == sum(cuts)
        assert torch.equal(generate(model, take, motion, nothing, state), whole), cuts
        kept(folder).remove()


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("sampler", ["ddim", "dpm++2m", "euler", "lcm"])
def test_a_take_cut_off_after_any_step_goes_on_to_the_same_result(model, take, motion, folder, sampler, guided):
    check_every_cut(model, with_settings(take, sampler=sampler, **FORM), motion if guided else None, folder)


@pytest.mark.parametrize("sampler", ["ddim", "dpm++2m", "lcm"])
def test_so_does_its_refining_pass(model, take, motion, folder, sampler):
    check_every_cut(model, with_settings(take, sampler=sampler, refine=0.5, refine_steps=3, **FORM), motion, folder)


def test_so_does_the_inversion_method_with_its_second_trajectory(model, take, folder):
    terms = LossTerms(
        motion=layer_weights(model, ["up_blocks.1"], [2000.0], "temp"),
        semantic=layer_weights(model, ["up_blocks.1"], [500.0], "temp"),
        key_kind="temp",
        objects=None,
        thresholds=(0.3, 0.3),
        motion_steps=4,
        subject=None,
    )
    draws = torch.Generator().manual_seed(4)
    inverted = {t: torch.randn(LATENTS, generator=draws) for t in range(1000)[::-1]}
    motion = InvertedReference(text=model.embed(["a grey ball"])[0], terms=terms, latents_at=inverted.__getitem__)
    chosen = with_settings(take, method="inversion", steps=6, guided_steps=4, motion_weight=1.0)
    assert not torch.equal(generate(model, chosen, motion, nothing), generate(model, chosen, None, nothing))
    check_every_cut(model, chosen, motion, folder)


def some(steps: int) -> SamplerState:
    return SamplerState({"latents": torch.randn(2, 3), "steps": torch.tensor(steps)})


def test_a_checkpoint_of_another_take_is_not_taken_for_this_one(folder):
    record = kept(folder)
    record.state(THIS, CPU)
    record.keep(some(3))
    assert kept(folder).state(THIS, CPU).done == 3
    notes = []
    assert Checkpoint(folder, notes.append).state(ANOTHER, CPU) == {}
    assert notes == ["The saved steps cannot be used; the job restarts at its first step. The seed changed."]


def test_what_it_was_made_with_is_known_as_long_as_the_wish_is_the_same(folder):
    record = kept(folder)
    assert record.used("memory", "auto") is None
    record.state(THIS, CPU, {"memory": ("balanced", "auto"), "precision": ("float32", "float32")})
    record.keep(some(3))
    for again in (record, kept(folder)):
        assert again.used("memory", "auto") == "balanced" and again.used("precision", "float32") == "float32"
        assert again.used("memory", "fast") is None and again.used("color", "auto") is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_its_place_is_none(folder):
    os.mkfifo(folder / NAME)
    notes = []
    assert Checkpoint(folder, notes.append).state(THIS, CPU) == {} and "is damaged" in notes[0]


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[:-8], lambda b: b"\xff" * 100, lambda b: b[9:]])
def test_a_damaged_checkpoint_is_none(folder, damage):
    record = kept(folder)
    record.state(THIS, CPU)
    record.keep(some(3))
    path = folder / NAME
    path.write_bytes(damage(path.read_bytes()))
    notes = []
    assert Checkpoint(folder, notes.append).state(THIS, CPU) == {}
    assert len(notes) == 1 and "is damaged" in notes[0]


def test_within_a_process_the_last_step_is_known_without_the_file(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 1000.0)
    record = kept(folder)
    state = record.state(THIS, CPU)
    state.update(some(2))
    record.keep(state)
    state["latents"] = torch.zeros(1)  # half a step that ran out of memory
    again = record.state(ANOTHER, CPU)
    assert not (folder / NAME).exists() and again.done == 2 and again["latents"].shape == (2, 3)


def test_it_is_written_every_ten_seconds_of_sampling(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 10.0)
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    record, written = kept(folder), []
    record.state(THIS, CPU)
    for step in range(1, 31):
        now[0] += 1.5
        record.keep(some(step))
        if (stored := kept(folder).state(THIS, CPU).done) not in [0, *written]:
            written.append(stored)
    assert written == [7, 14, 21, 28]


def test_a_folder_that_cannot_be_written_costs_the_checkpoint_alone(folder):
    notes = []
    record = Checkpoint(folder / "gone", notes.append)
    record.state(THIS, CPU)
    record.keep(some(3))
    assert len(notes) == 1 and "cannot be written (No such file or directory)" in notes[0]


def test_nothing_is_left_when_the_job_is_done(folder):
    record = kept(folder)
    record.state(THIS, CPU)
    record.keep(some(3))
    (folder / f"{NAME}.{'0a' * 6}.part").write_bytes(b"of a write that was cut off")
    record.remove()
    assert not list(folder.iterdir()) and record.state(THIS, CPU) == {}
