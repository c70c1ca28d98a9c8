"""Generates the takes for a benchmark in several processes with one thread each."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import numpy as np
import torch
import torch.nn.functional as functional

from ..backbones.animatediff.backbone import AnimateDiff, load_animatediff
from ..clips import to_frames
from ..controls.conditions import Condition
from ..demo_training.passes import draw_depth, draw_mask
from ..job.reference_motion import read_one_step
from ..job.take import Take, generate
from ..models.entry import find_entry
from .cases import Case, cases_for
from .evaluate import summary, table
from .long_shots import prolonged
from .runs import Run


def add_options(parser: ArgumentParser) -> None:
    """Adds the options that determine the takes."""
    parser.add_argument(
        "--model", default="demo", metavar="NAME", help="a model of the demo world (default: %(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="takes per case (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="use only every Kth case, for a quick test")
    parser.add_argument("--tuning", action="store_true", help="use the other cases, for choosing settings")
    parser.add_argument(
        "--processes",
        type=int,
        default=2,
        metavar="N",
        help="parallel processes with one thread each (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true")


def all_clips(runs: list[Run], cases: list[Case], options: Namespace) -> Iterator[tuple[Run, int, list[np.ndarray]]]:
    """Yields each run and seed with its clips, uint8 [F, H, W, 3], in the order of the cases.

    options: model, seeds, processes and tuning, as added by `add_options`.
    """
    numbers = [case.number for case in cases]
    with _processes(options) as in_order:
        for run in runs:
            if run.settings is None:
                yield run, 0, [case.truth for case in cases]
                continue
            for seed in range(options.seeds):
                print(f"{run.name}, seed {seed}: {len(cases)} takes", file=sys.stderr, flush=True)
                yield run, seed, list(in_order(take_of, *zip(*[(run, number, seed) for number in numbers])))


@contextmanager
def _processes(options: Namespace) -> Iterator[Callable[..., Iterator]]:
    """`map` over so many processes of their own; one is the process that asks."""
    given = options.model, options.tuning
    if options.processes == 1:
        start_process(*given)
        yield map
        return
    with ProcessPoolExecutor(options.processes, get_context("spawn"), start_process, given) as pool:
        yield pool.map


def print_judged(
    runs: list[Run],
    cases: list[Case],
    judge: Callable[[Case, np.ndarray], dict[str, float]],
    options: Namespace,
    base: str | None = None,
) -> None:
    """Generates every run's clips and prints the judgments of `judge` as summarized by `evaluate.summary`."""
    results: dict[str, dict[str, list]] = {}
    for run, _, clips in all_clips(runs, cases, options):
        judged = [judge(case, clip) for case, clip in zip(cases, clips)]
        figures = results.setdefault(run.name, {name: [] for name in judged[0]})
        for name, values in figures.items():
            values.append([one[name] for one in judged])
    summaries = summary(results, base)
    print(
        json.dumps(summaries) if options.json else f"{len(cases)} cases x {options.seeds} seeds\n\n{table(summaries)}"
    )


_model: AnimateDiff
_cases: dict[int, Case]


def start_process(model: str, tuning: bool) -> None:
    """Loads the model once per process. On such small layers, several processes are faster than several threads."""
    global _model, _cases
    torch.set_num_threads(1)
    entry = find_entry(model)
    _model = load_animatediff(entry, torch.device("cpu"), torch.float32)
    _cases = {case.number: case for case in cases_for(entry, tuning)}


def take_of(run: Run, number: int, seed: int) -> np.ndarray:
    """The clip, uint8 [F, H, W, 3], of a case in a process that `start_process` has prepared."""
    case = prolonged(_cases[number], run.frames) if run.frames else _cases[number]
    settings = _model.entry.settings_for(run.settings or {}, run.frames)
    subject = None
    if run.masked:
        mask = torch.from_numpy(draw_mask(case.reference_look.shape, case.motion, case.size))
        subject = functional.avg_pool2d(mask, _model.latent_scale)
    controls = _model.load_controls(_conditions(case, run.given), len(case.reference), settings)
    take = Take(
        frames=len(case.reference),
        size=case.reference.shape[1:3],
        seed=1000 * seed + number,
        settings=settings,
        negative=_model.embed([""])[0],
        positive=_model.embed([case.prompt if run.prompted else ""])[0],
        subject=subject,
        controls=controls,
    )
    motion = read_one_step(_model, case.reference, settings) if settings.is_guided else None
    return to_frames(_model.decode(generate(_model, take, motion, lambda: None), lambda: None))


def _conditions(case: Case, kinds: Sequence[str]) -> dict[str, Condition]:
    """The first frame of the case's true render as the image, and the depth of every frame."""
    made = {}
    if "image" in kinds:
        made["image"] = Condition(case.truth[:1], (0,))
    if "depth" in kinds:
        made["depth"] = Condition(draw_depth(case.look.shape, case.motion, case.size), tuple(range(len(case.truth))))
    return made
