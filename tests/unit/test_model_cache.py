"""The jobs of a worker share a loaded model, and each restores it."""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from backend.clips import read_clip
from backend.errors import Cancelled, Interrupted, OutOfMemory
from backend.job import attempts
from backend.job import model_cache as kept
from backend.job.new_job import make_job
from backend.job.progress import Progress
from backend.job_folder.problem import Problem
from backend.worker.engine import Engine
from backend.worker.one_job import run_to_end


@pytest.fixture
def jobs(tiny, moving_clip, tmp_path):
    """Returns a function that creates a job of the moving clip and returns its folder."""
    from backend.__main__ import make_parser

    def make(name: str, *arguments: str) -> Path:
        line = ["clone", str(moving_clip), "--prompt", "a red ball", "--model", "tiny", "--set", "steps=3"]
        return make_job(make_parser().parse_args([*line, "--job", str(tmp_path / name), *arguments]))

    return make


@pytest.fixture
def loads(monkeypatch) -> list[str]:
    """The models that were loaded from files."""
    loaded: list[str] = []
    true = kept.load_backbone

    def load(entry, device, dtype):
        loaded.append(entry.name)
        return true(entry, device, dtype)

    monkeypatch.setattr(kept, "load_backbone", load)
    return loaded


def run(engine: Engine, folder: Path) -> np.ndarray:
    engine.run(folder, quiet(folder))
    engine.tidy()
    return read_clip(folder / "result").frames


def quiet(folder: Path) -> Progress:
    return Progress(folder, lambda state: None)


def test_takes_that_share_a_model_load_it_once_and_are_as_if_alone(jobs, loads):
    engine = Engine()
    assert engine.loaded is None and engine.device is None
    variants = [(), ("--seed", "1"), ("--set", "memory=thrifty"), ("--set", "motion_weight=0"), ()]
    together = [run(engine, jobs(f"together {i}", *extra)) for i, extra in enumerate(variants)]
    assert loads == ["tiny"] and engine.loaded == "tiny" and engine.device
    np.testing.assert_array_equal(together[0], together[-1])
    for i, extra in enumerate(variants[1:4]):
        np.testing.assert_array_equal(run(Engine(), jobs(f"alone {i}", *extra)), together[i + 1])


def test_a_job_that_was_stopped_leaves_the_model_fit_for_the_next(jobs, loads):
    engine, folder = Engine(), jobs("a")
    first = run(engine, folder)
    progress = Progress(folder, lambda state: progress.cancel() if state.stage == "sampling" else None)
    with pytest.raises(Cancelled):
        engine.run(folder, progress)
    np.testing.assert_array_equal(run(engine, folder), first)
    assert loads == ["tiny"]


def test_the_model_is_read_again_after_unloading_and_when_its_files_change(jobs, loads, tiny):
    engine, folder = Engine(), jobs("a")
    run(engine, folder)
    engine.unload()
    assert engine.loaded is None
    run(engine, folder)
    weights = tiny / "unet" / "diffusion_pytorch_model.safetensors"
    os.utime(weights, ns=(1, 1))
    run(engine, folder)
    assert loads == ["tiny"] * 3


def test_another_model_takes_the_place_of_the_one_that_is_loaded(jobs, loads, monkeypatch):
    true, made = kept.load_backbone, []

    def load(*given):
        model = true(*given)
        made.append(weakref.ref(model.unet))
        return model

    monkeypatch.setattr(kept, "load_backbone", load)
    engine, folder, other = Engine(), jobs("a"), jobs("b", "--model", "tiny-controls")
    run(engine, folder)
    assert made[0]() is not None
    run(engine, other)
    assert made[0]() is None and engine.loaded == "tiny-controls" and loads == ["tiny", "tiny-controls"]


def test_the_device_and_its_memory_are_told_once_a_job_needed_them(jobs):
    engine, folder = Engine(), jobs("a")
    result = engine.run(folder, quiet(folder))
    assert engine.device and engine.memory_bytes > result["memory_bytes"] > 2**20


@pytest.mark.parametrize("how", [Cancelled, Interrupted])
def test_what_a_stopped_job_held_is_free_when_the_worker_has_told(jobs, monkeypatch, how):
    """As the worker runs it: after `run_to_end` and `tidy` the take's memory is free, and the model is still loaded."""
    engine, folder, held = Engine(), jobs("a"), []
    run(engine, folder)
    true = attempts.generate

    def generate(model, take, motion, after_step, memory, check):
        def step():
            held[:] = [weakref.ref(tensor) for tensor in (memory["latents"], memory["clean"], take.positive)]
            progress.cancel(how)
            after_step()

        return true(model, take, motion, step, memory, check)

    monkeypatch.setattr(attempts, "generate", generate)
    progress = quiet(folder)
    with suppress(how):
        run_to_end(folder, progress, engine.run)
    monkeypatch.undo()
    engine.tidy()
    assert len(held) == 3 and not [ref for ref in held if ref() is not None] and engine.loaded == "tiny"


@pytest.mark.parametrize(
    "error, stays", [(Problem("bad"), True), (OutOfMemory("fast", None), False), (ZeroDivisionError(), False)]
)
def test_a_model_that_may_be_in_disorder_is_let_go(jobs, monkeypatch, error, stays):
    engine, folder = Engine(), jobs("a")
    run(engine, folder)

    def raising(*_):
        raise error

    monkeypatch.setattr("backend.job.attempts.generate", raising)
    with pytest.raises(type(error)):
        engine.run(folder, quiet(folder))
    assert (engine.loaded == "tiny") == stays
