"""`python -m backend bench long`: whether long shots, generated in contexts, are as good as short ones.

The motion of each case of `bench motion` goes on for so many frames, and its first 16 frames are the short shot to
compare with. Also measured: the time and the memory of a short and a long take of the model, and the memory that one
guided step of SD1.5's size holds on a GPU (counted as `bench memory` does).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import torch

from ..job_folder.clip_length import context_overlap
from ..job_folder.declared import parse_assignment
from ..memory.device import peak_memory_bytes, reset_peak_memory
from ..memory.policy import BALANCED
from ..models.entry import find_entry
from ..models.model_entry import ModelEntry
from ..sampling.averaging import InContexts
from ..sampling.contexts import Contexts, contexts_of
from ..sampling.guided import GuidanceOptions
from ..sampling.schedule import Step
from ..sampling.state import SamplerState
from .cases import cases_for
from .evaluate import summary, table
from .live_bytes import peak_of
from .long_shots import FIGURES, PIECE, judged, prolonged
from .memory import CELL, guided_of, sd15
from .runs import Run
from .takes import add_options, all_clips, start_process, take_of

FEW_STEPS = {"steps": "4", "guided_steps": "2", "refine": "0"}  # enough to measure time and memory
SD15_SIZE = 512, 512


def main(arguments: Sequence[str]) -> int:
    options = make_parser().parse_args(arguments)
    entry, chosen = find_entry(options.model), dict(map(parse_assignment, options.set))
    runs = [Run(str(count), chosen, frames=count) for count in (PIECE, *options.frames)]
    cases = cases_for(entry, options.tuning)[:: options.every]
    results: dict[str, dict[str, list]] = {}
    for run, _, clips in all_clips(runs, cases, options):
        shots = [prolonged(case, run.frames or PIECE) for case in cases]
        contexts = contexts_of(entry.settings_for(chosen, run.frames), run.frames or PIECE)
        found = [judged(shot, clip, contexts) for shot, clip in zip(shots, clips)]
        figures = results.setdefault(run.name, {name: [] for name in FIGURES})
        for name in FIGURES:
            figures[name].append([one[name] for one in found])
    summaries = summary(results)
    costs = measured_costs(entry, options.frames)
    if options.json:
        print(json.dumps({"figures": summaries, "costs": costs}))
        return 0
    print(f"{len(cases)} shots x {options.seeds} seeds, by the number of frames\n\n{table(summaries)}\n")
    for what, by_frames in costs.items():
        print(f"{what}: " + ", ".join(f"{value:.2f} for {count} frames" for count, value in by_frames.items()))
    return 0


def measured_costs(entry: ModelEntry, lengths: Sequence[int]) -> dict[str, dict[str, float]]:
    """By what is measured and by the number of frames: seconds and megabytes of the model, gigabytes of SD1.5."""
    costs: dict[str, dict[str, float]] = {"seconds of four steps": {}, "megabytes": {}, "gigabytes, SD1.5 counted": {}}
    with ProcessPoolExecutor(1, get_context("spawn"), start_process, (entry.name, False)) as pool:
        for count in (min(lengths), max(lengths)):
            seconds, peak = pool.submit(_seconds_and_bytes, count).result()
            for one, value in zip(costs.values(), (seconds, peak / 1e6, counted_bytes(count) / 1e9)):
                one[str(count)] = value
    return costs


def _seconds_and_bytes(frames: int) -> tuple[float, int]:
    """Runs in a process of its own, the short take first, so that the peak is that of one take."""
    reset_peak_memory()
    began = time.process_time()
    take_of(Run("costs", FEW_STEPS, frames=frames), 0, 0)
    return time.process_time() - began, peak_memory_bytes() or 0


@torch.no_grad()
def counted_bytes(frames: int) -> int:
    """The bytes that a guided step of SD1.5's size holds besides the weights, with the latents of all frames."""
    model, contexts = sd15(), Contexts(frames, PIECE, context_overlap(None, PIECE))
    cells = tuple(side // CELL for side in SD15_SIZE)
    guide, z = guided_of(model, (), (PIECE, *cells), ("up_blocks.1",))
    spread, state = InContexts(contexts, z.device), SamplerState()
    options = GuidanceOptions(7.5, "standard", 0.1, "relative")
    latents = torch.empty(1, 4, frames, *cells, device="meta")
    whole = spread.guidance(lambda context, own: guide, options, state)
    with model.with_policy(replace(BALANCED, offload=False)):
        return peak_of(lambda: whole(latents, Step(0, 500, 400, 1.0)))


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backend bench long", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument(
        "--frames", type=_lengths, default=[48, 96, 240], metavar="N,N", help="lengths of the shots (48,96,240)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting; repeatable")
    return parser


def _lengths(text: str) -> list[int]:
    counts = [int(part) for part in text.split(",")]
    if not all(PIECE < count <= 1000 for count in counts):
        raise argparse.ArgumentTypeError(f"{text!r}: shots have {PIECE + 1} to 1000 frames")
    return counts
