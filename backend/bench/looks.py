"""`python -m backend bench looks DIR`: from which look of a blockout is its motion cloned best?

DIR is created by `install/developing/in_blender/look_scenes.py` in Blender. It contains scenes, each captured in
several looks, with true motion vectors. Takes with the same prompts and seeds follow every look. They are judged by
the scene's true motion, not by the reference that they were made from.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch

from ..backbones.animatediff.backbone import AnimateDiff, load_animatediff
from ..clips import read_clip, to_frames, write_frames
from ..clips.motion_score import field_score, motion_field, smoothed_field
from ..job.reference_motion import read_one_step
from ..job.take import Take, generate
from ..job_folder.problem import Problem
from ..models.entry import find_entry

UNGUIDED = "unguided"
PROMPTS = (
    "a red ball on green ground under a blue sky",
    "a yellow cube on purple ground under a black sky",
    "a blue cone on brown ground under a pink sky",
)


@dataclass(frozen=True)
class Asked:
    """A take to generate: from a scene's look, or UNGUIDED for the prompt alone."""

    scene: Path
    look: str
    prompt: int
    seed: int


def main(arguments: Sequence[str]) -> int:
    options = make_parser().parse_args(arguments)
    scenes = sorted(path for path in options.scenes.iterdir() if (path / "vectors").is_dir())
    if not scenes:
        raise Problem(
            "{scenes} holds no scenes.", "Make them with look_scenes.py in install/developing/in_blender."
        ).about(scenes=options.scenes)
    scores: dict[str, dict[str, list[float]]] = {}
    seen: dict[str, dict[str, float]] = {}
    for scene in scenes:
        wanted = true_field(scene / "vectors")
        for look in _looks(scene):
            seen.setdefault(look, {})[scene.name] = score(read_clip(scene / look).frames, wanted)
    asked = [
        Asked(scene, look, prompt, seed)
        for scene in scenes
        for look in [UNGUIDED, *_looks(scene)]
        for prompt in range(options.prompts)
        for seed in range(options.seeds)
    ]
    with ProcessPoolExecutor(options.processes, get_context("spawn"), _start_process, (options.model,)) as pool:
        for one, clip in zip(asked, pool.map(_clip_of, asked)):
            value = score(clip, true_field(one.scene / "vectors"))
            scores.setdefault(one.look, {}).setdefault(one.scene.name, []).append(value)
            if options.clips:
                write_frames(options.clips / one.scene.name / f"{one.look} {one.prompt} {one.seed}", clip)
    print(json.dumps({"takes": scores, "seen": seen}) if options.json else table(scores, seen))
    return 0


def true_field(vectors: Path) -> np.ndarray:
    """A scene's true motion in the motion score's format: [F-1, h, w, 2] in frame heights per clip."""
    flow = np.nan_to_num(np.stack([np.load(path) for path in sorted(vectors.glob("*.npy"))]))
    return smoothed_field(flow / flow.shape[1] * len(flow))


def score(clip: np.ndarray, wanted: np.ndarray) -> float:
    """The motion score of a clip, uint8 [F, H, W, 3], with a known field of as many steps."""
    field = motion_field(clip)
    return field_score(np.stack([cv2.resize(step, wanted.shape[2:0:-1]) for step in field]), wanted)


def table(scores: dict[str, dict[str, list[float]]], seen: dict[str, dict[str, float]]) -> str:
    """A line per look with the mean and each scene's value. Values in brackets are those of the reference itself."""
    names = sorted(next(iter(scores.values())))
    lines = [f"{'look':16} {'mean':>6}  " + " ".join(f"{name[:12]:>12}" for name in names)]
    for look, found in scores.items():
        means = [float(np.mean(found[name])) for name in names]
        lines.append(f"{look:16} {np.mean(means):+6.3f}  " + " ".join(f"{mean:+12.3f}" for mean in means))
    for look, found in seen.items():
        means = [found[name] for name in names]
        lines.append(f"({look:14}) {np.mean(means):+6.3f}  " + " ".join(f"{mean:+12.3f}" for mean in means))
    return "\n".join(lines)


def _looks(scene: Path) -> list[str]:
    return sorted(path.name for path in scene.iterdir() if path.is_dir() and path.name != "vectors")


_model: AnimateDiff


def _start_process(model: str) -> None:
    global _model
    torch.set_num_threads(1)
    _model = load_animatediff(find_entry(model), torch.device("cpu"), torch.float32)


def _clip_of(asked: Asked) -> np.ndarray:
    guided = asked.look != UNGUIDED
    reference = read_clip(asked.scene / (asked.look if guided else _looks(asked.scene)[0])).frames
    settings = _model.entry.settings_for({} if guided else {"motion_weight": "0"}, len(reference))
    take = Take(
        frames=len(reference),
        size=reference.shape[1:3],
        seed=asked.seed,
        settings=settings,
        negative=_model.embed([""])[0],
        positive=_model.embed([PROMPTS[asked.prompt]])[0],
    )
    motion = read_one_step(_model, reference, settings) if guided else None
    return to_frames(_model.decode(generate(_model, take, motion, lambda: None), lambda: None))


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend bench looks", description=__doc__)
    parser.add_argument("scenes", type=Path, metavar="DIR")
    parser.add_argument("--model", default="demo", metavar="NAME", help="(default: %(default)s)")
    parser.add_argument("--prompts", type=int, default=3, choices=range(1, len(PROMPTS) + 1), help="prompts per scene")
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="takes of each prompt (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="parallel processes with one thread each")
    parser.add_argument("--clips", type=Path, metavar="DIR", help="keep the generated frames there")
    parser.add_argument("--json", action="store_true")
    return parser
