"""The demo model's jobs: killed and continued with another memory policy, out of memory, and with previews that
raise."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import numpy as np

from backend.bench.recording_client import ROOT, make_demo_job
from backend.clips import read_clip
from backend.job_folder.request import read_request, write_request
from tests.worker_truth.case import Case, Tried, child, run_child, state_of

SETTINGS = {"steps": 10, "guided_steps": 5}
KILLED_AT = 4  # steps that are saved at least
CLOSE = 3  # of 255: rounding
PATIENCE = 300.0
ERRORS = ("TypeError", "LinAlgError", "OutOfMemoryError", "MemoryError", "KeyError", "OSError")


def job_in(root: Path, name: str, **more: Any) -> Path:
    return make_demo_job(root / name, 0, SETTINGS | more)


def pictures(job: Path) -> np.ndarray:
    return read_clip(job / "result").frames.astype(int)


def kill_in(job: Path, **patches: Any) -> int:
    """Runs the job and kills it after some steps are saved. Returns the last step that it reported."""
    process = subprocess.Popen(child("run", str(job), seconds=0.3, **patches), cwd=ROOT, stdout=DEVNULL, stderr=DEVNULL)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        state = state_of(job) if (job / "state.json").exists() else {}
        if (
            state.get("stage") == "sampling"
            and state.get("step", 0) >= KILLED_AT
            and (job / "checkpoint.safetensors").exists()
        ):
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return state_of(job)["step"]


def gone_on(first: str, then: str, expected: str) -> Case:
    def tried(root: Path) -> Tried:
        whole, job = job_in(root, "whole", memory=first), job_in(root, "a")
        run_child("run", str(whole))
        step = kill_in(job, auto=first)
        (told,) = run_child("run", str(job), auto=then)
        apart = int(np.abs(pictures(job) - pictures(whole)).max())
        said = "Less memory is free than before" in " ".join(told["notes"])
        holds = told["policy"] == expected and told["steps"][0] >= KILLED_AT - 1 and apart <= CLOSE
        return holds and said == (expected != first), (
            f"killed in step {step}, went on after {told['steps'][0]} with {told['policy']}, {apart} of 255 apart"
        )

    return Case(f"killed with {first}, then memory for {then}: goes on with {expected}", tried)


def out_of_memory(root: Path) -> Tried:
    job = job_in(root, "a", memory="fast")
    kill_in(job, out_of_memory=["fast"], at_step=2)
    (told,) = run_child("run", str(job), out_of_memory=["fast"], at_step=2)
    holds = told["policy"] == "balanced" and told["steps"][0] >= KILLED_AT - 1
    return holds, f"went on after {told['steps'][0]} with {told['policy']}"


def retried(root: Path) -> Tried:
    job = job_in(root, "a", memory="fast")
    (told,) = run_child("run", str(job), out_of_memory=["fast"], at_step=4)
    said = "ran out of memory with memory set to fast; the job continued with balanced" in " ".join(told["notes"])
    again = [b for a, b in zip(told["steps"], told["steps"][1:]) if b < a]
    return said and told["policy"] == "balanced" and not again, f"steps {told['steps']}"


def changed(root: Path) -> Tried:
    job = job_in(root, "a")
    kill_in(job)
    write_request(replace(read_request(job), seed=7), job)
    (told,) = run_child("run", str(job))
    said = " ".join(told["notes"])
    noted = json.loads((job / "result.json").read_text(encoding="utf-8"))["notes"]
    return told["steps"][0] == 0 and "restarts at its first step" in said and noted == told["notes"], said


def previews(error: str, root: Path) -> Tried:
    job = job_in(root, "a", steps=4, guided_steps=2)
    (told,) = run_child("run", str(job), preview=error)
    said = [note for note in told.get("notes", ()) if "previews" in note]
    return state_of(job)["state"] == "done" and len(said) == 1, said[0] if said else told["message"]


def same_bits(root: Path) -> Tried:
    """With the setting, for any number of threads."""
    jobs = [job_in(root, f"{threads}", deterministic=True, memory="fast") for threads in (1, 2)]
    for number, job in enumerate(jobs):
        run_child("run", str(job), environment={"OMP_NUM_THREADS": str(number + 1)})
    return bool((pictures(jobs[0]) == pictures(jobs[1])).all()), "with 1 thread and with 2"


CASES = [
    gone_on("balanced", "fast", "balanced"),
    gone_on("thrifty", "fast", "thrifty"),
    gone_on("fast", "thrifty", "thrifty"),
    Case("out of memory in the middle: goes on, and says so", retried),
    Case("out of memory, then killed: goes on with what it fell back to", out_of_memory),
    Case("killed, then another seed: starts again, and says so", changed),
    *(Case(f"previews raise {error}: the job is done, and says so", partial(previews, error)) for error in ERRORS),
    Case("deterministic: the same clip, bit for bit", same_bits),
]
