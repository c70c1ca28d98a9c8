"""Long shots with a known truth, and their figures: seams, drift, and whether the subject stays the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..clips.motion_score import motion_score
from ..demo_training.world import Motion
from ..sampling.contexts import PHASES, Contexts
from .cases import Case
from .judges import color_drift
from .look_classifier import look_seen

PERIOD = 40.0  # frames for the motion of a case, there and back
PIECE = 16  # frames of a short shot
STILL = 1e-3  # of full scale, added to each change, because some frames differ by nothing
FIGURES = {
    "motion_score": "motion score with the own reference, over pieces of 16 frames",
    "seam": "change across context borders, over that elsewhere (1: none seen)",
    "jump": "largest change between neighboring frames, over the truth's there or its median",
    "drift": "color drift from first to last quarter",
    "subject_right": "subject color right, over the quarters",
    "shape_right": "shape right, over the quarters",
    "clean": "probability that a frame is a clean picture",
}


def prolonged(case: Case, frames: int) -> Case:
    """The case as a shot of `frames` frames: its motion goes to the end and back, slower toward the turning points."""
    t = np.arange(frames)
    place = (len(case.motion.yaw) - 1) * (1 - np.cos(2 * np.pi * t / PERIOD)) / 2
    return replace(case, motion=_at(case.motion, place))


def judged(case: Case, clip: np.ndarray, contexts: Contexts) -> dict[str, float]:
    """The FIGURES of a clip, uint8 [F, H, W, 3], which was generated in these contexts."""
    seen = [look_seen(quarter) for quarter in np.array_split(clip, 4)]
    return {
        "motion_score": _score_of_pieces(clip, case.reference),
        **seams(clip, case.truth, contexts),
        "drift": color_drift(clip, case.look),
        "subject_right": float(np.mean([one["subject"] == case.look.subject for one in seen])),
        "shape_right": float(np.mean([one["shape"] == case.look.shape for one in seen])),
        "clean": float(np.mean([one["clean"] for one in seen])),
    }


def _score_of_pieces(clip: np.ndarray, reference: np.ndarray) -> float:
    """The mean motion score of pieces of a short shot's length, as the score of a long clip compares few of its
    frames."""
    count = max(1, len(clip) // PIECE)
    pieces = zip(np.array_split(clip, count), np.array_split(reference, count))
    return float(np.mean([motion_score(piece, wanted) for piece, wanted in pieces]))


def seams(clip: np.ndarray, truth: np.ndarray, contexts: Contexts) -> dict[str, float]:
    """How much more changes where contexts begin and end. Changes are relative to those of the `truth`, which also
    moves at those places."""
    changes, expected = (
        np.abs(np.diff(frames.astype(np.float32), axis=0)).mean((1, 2, 3)) / 255 for frames in (clip, truth)
    )
    relative = (changes + STILL) / (expected + STILL)
    found = contexts.distinct(range(PHASES))
    borders = {context[0] - 1 for context in found} | {context[-1] for context in found}
    at_border = np.array([frame in borders for frame in range(len(relative))])
    if at_border.all() or not at_border.any():
        seam = float("nan")
    else:
        seam = float(relative[at_border].mean() / relative[~at_border].mean())
    return {"seam": seam, "jump": float((changes / np.maximum(expected, np.median(expected))).max())}


def _at(motion: Motion, places: np.ndarray) -> Motion:
    """The motion at places between its frames."""
    own = np.arange(len(motion.yaw))

    def between(values: np.ndarray) -> np.ndarray:
        columns = values.reshape(len(own), -1).T
        found = np.stack([np.interp(places, own, column) for column in columns], -1)
        return found.reshape(len(places), *values.shape[1:]).astype(np.float32)

    return replace(motion, subject=between(motion.subject), yaw=between(motion.yaw), camera=between(motion.camera))
