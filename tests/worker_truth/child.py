"""A worker or jobs in a process in which something is broken on purpose.

    python -m tests.worker_truth.child PATCHES run FOLDER...   # real jobs, one after the other
    python -m tests.worker_truth.child PATCHES dummy FOLDER    # a job without a model
    python -m tests.worker_truth.child PATCHES serve           # a worker whose jobs flood their log

PATCHES is JSON: auto (the policy that fits the memory), out_of_memory (policies that fail in the step `at_step`),
preview (the error that previews raise), seconds (per step), silent (after which ffmpeg is stopped), no_ffmpeg, crash
(after the flood). The last line printed is JSON: the result of each job.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from backend.job.progress import Progress
from backend.job_folder.problem import Problem
from backend.job_folder.state import JobState
from backend.worker.dummy_job import DummyEngine
from backend.worker.one_job import claimed, run_to_end

FIRST, LAST = "the first words", "the last words"
FLOOD_MB = 40  # by each of three writers


def main(patches: dict[str, Any], what: str, *folders: str) -> None:
    if what == "serve":
        return _serve(patches)
    _patch_ffmpeg(patches)
    if what == "run":
        _patch_memory(patches)
    print(json.dumps([_run(Path(folder), what) for folder in folders]))


def _run(folder: Path, what: str) -> dict[str, Any]:
    steps: list[int] = []

    def tell(state: JobState) -> None:
        if state.stage == "sampling":
            steps.append(state.step)

    found: dict[str, Any] = {"steps": steps}
    try:
        with claimed(folder):
            if what == "run":
                from backend.job.job import run_job

                result = run_to_end(folder, Progress(folder, tell), run_job)
                found |= {"policy": result["memory_policy"], "notes": result["notes"]}
            else:
                run_to_end(folder, Progress(folder, tell), DummyEngine().run)
    except Problem as error:
        found |= {"message": error.message, "hint": error.hint}
    return found


def _patch_ffmpeg(patches: dict[str, Any]) -> None:
    from backend.clips import ffmpeg_process

    ffmpeg_process.SECONDS_SILENT = patches.get("silent", ffmpeg_process.SECONDS_SILENT)
    if patches.get("no_ffmpeg"):
        os.environ["PATH"] = os.path.dirname(__file__)
        os.environ.pop(ffmpeg_process.CHOSEN, None)
        ffmpeg_process.imageio_ffmpeg.__file__ = "/nowhere/__init__.py"


def _patch_memory(patches: dict[str, Any]) -> None:
    import torch

    from backend.backbones.animatediff.backbone import AnimateDiff
    from backend.job import attempts, checkpoint, previews, progress
    from backend.memory import policy as memory

    checkpoint.SECONDS = progress.WRITE_SECONDS = 0.0
    true_choose = memory.choose_policy
    memory.choose_policy = lambda requested, *rest: true_choose(
        patches.get("auto", requested) if requested == "auto" else requested, *rest
    )
    tried, true_within, true_generate = [""], AnimateDiff.with_policy, attempts.generate

    def with_policy(model, policy, *rest):
        tried.append(policy.name)
        return true_within(model, policy, *rest)

    def generate(model, take, motion, after_step, kept, check):
        def step():
            time.sleep(patches.get("seconds", 0.0))
            if tried[-1] in patches.get("out_of_memory", ()) and kept.done > patches["at_step"]:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            after_step()

        return true_generate(model, take, motion, step, kept, check)

    AnimateDiff.with_policy, attempts.generate = with_policy, generate
    if kind := patches.get("preview"):
        previews.SECONDS, previews.SHARE = 0.0, 1e9
        previews.Previews._strip = lambda *_: _raise(kind)


def _raise(kind: str) -> None:
    import torch

    errors = {
        "TypeError": TypeError("Cannot convert a MPS Tensor to float64 dtype"),
        "LinAlgError": torch.linalg.LinAlgError("the algorithm did not converge"),
        "OutOfMemoryError": torch.OutOfMemoryError("CUDA out of memory."),
    }
    raise errors.get(kind) or {"MemoryError": MemoryError, "KeyError": KeyError, "OSError": OSError}[kind]("broken")


def _serve(patches: dict[str, Any]) -> None:
    from backend.worker.process import serve

    class Flooding(DummyEngine):
        def run(self, folder: Path, progress: Progress) -> dict[str, Any]:
            progress.stage("sampling", 1)
            _flood()
            if patches.get("crash"):
                os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
                os.abort()
            return super().run(folder, progress)

    serve(Flooding(), 60.0)


def _flood() -> None:
    """By Python, by a native library and by a child process."""
    print(FIRST)
    line = "x" * 9999
    for _ in range(FLOOD_MB * 100):
        print(line)
    for _ in range(FLOOD_MB * 100):
        ctypes.CDLL(None).puts(line.encode())
    subprocess.run([sys.executable, "-c", f"for _ in range({FLOOD_MB * 100}): print('y' * 9999)"], check=True)
    print(LAST, file=sys.stderr)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), *sys.argv[2:])
