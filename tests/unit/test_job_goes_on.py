"""Complete jobs that are interrupted or run out of memory: they continue after their last saved step, and say so."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import Interrupted, OutOfMemory
from backend.job import attempts, checkpoint
from backend.job.checkpoint import NAME
from backend.job.job import run_job
from backend.job_folder.lock import is_locked
from backend.job_folder.request import read_request, write_request
from backend.job_folder.state import JobState
from backend.worker.engine import Engine
from tests.tiny_jobs import Told, failing_in, frames, job_of

ROOT = Path(__file__).parents[2]
INVERSION = ("--method", "inversion", "--inversion-prompt", "a grey ball", "--set", "semantic_weights=300")
LONG = ("--set", "frames=12", "--set", "context_length=5", "--set", "context_overlap=2")
VARIANTS = {
    "one-step": (),
    "inversion": INVERSION,
    "plain": ("--set", "motion_weight=0"),
    "in contexts": LONG,
    "inversion in contexts": (*INVERSION, *LONG),
}


@pytest.fixture(autouse=True)
def at_every_step(monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)


@pytest.fixture
def jobs(tiny, moving_clip, tmp_path):
    """Returns a function that creates a job of the moving clip and returns its folder."""
    return lambda name, *arguments: job_of(moving_clip, tmp_path / name, *arguments)


@pytest.fixture(autouse=True)
def every_state(monkeypatch):
    monkeypatch.setattr("backend.job.progress.WRITE_SECONDS", 0.0)


@pytest.fixture(scope="module")
def known() -> dict[str, np.ndarray]:
    return {}


@pytest.fixture
def whole(jobs, known):
    """Returns the frames of an uninterrupted job. Each kind runs once for all tests."""

    def frames_of(how: str) -> np.ndarray:
        if how not in known:
            folder = jobs(f"whole {how}", *VARIANTS[how])
            run_job(folder, Told().progress(folder))
            known[how] = frames(folder)
        return known[how]

    return frames_of


@pytest.mark.parametrize("how", VARIANTS)
def test_a_job_that_was_cut_off_goes_on_to_the_same_frames(jobs, whole, how):
    cut, told = jobs("cut", *VARIANTS[how]), Told()
    with pytest.raises(Interrupted):
        run_job(cut, told.progress(cut, stop_after=3))
    assert told.steps() == [0, 1, 2, 3] and (cut / NAME).exists()
    again = Told()
    run_job(cut, again.progress(cut))
    assert again.steps()[0] >= 3 and again.steps()[-1] == 6
    np.testing.assert_array_equal(frames(cut), whole(how))
    assert not (cut / NAME).exists() and not list(cut.glob("*.part"))


KILLED = """
import sys, time
from pathlib import Path
from backend.job import checkpoint, progress
from backend.job.job import run_job

checkpoint.SECONDS = progress.WRITE_SECONDS = 0.0
folders = [Path(folder) for folder in sys.argv[1:]]

def run(number):
    if number == len(folders):
        print("there", flush=True)
        time.sleep(600)
    run_job(folders[number], progress.Progress(folders[number], lambda state: tell(state, number)))

def tell(state, number):
    print(state.text, file=sys.stderr)
    if state.stage == "sampling" and state.step == 4:
        run(number + 1)

run(0)
"""


def test_the_same_with_sigkill(jobs, whole):
    """Another process is killed while it samples a job of each kind; this one continues them."""
    cut = {how: jobs(f"cut {how}", *arguments) for how, arguments in VARIANTS.items()}
    command = [sys.executable, "-c", KILLED, *map(str, cut.values())]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline().strip() == b"there"
    process.kill() if sys.platform == "win32" else process.send_signal(signal.SIGKILL)
    process.wait()
    for how, folder in cut.items():
        again = Told()
        run_job(folder, again.progress(folder))
        assert again.steps() == [4, 5, 6], how
        np.testing.assert_array_equal(frames(folder), whole(how))


def test_an_inversion_that_was_cut_off_goes_on_too(jobs, data_folder):
    whole, cut = jobs("whole", *INVERSION), jobs("cut", *INVERSION)
    run_job(whole, Told().progress(whole))
    (made,) = (data_folder / "inversion").iterdir()
    made.rename(data_folder / "made before")
    with pytest.raises(Interrupted):
        run_job(cut, Told().progress(cut, stop_after=3, stage="motion"))
    (part,) = (data_folder / "inversion").iterdir()
    assert (part / NAME).exists() and not is_locked(part)
    told = Told()
    run_job(cut, told.progress(cut))
    assert told.steps("motion") == [0, 4, 5, 6]  # the step in which it heard that it should stop was saved too
    np.testing.assert_array_equal(frames(cut), frames(whole))
    (again,) = (data_folder / "inversion").iterdir()
    for path in (data_folder / "made before").iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()
    assert len(list(again.iterdir())) == 4  # those of the guided steps, and nothing else


def test_two_that_invert_the_same_clip_do_not_disturb_each_other(jobs, data_folder):
    first, second = jobs("first", *INVERSION), jobs("second", *INVERSION)

    class Meanwhile(Told):
        def append(self, state: JobState) -> None:
            super().append(state)
            if (state.stage, state.step) == ("motion", 3):
                run_job(second, Told().progress(second))

    run_job(first, Meanwhile().progress(first))
    np.testing.assert_array_equal(frames(first), frames(second))
    assert len(list((data_folder / "inversion").iterdir())) == 1


@pytest.mark.parametrize(
    "change", [{"seed": 9}, {"prompt": "a blue ball"}, {"negative_prompt": "red"}, {"settings": {"steps": "5"}}]
)
def test_a_request_that_was_changed_begins_anew(jobs, change):
    from dataclasses import replace

    folder = jobs("a")
    with pytest.raises(Interrupted):
        run_job(folder, Told().progress(folder, stop_after=3))
    write_request(replace(read_request(folder), **change), folder)
    told = Told()
    run_job(folder, told.progress(folder))
    assert told.steps()[0] == 0 and not (folder / NAME).exists()


def test_so_does_a_changed_reference(jobs):
    folder = jobs("a")
    with pytest.raises(Interrupted):
        run_job(folder, Told().progress(folder, stop_after=3))
    other = (folder / "reference" / "0001.png").read_bytes()
    (folder / "reference" / "0000.png").write_bytes(other)
    told = Told()
    run_job(folder, told.progress(folder))
    assert told.steps()[0] == 0


@pytest.mark.parametrize("first, then", [("fast", "balanced"), ("balanced", "thrifty")])
def test_out_of_memory_is_tried_once_more_with_less_from_the_step_it_had_reached(jobs, monkeypatch, first, then, capfd):
    whole, folder = jobs("whole", "--set", f"memory={then}"), jobs("a", "--set", f"memory={first}")
    run_job(whole, Told().progress(whole))
    tried, told = failing_in(monkeypatch, [first]), Told()
    result = run_job(folder, told.progress(folder))
    assert tried == [first, then] and result["memory_policy"] == then
    note = f"ran out of memory with memory set to {first}; the job continued with {then}."
    assert note in result["request"]["notes"][-1] and note in capfd.readouterr().err
    assert json.loads((folder / "result.json").read_text())["request"]["notes"] == result["request"]["notes"]
    assert told.steps() == [0, 1, 2, 3, 3, 4, 5, 6]
    assert np.abs(frames(folder).astype(int) - frames(whole)).max() <= 1
    assert not (folder / NAME).exists()


def test_only_once_and_then_it_is_said_with_the_setting_that_helps(jobs, monkeypatch):
    folder, engine = jobs("a", "--set", "memory=fast"), Engine()
    tried = failing_in(monkeypatch, ["fast", "balanced", "thrifty"])
    with pytest.raises(OutOfMemory) as told:
        engine.run(folder, Told().progress(folder))
    assert tried == ["fast", "balanced"]
    assert "memory set to balanced" in told.value.message and "Set memory to thrifty" in told.value.hint
    assert engine.loaded is None and (folder / NAME).exists()


def test_the_thriftiest_is_not_tried_again(jobs, monkeypatch):
    folder = jobs("a", "--set", "memory=thrifty")
    tried = failing_in(monkeypatch, ["thrifty"])
    with pytest.raises(OutOfMemory, match="Lower the setting context_length"):
        run_job(folder, Told().progress(folder))
    assert tried == ["thrifty"]


def test_what_the_failed_attempt_held_is_let_go_before_the_next(jobs, monkeypatch):
    import gc
    import weakref

    folder, held = jobs("a", "--set", "memory=fast"), []
    true, tried = attempts.generate, []

    def generate(model, take, motion, after_step, memory, check):
        tried.append(1)
        if len(tried) == 1:
            large = torch.zeros(1000)
            held.append(weakref.ref(large))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        assert held[0]() is None
        return true(model, take, motion, after_step, memory, check)

    monkeypatch.setattr(attempts, "generate", generate)
    gc.disable()
    try:
        run_job(folder, Told().progress(folder))
    finally:
        gc.enable()
    assert len(tried) == 2


def test_stages_come_in_order_and_the_time_that_is_left_is_the_whole_job_s(jobs, monkeypatch):
    folder, told = jobs("a"), Told()
    run_job(folder, told.progress(folder))
    named = list(dict.fromkeys(state.stage for state in told))
    wanted = ["reading", "loading", "encoding", "motion", "sampling", "decoding", "in-betweening", "writing"]
    assert [stage for stage in named if stage in wanted] == wanted
    assert all(state.eta is None for state in told if state.stage in ("loading", "encoding", "motion"))
    left = {(state.stage, state.step): state.eta for state in told}
    assert left["sampling", 6] and left["sampling", 6] > 0  # decoding, in-betweening and writing are to come
    assert left["writing", 0] and left["sampling", 1] > left["sampling", 6]


def test_the_memory_of_one_job_is_not_that_of_the_worker_s_whole_life():
    from backend.memory.device import peak_memory_bytes, reset_peak_memory

    large = bytearray(300 * 2**20)
    high = peak_memory_bytes()
    del large
    reset_peak_memory()
    time.sleep(0.01)
    low = peak_memory_bytes()
    assert high and low
    if Path("/proc/self/clear_refs").exists() and not torch.cuda.is_available():
        assert low < high - 200 * 2**20
