"""`python -m backend bench controls`: is a picture's look kept, and is the depth given heeded?

On held-out cases the first frame of the true render is given as a picture, without a prompt, and the depth of all its
frames, without guidance; each beside the same take without it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from ..conditions import check_model
from ..models.entry import find_entry
from .cases import Case, motion_cases
from .evaluate import evaluate
from .runs import Run
from .takes import add_options, print_judged

ALONE = {"motion_weight": "0"}
RUNS = [
    Run("no prompt", ALONE, prompted=False),
    Run("picture", ALONE, given=("image",), prompted=False),
    Run("picture, guided", {}, given=("image",), prompted=False),
    Run("prompt", ALONE),
    Run("depth", ALONE, given=("depth",)),
    Run("guided", {}),
    Run("depth, guided", {}, given=("depth",)),
    Run("ceiling", None),
]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m backend bench controls", description=__doc__)
    add_options(parser)
    options = parser.parse_args(arguments)
    check_model(find_entry(options.model), ("image", "depth"))
    cases = motion_cases(tuning=options.tuning)[:: options.every]
    print_judged(RUNS, cases, lambda case, clip: likeness(case, clip) | evaluate(case, clip), options)
    return 0


def likeness(case: Case, clip: np.ndarray) -> dict[str, float]:
    """How far the first and the last frame are from the true render's: mean difference of a channel, 0..1."""
    far = np.abs(clip.astype(np.float32) - case.truth).mean((1, 2, 3)) / 255
    return {"first_frame": float(far[0]), "last_frame": float(far[-1])}
