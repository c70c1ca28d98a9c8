"""`python -m backend bench masks`: checks whether a mask clip limits guidance to its part of the picture.

In these cases the camera moves, so the subject and the rest of the picture both move. Each part has its own motion
score.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import cv2
import numpy as np

from ..clips.motion_score import SMOOTHING, field_score, motion_field
from ..demo_training.passes import draw_mask
from ..models.entry import find_entry
from .cases import Case, cases_for
from .runs import Run
from .takes import add_options, print_judged

RUNS = [
    Run("unguided", {"motion_weight": "0"}),
    Run("no mask", {}),
    Run("subject only", {}, masked=True),
    Run("background only", {"subject_strength": "0", "background_strength": "1"}, masked=True),
    Run("ceiling", None),
]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m backend bench masks", description=__doc__)
    add_options(parser)
    options = parser.parse_args(arguments)
    every = cases_for(find_entry(options.model), options.tuning)
    cases = [case for case in every if case.kind == "camera"][:: options.every]
    print_judged(RUNS, cases, scores_of_parts, options, base="unguided")
    return 0


def scores_of_parts(case: Case, clip: np.ndarray) -> dict[str, float]:
    """The motion score of `clip`, uint8 [F, H, W, 3], where the reference shows its subject, and elsewhere."""
    wanted = motion_field(case.reference)
    mask = draw_mask(case.reference_look.shape, case.motion, case.size)
    between = np.maximum(mask[1:], mask[:-1])  # a flow step leads from one frame to the next
    height, width = wanted.shape[1:3]
    subject = np.stack([cv2.resize(m, (width, height), interpolation=cv2.INTER_AREA) for m in between])
    reach = 2 * round(SMOOTHING * height) + 1  # the field is smoothed, so at the outline it belongs to neither part
    beside = np.stack([cv2.dilate(m, np.ones((reach, reach), np.uint8)) for m in subject])
    field = motion_field(clip, case.reference.shape[1:3])
    return {"subject": field_score(field, wanted, subject), "background": field_score(field, wanted, 1 - beside)}
