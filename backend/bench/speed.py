"""`python -m backend bench speed`: the cost of takes, as ratios measured within one run.

The cost of a take is the sum of its UNet passes. They are counted in floating-point operations for SD1.5 with 16 frames
of 512 x 512, and for the given model in operations and in seconds. Shares are relative to the authors' settings for
camera motion. Plain generation is timed against diffusers' AnimateDiffPipeline in turns, and so is the setting
deterministic against a job without it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace

from diffusers import AnimateDiffPipeline, DDIMScheduler

from ..backbones.animatediff.backbone import AnimateDiff, load_animatediff
from ..backbones.animatediff.frame_norm import normalize_all_frames, normalize_each_frame
from ..backbones.base import TEMPORAL
from ..job.take import Take, generate
from ..job_folder.clip_size import clip_size
from ..job_folder.problem import Problem
from ..job_folder.settings import Settings
from ..memory.device import choose_device, deterministic_mode
from ..models.entry import find_entry
from .costs import SD15_LATENTS, SD15_TEXT, Costs, job_costs, medians, on_meta, pass_costs, sd15_unet, seconds
from .counting import operations
from .runs import Run, named_run

PROMPT = "a red ball on green ground under a blue sky"


def main(arguments: Sequence[str]) -> int:
    options = make_parser().parse_args(arguments)
    entry = find_entry(options.model)
    families = [Run(name, {"family": name}) for name in sorted(entry.families, key=lambda name: name != "paper")]
    runs = [*families, *[named_run(text, entry) for text in options.compare]]
    every = {run.name: entry.settings_for(run.settings) for run in runs}
    model = load_animatediff(entry, *choose_device(every["default"].precision))
    settings = {name: one for name, one in every.items() if _has_blocks(model, name, one)}
    figures = _costs(model, settings, options.rounds)
    plain = _against_diffusers(model, settings["default"], options.rounds)
    repeated = _repeatable(model, settings["default"], options.rounds)
    if options.json:
        print(json.dumps({"costs": figures, "plain_ratio": plain, "deterministic_ratio": repeated}))
    else:
        print(_table(figures))
        print(f"\nplain generation: {plain:.3f} of the time of diffusers' AnimateDiffPipeline")
        print(f"deterministic=true: {repeated:.3f} of the time without it")
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backend bench speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="demo", metavar="NAME", help="the model to time (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="rounds of measurement (default: %(default)s)"
    )
    parser.add_argument(
        "--compare", action="append", default=[], metavar="NAME:KEY=VALUE ...", help="compare more settings; repeatable"
    )
    parser.add_argument("--json", action="store_true")
    return parser


def _costs(model: AnimateDiff, settings: dict[str, Settings], rounds: int) -> dict[str, dict[str, float]]:
    """For each run: the job and a guided step in passes, and the job's share of the paper's by three measures."""
    meters = {
        "sd15": lambda one: pass_costs(sd15_unet(), SD15_LATENTS, SD15_TEXT, one, operations),
        "counted": lambda one: pass_costs(on_meta(model.unet), *_shapes(model, one), one, operations),
        "timed": lambda one: medians(
            [pass_costs(model.unet, *_shapes(model, one), one, seconds) for _ in range(rounds + 1)][
                1:
            ]  # one to warm up
        ),
    }
    measured: dict[tuple, Costs] = {}  # passes cost the same for the same layers and clip length
    figures = {}
    for name, one in settings.items():
        print(f"{name}: {one.steps} steps", file=sys.stderr, flush=True)
        jobs = {}
        for meter, measure in meters.items():
            looks = one.semantic_blocks if one.method == "inversion" and any(one.semantic_weights) else None
            key = (meter, one.method, one.guidance_blocks, looks, one.frames)
            if key not in measured:
                measured[key] = measure(one)
            jobs[meter] = job_costs(one, measured[key])
        figures[name] = asdict(jobs["sd15"]) | {meter: job.whole for meter, job in jobs.items()}
    for meter in meters:
        paper = figures["paper"][meter]
        for one in figures.values():
            one[meter] /= paper
    return figures


def _has_blocks(model: AnimateDiff, name: str, settings: Settings) -> bool:
    """Whether the model has the blocks that these settings use. If not, a message is printed."""
    try:
        model.layers(TEMPORAL, settings.guidance_blocks)
    except Problem as error:
        print(f"{name} is left out: {error.message}", file=sys.stderr, flush=True)
        return False
    return True


def _shapes(model: AnimateDiff, settings: Settings) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of a square clip's latents and of a text embedding."""
    h, w = (side // model.latent_scale for side in clip_size(1.0, model.entry.clip.area, model.entry.clip.multiple))
    text = (1, model.tokenizer.model_max_length, model.unet.config.cross_attention_dim)
    return (1, model.unet.config.in_channels, settings.frames, h, w), text


def _against_diffusers(model: AnimateDiff, settings: Settings, rounds: int) -> float:
    """The time of our plain takes over the pipeline's, from prompt to pictures: the median over turns."""
    plain = replace(settings, sampler="ddim", guided_steps=0, motion_weight=0.0, cfg_form="standard")
    height, width = clip_size(1.0, model.entry.clip.area, model.entry.clip.multiple)
    pipeline = AnimateDiffPipeline(
        vae=model.vae,
        text_encoder=model.text_encoder,
        tokenizer=model.tokenizer,
        unet=model.unet,
        motion_adapter=None,
        scheduler=DDIMScheduler(beta_schedule="linear", beta_start=0.00085, beta_end=0.012, clip_sample=False),
    )
    pipeline.set_progress_bar_config(disable=True)

    def ours() -> None:
        texts = {"negative": model.embed([""])[0], "positive": model.embed([PROMPT])[0]}
        take = Take(frames=plain.frames, size=(height, width), seed=0, settings=plain, **texts)
        model.decode(generate(model, take, None, lambda: None), lambda: None)

    def theirs() -> None:
        how = {"num_frames": plain.frames, "height": height, "width": width, "output_type": "pt"}
        pipeline(PROMPT, num_inference_steps=plain.steps, guidance_scale=plain.cfg_scale, **how)

    ratios = []
    for _ in range(rounds):
        normalize_each_frame(model.unet)
        mine = seconds(ours)
        normalize_all_frames(model.unet)
        ratios.append(mine / seconds(theirs))
    normalize_each_frame(model.unet)
    return statistics.median(ratios)


def _repeatable(model: AnimateDiff, settings: Settings, rounds: int) -> float:
    """The time of a job's passes with the setting `deterministic` over that without it: the median over turns."""

    def job(wanted: bool) -> float:
        with deterministic_mode(wanted):
            costs = pass_costs(model.unet, *_shapes(model, settings), settings, seconds)
        return job_costs(settings, costs).whole * costs.single

    return statistics.median([job(True) / job(False) for _ in range(rounds + 1)][1:])  # one to warm up


def _table(figures: dict[str, dict[str, float]]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| settings | SD1.5, in forward passes | a guided step | share of paper | this model, counted | timed |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in figures.items():
        shares = " | ".join(f"{one[meter]:.3f}" for meter in ("sd15", "counted", "timed"))
        lines.append(f"| {name} | {one['whole']:.1f} | {one['guided_step']:.2f} | {shares} |")
    return "\n".join(lines)
