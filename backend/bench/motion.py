"""`python -m backend bench motion`: do takes follow their reference's motion and heed their prompt?

Held-out drawn reference clips with known motion, prompts that ask for another look, every setting on the same seeds;
judged by flow, tracks, a look classifier and a control against the other references, beside the ceiling that the same
motion drawn truly reaches.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from ..clips import to_frames, write_frames
from ..job import motion_of
from ..models.codec import decode_latents, embed_text
from ..models.components import Components, load_components
from ..models.entry import find_entry
from ..take import Take, generate
from .cases import Case, motion_cases
from .evaluate import FIGURES, control, evaluate, summary, table
from .runs import Run, named_run

UNGUIDED = {"motion_weight": "0"}


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    entry = find_entry(options.model)
    compared = [named_run(text, entry) for text in options.compare]
    runs = [Run("unguided", UNGUIDED), Run("default", {}), *compared, Run("ceiling", None)]
    if options.only_compared:
        runs = [run for run in runs if run.name != "default"]
    cases = motion_cases(tuning=options.tuning)[:: options.every]
    results: dict[str, dict[str, list]] = {run.name: {name: [] for name in FIGURES} for run in runs}
    controls: dict[str, list[dict[str, float]]] = {run.name: [] for run in runs}
    for run, seed, clips in _all_clips(runs, cases, options):
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend bench motion", description=__doc__)
    parser.add_argument(
        "--model", default="demo", metavar="NAME", help="a model of the demo world (default: %(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="takes of each case (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="only each Kth case, for a quick look")
    parser.add_argument("--tuning", action="store_true", help="other cases, to choose settings on")
    parser.add_argument(
        "--compare", action="append", default=[], metavar="NAME:KEY=VALUE ...", help="further settings, again and again"
    )
    parser.add_argument("--only-compared", action="store_true", help="leave out the default settings")
    parser.add_argument("--clips", type=Path, metavar="DIR", help="keep the generated frames there")
    parser.add_argument(
        "--processes", type=int, default=2, metavar="N", help="of one thread each (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true")
    return parser


def _all_clips(runs: list[Run], cases: list[Case], options) -> Iterator[tuple[Run, int, list[np.ndarray]]]:
    """Every run on every seed: its clips uint8 [F, H, W, 3] in the order of the cases."""
    numbers = [case.number for case in cases]
    with ProcessPoolExecutor(
        options.processes, get_context("spawn"), _start_process, (options.model, options.tuning)
    ) as pool:
        for run in runs:
            if run.settings is None:
                yield run, 0, [case.truth for case in cases]
                continue
            for seed in range(options.seeds):
                print(f"{run.name}, seed {seed}: {len(cases)} takes", file=sys.stderr, flush=True)
                yield run, seed, list(pool.map(_clip_of, *zip(*[(run.settings, number, seed) for number in numbers])))


_model: Components
_cases: dict[int, Case]


def _start_process(model: str, tuning: bool) -> None:
    """Each process loads the model once; one thread each is faster than threads shared on layers this small."""
    global _model, _cases
    torch.set_num_threads(1)
    _model = load_components(find_entry(model), torch.device("cpu"), torch.float32)
    _cases = {case.number: case for case in motion_cases(tuning=tuning)}


def _clip_of(chosen: dict[str, str], number: int, seed: int) -> np.ndarray:
    case = _cases[number]
    settings = _model.entry.settings_for(chosen)
    take = Take(
        frames=len(case.reference),
        size=case.reference.shape[1:3],
        seed=1000 * seed + number,
        settings=settings,
        negative=embed_text(_model, ""),
        positive=embed_text(_model, case.prompt),
    )
    motion = motion_of(_model, case.reference, settings) if settings.motion_weight else None
    return to_frames(decode_latents(_model, generate(_model, take, motion, lambda: None), lambda: None))
