"""`python -m backend bench controls`: is a picture's look kept, and is the depth given heeded?

On held-out cases the first frame of the true render is given as a picture, without a prompt, and the depth of all its
frames, without guidance; each beside the same take without it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import numpy as np

from ..conditions import check_model
from ..models.entry import find_entry
from .cases import Case, motion_cases
from .evaluate import FIGURES, evaluate, summary, table
from .runs import Run
from .takes import add_options, all_clips

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
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    check_model(find_entry(options.model), ("image", "depth"))
    cases = motion_cases(tuning=options.tuning)[:: options.every]
    names = ("first_frame", "last_frame", *FIGURES)
    results: dict[str, dict[str, list]] = {run.name: {name: [] for name in names} for run in RUNS}
    for run, _, clips in all_clips(RUNS, cases, options):
        judged = [evaluate(case, clip) | likeness(case, clip) for case, clip in zip(cases, clips)]
        for name in names:
            results[run.name][name].append([one[name] for one in judged])
    summaries = summary(results)
    print(
        json.dumps(summaries) if options.json else f"{len(cases)} cases x {options.seeds} seeds\n\n{table(summaries)}"
    )
    return 0


def likeness(case: Case, clip: np.ndarray) -> dict[str, float]:
    """How far the first and the last frame are from the true render's: mean difference of a channel, 0..1."""
    far = np.abs(clip.astype(np.float32) - case.truth).mean((1, 2, 3)) / 255
    return {"first_frame": float(far[0]), "last_frame": float(far[-1])}
