"""`python -m backend bench controls`: checks whether pictures and depth determine the clip.

Each test case gets the first frame of the true render as a picture, with and without a prompt, and the depth of all its
frames. Each take is compared with the same take without the control. Only the model's own controls are tested.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from ..controls.conditions import CONTROL_OF
from ..job_folder.problem import Problem
from ..models.entry import find_entry
from .cases import Case, cases_for
from .evaluate import evaluate
from .runs import Run
from .takes import add_options, print_judged

ALONE = {"motion_weight": "0"}
RUNS = [
    Run("no prompt", ALONE, prompted=False),
    Run("picture", ALONE, given=("image",), prompted=False),
    Run("prompt", ALONE),
    Run("prompt and picture", ALONE, given=("image",)),
    Run("depth", ALONE, given=("depth",)),
    Run("guided", {}),
    Run("picture, guided", {}, given=("image",)),
    Run("depth, guided", {}, given=("depth",)),
    Run("ceiling", None),
]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m backend bench controls", description=__doc__)
    add_options(parser)
    options = parser.parse_args(arguments)
    entry = find_entry(options.model)
    kinds = {kind for kind in ("image", "depth") if getattr(entry, CONTROL_OF[kind])}
    if not kinds:
        raise Problem(
            "No control to measure: {source} names no sparse_rgb and no depth_control.",
            "Name one there, or choose another --model.",
        ).about(source=entry.source)
    cases = cases_for(entry, options.tuning)[:: options.every]
    runs = [run for run in RUNS if kinds.issuperset(run.given) and (run.prompted or "image" in kinds)]
    print_judged(runs, cases, lambda case, clip: likeness(case, clip) | evaluate(case, clip), options)
    return 0


def likeness(case: Case, clip: np.ndarray) -> dict[str, float]:
    """The mean absolute difference of the first and the last frame to the true render, per channel, 0..1."""
    far = np.abs(clip.astype(np.float32) - case.truth).mean((1, 2, 3)) / 255
    return {"first_frame": float(far[0]), "last_frame": float(far[-1])}
