"""Complete jobs of the tiny model: how tests create them, stop them and let them run out of memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from backend.__main__ import make_parser
from backend.backbones.animatediff.backbone import AnimateDiff
from backend.clips import read_clip
from backend.errors import Interrupted
from backend.job import attempts
from backend.job.new_job import make_job
from backend.job.progress import Progress
from backend.job_folder.state import JobState


def job_of(clip: Path, folder: Path, *arguments: str) -> Path:
    """Creates a job of six steps, four of them guided; returns its folder."""
    line = ["clone", str(clip), "--prompt", "a red ball", "--model", "tiny", "--set", "steps=6"]
    return make_job(make_parser().parse_args([*line, "--set", "guided_steps=4", "--job", str(folder), *arguments]))


def frames(folder: Path) -> np.ndarray:
    return read_clip(folder / "result").frames


class Told(list):
    """The states that a run reported."""

    def progress(self, folder: Path, stop_after: int | None = None, stage: str = "sampling") -> Progress:
        def tell(state: JobState) -> None:
            self.append(state)
            if state.stage == stage and state.step == stop_after:
                progress.cancel(Interrupted)

        progress = Progress(folder, tell)
        return progress

    def steps(self, stage: str = "sampling") -> list[int]:
        return [state.step for state in self if state.stage == stage]


def failing_in(monkeypatch, policies: list[str], at: int = 3) -> list[str]:
    """Lets memory run out in this step under these policies; returns the policies that were tried."""
    tried, true = [], attempts.generate

    def generate(model, take, motion, after_step, memory, check):
        count = [memory.done]

        def step():
            count[0] += 1
            if tried[-1] in policies and count[0] > at:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            after_step()

        return true(model, take, motion, step, memory, check)

    def with_policy(model, policy, *rest):
        tried.append(policy.name)
        return true_with_policy(model, policy, *rest)

    true_with_policy = AnimateDiff.with_policy
    monkeypatch.setattr(attempts, "generate", generate)
    monkeypatch.setattr(AnimateDiff, "with_policy", with_policy)
    return tried
