"""`python -m backend bench motion`: checks whether takes follow their reference's motion and their prompt.

It uses drawn reference clips with known motion, prompts for other looks, and the same seeds for all settings. Judges
are optical flow, tracks, a look classifier and a control with the other references. The ceiling is the true render of
the same motion.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..clips import write_frames
from ..models.entry import find_entry
from .cases import cases_for
from .evaluate import FIGURES, control, evaluate, summary, table
from .runs import Run, named_run
from .takes import add_options, all_clips

UNGUIDED = {"motion_weight": "0"}


def main(arguments: Sequence[str]) -> int:
    options = make_parser().parse_args(arguments)
    entry = find_entry(options.model)
    compared = [named_run(text, entry) for text in options.compare]
    runs = [Run("unguided", UNGUIDED), Run("default", {}), *compared, Run("ceiling", None)]
    if options.only_compared:
        runs = [run for run in runs if run.name != "default"]
    cases = cases_for(entry, options.tuning)[:: options.every]
    results: dict[str, dict[str, list]] = {run.name: {name: [] for name in FIGURES} for run in runs}
    controls: dict[str, list[dict[str, float]]] = {run.name: [] for run in runs}
    for run, seed, clips in all_clips(runs, cases, options):
        judged = [evaluate(case, clip) for case, clip in zip(cases, clips)]
        for name in FIGURES:
            results[run.name][name].append([one[name] for one in judged])
        controls[run.name].append(control(cases, clips))
        if options.clips:
            for case, clip in zip(cases, clips):
                write_frames(options.clips / run.name / f"seed {seed}" / f"case {case.number:02}", clip)
    summaries = summary(results, base="unguided")
    means = {
        name: {key: float(np.mean([c[key] for c in every])) for key in every[0]} for name, every in controls.items()
    }
    if options.json:
        print(json.dumps({"figures": summaries, "control": means}))
    else:
        print(f"{len(cases)} cases x {options.seeds} seeds, mean [95 % interval over cases]\n\n{table(summaries)}\n")
        for name, one in means.items():
            print(f"control, {name}: " + ", ".join(f"{key} {value:+.2f}" for key, value in one.items()))
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend bench motion", description=__doc__)
    add_options(parser)
    parser.add_argument(
        "--compare", action="append", default=[], metavar="NAME:KEY=VALUE ...", help="compare more settings; repeatable"
    )
    parser.add_argument("--only-compared", action="store_true", help="skip the default settings")
    parser.add_argument("--clips", type=Path, metavar="DIR", help="keep the generated frames there")
    return parser
