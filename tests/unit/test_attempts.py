"""Jobs that continue with another memory policy or precision: the same take and steps, no silent restart."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.errors import Interrupted, NotFinite, OutOfMemory
from backend.job import attempts, checkpoint, job, reference_motion
from backend.job.checkpoint import NAME
from backend.job.job import run_job
from backend.job_folder.problem import Problem
from backend.job_folder.request import read_request, write_request
from backend.memory import policy as memory
from backend.memory.device import wider_precision
from tests.tiny_jobs import Told, failing_in, frames, job_of


@pytest.fixture(autouse=True)
def at_every_step(monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    monkeypatch.setattr("backend.job.progress.WRITE_SECONDS", 0.0)


@pytest.fixture
def jobs(tiny, moving_clip, tmp_path):
    """Returns a function that creates a job of the moving clip and returns its folder."""
    return lambda name, *arguments: job_of(moving_clip, tmp_path / name, *arguments)


@pytest.fixture
def free(monkeypatch):
    """Sets the free memory so that `auto` chooses the policy of this name."""

    def set_free(policy: str) -> None:
        enough = {"fast": 10**12, "balanced": 6_000_000, "thrifty": 1}[policy]
        monkeypatch.setattr(memory, "free_bytes", lambda device: enough)

    return set_free


def cut_off(folder, at: int = 3) -> None:
    with pytest.raises(Interrupted):
        run_job(folder, Told().progress(folder, stop_after=at))


def gone_on(folder) -> tuple[list[int], dict]:
    told = Told()
    result = run_job(folder, told.progress(folder))
    return told.steps(), result


@pytest.mark.parametrize("first, then", [("balanced", "fast"), ("thrifty", "fast"), ("thrifty", "balanced")])
def test_a_take_keeps_its_policy_when_more_memory_is_free_now(jobs, free, first, then):
    whole, folder = jobs("whole", "--set", f"memory={first}"), jobs("a")
    run_job(whole, Told().progress(whole))
    free(first)
    cut_off(folder)
    free(then)
    steps, result = gone_on(folder)
    assert steps[0] >= 3 and result["memory_policy"] == first and result["request"]["notes"] == []
    np.testing.assert_array_equal(frames(folder), frames(whole))


def test_it_goes_on_with_a_thriftier_one_when_less_is_free_and_says_so(jobs, free):
    folder = jobs("a")
    free("fast")
    cut_off(folder)
    free("balanced")
    steps, result = gone_on(folder)
    assert steps[0] >= 3 and result["memory_policy"] == "balanced"
    assert "Less memory is free than before" in " ".join(result["request"]["notes"])


def test_a_policy_that_was_fallen_back_to_is_kept_too(jobs, monkeypatch):
    """Out of memory with fast, then interrupted with balanced: the next start continues with balanced."""
    folder = jobs("a", "--set", "memory=fast")
    tried, told = failing_in(monkeypatch, ["fast"]), Told()
    progress = told.progress(folder)
    true = progress.step

    def step():
        true()
        if tried[-1] == "balanced":
            progress.cancel(Interrupted)

    monkeypatch.setattr(progress, "step", step)
    with pytest.raises(Interrupted):
        run_job(folder, progress)
    assert tried == ["fast", "balanced"]
    steps, result = gone_on(folder)
    assert tried == ["fast", "balanced", "balanced"] and steps[0] >= 4 and result["memory_policy"] == "balanced"


def test_another_wish_is_granted_and_the_steps_are_kept(jobs):
    folder = jobs("a", "--set", "memory=thrifty")
    cut_off(folder)
    write_request(replace(read_request(folder), settings=read_request(folder).settings | {"memory": "fast"}), folder)
    steps, result = gone_on(folder)
    assert steps[0] >= 3 and result["memory_policy"] == "fast"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"seed": 9}, "The prompt, the seed or another part of the request changed."),
        ({"settings": {"steps": "5"}}, "A setting changed."),
        ({"settings": {"steps": "6", "guided_steps": "4", "precision": "bfloat16"}}, "The precision changed."),
    ],
)
def test_steps_that_cannot_be_used_are_never_dropped_silently(jobs, change, words, capfd):
    folder = jobs("a")
    cut_off(folder)
    write_request(replace(read_request(folder), **change), folder)
    steps, result = gone_on(folder)
    said = " ".join(result["request"]["notes"])
    assert steps[0] == 0 and words in said and "restarts at its first step" in said and said in capfd.readouterr().err


def test_so_is_a_damaged_checkpoint(jobs):
    folder = jobs("a")
    cut_off(folder)
    (folder / NAME).write_bytes(b"not a checkpoint")
    steps, result = gone_on(folder)
    assert steps[0] == 0 and "is damaged" in result["request"]["notes"][0]


@pytest.fixture
def half(monkeypatch):
    """The device chooses float16, which gives NaN from this step on; returns the precisions that are tried."""

    def begin(at: int = 2, also: tuple[str, ...] = ()) -> list[str]:
        tried, true, choose = [], attempts.generate, job.choose_device

        def device(precision="auto"):
            return choose("float32")[0], torch.float16 if precision in ("auto", "float16") else getattr(
                torch, precision
            )

        def generate(model, take, motion, after_step, memory, check):
            tried.append(str(model.unet.dtype).removeprefix("torch."))

            def step():
                if tried[-1] in ("float16", *also) and memory.done > at:
                    raise NotFinite("Sampling broke.", "Set precision to float32.")
                after_step()

            return true(model, take, motion, step, memory, check)

        monkeypatch.setattr(job, "choose_device", device)
        monkeypatch.setattr(attempts, "choose_device", device)
        monkeypatch.setattr(attempts, "generate", generate)
        return tried

    return begin


def test_numbers_that_float16_cannot_hold_are_computed_wider_and_it_is_said(jobs, half):
    folder, tried = jobs("a"), half()
    steps, result = gone_on(folder)
    assert tried == ["float16", "float32"] and result["precision"] == "float32"
    assert steps == [0, 1, 2, 2, 3, 4, 5, 6]
    assert "produced invalid numbers (NaN) in float16; the job continued in float32" in result["request"]["notes"][0]


def test_only_once(jobs, half):
    folder, tried = jobs("a"), half(also=("float32",))
    with pytest.raises(NotFinite):
        run_job(folder, Told().progress(folder))
    assert tried == ["float16", "float32"]


def test_a_job_that_is_cut_off_afterwards_goes_on_in_the_wider_precision(jobs, half):
    folder, tried = jobs("a"), half()
    cut_off(folder, at=4)
    steps, result = gone_on(folder)
    assert tried == ["float16", "float32", "float32"] and steps[0] >= 4 and result["precision"] == "float32"


def test_the_range_of_float16_is_what_can_be_widened(monkeypatch):
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    for has, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *_, has=has: has)
        assert wider_precision(cuda, torch.float16) == expected
    assert wider_precision(cpu, torch.float16) == "float32"
    assert wider_precision(cpu, torch.float32) is wider_precision(cuda, torch.bfloat16) is None


def test_a_motion_that_was_read_as_invalid_numbers_is_not_kept(jobs, data_folder, monkeypatch):
    folder, true = jobs("a"), reference_motion.read_motion.__globals__["extract_motion"]

    def broken(*arguments, **named):
        motion = true(*arguments, **named)
        return replace(motion, values={name: v * float("nan") for name, v in motion.values.items()})

    monkeypatch.setattr("backend.job.reference_motion.extract_motion", broken)
    with pytest.raises(NotFinite, match="Reading the motion"):
        run_job(folder, Told().progress(folder))
    assert not list((data_folder / "motion").glob("*"))


def test_a_take_that_cannot_fit_is_refused_with_numbers_and_one_that_may_not_is_warned_of(jobs, monkeypatch, capfd):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1000)
    folder = jobs("a")
    result = run_job(folder, Told().progress(folder))
    (note,) = result["request"]["notes"]
    assert "This take needs about 0.0 GB besides the model with memory set to thrifty" in note
    assert "are free: it may run out of memory" in note and result["memory_policy"] == "thrifty"
    monkeypatch.setattr(memory, "device_name_and_memory", lambda: ("card", 2000))
    refused = jobs("b")
    with pytest.raises(
        Problem, match="needs about .* GB besides the model.*the device has at most 0.0 GB for it"
    ) as told:
        run_job(refused, Told().progress(refused))
    assert not isinstance(told.value, OutOfMemory) and "set memory to thrifty" in told.value.hint
    insisting = jobs("c", "--set", "memory=thrifty")
    assert run_job(insisting, Told().progress(insisting))["memory_policy"] == "thrifty"
    assert json.loads((insisting / "result.json").read_text())["request"]["notes"]
