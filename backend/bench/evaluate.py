"""Applies all judges to generated clips: the figures of one clip, and the table over cases and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..clips.motion_score import motion_score
from .cases import Case
from .judges import camera_cosine, color_drift, control_matrix, path_cosine, reference_ranks
from .look_classifier import CLEAN, look_seen
from .statistics import Interval, mean_interval, paired_gain

NOT_ASKED = float("nan")
FIGURES: dict[str, str] = {
    "motion_score": "motion score with the own reference",
    "subject_path": "subject path cosine (cases with a moving subject)",
    "camera": "camera affine cosine (cases with a moving camera)",
    "subject_right": "subject color right, in a clean clip",
    "shape_right": "shape right, in a clean clip",
    "ground_right": "ground color right",
    "sky_right": "sky color right",
    "clean": "probability that a frame is a clean picture",
    "drift": "colour drift from first to last quarter",
}


def evaluate(case: Case, clip: np.ndarray) -> dict[str, float]:
    """The FIGURES of one clip, uint8 [F, H, W, 3], for the case; NaN if a figure does not apply.

    A subject's color and shape count as right only in a clip that the classifier considers clean, so that blobs do not
    pass.
    """
    seen = look_seen(clip)
    clean = float(seen["clean"])
    moving_subject = case.kind == "subject"
    return {
        "motion_score": motion_score(clip, case.reference),
        "subject_path": path_cosine(clip, case.look, case.path) if moving_subject else NOT_ASKED,
        "camera": NOT_ASKED if moving_subject else camera_cosine(clip, case.reference),
        "subject_right": float(seen["subject"] == case.look.subject and clean > CLEAN),
        "shape_right": float(seen["shape"] == case.look.shape and clean > CLEAN),
        "ground_right": float(seen["ground"] == case.look.ground),
        "sky_right": float(seen["sky"] == case.look.sky),
        "clean": clean,
        "drift": color_drift(clip, case.look),
    }


def control(cases: Sequence[Case], clips: Sequence[np.ndarray]) -> dict[str, float]:
    """Checks that clips match their own reference better than others, per kind of motion, then averaged.

    own, other: the mean motion score with the own reference and with others of the same kind; rank: the mean rank of
    the own one, 1 at best; nearest: the share of clips whose own reference is the nearest.
    """
    rows = []
    for kind in sorted({case.kind for case in cases}):
        chosen = [k for k, case in enumerate(cases) if case.kind == kind]
        matrix = control_matrix([clips[k] for k in chosen], [cases[k].reference for k in chosen])
        others, ranks = matrix[~np.eye(len(matrix), dtype=bool)], reference_ranks(matrix)
        rows.append(
            [np.diag(matrix).mean(), others.mean() if others.size else NOT_ASKED, ranks.mean(), (ranks == 1).mean()]
        )
    return dict(zip(("own", "other", "rank", "nearest"), np.mean(rows, 0).tolist()))


def summary(runs: Mapping[str, Mapping[str, Sequence]], base: str | None = None) -> dict[str, dict[str, Interval]]:
    """run -> figure -> mean over cases with its interval. runs: name -> figure -> values [cases] or [seeds, cases].

    base: the run without guidance. Every other run with as many seeds also gets "<figure> gain", paired with it.
    """
    out: dict[str, dict[str, Interval]] = {}
    for name, figures in runs.items():
        out[name] = {figure: mean_interval(list(values)) for figure, values in figures.items()}
        if base is None or name == base:
            continue
        for figure, values in figures.items():
            if np.shape(values) == np.shape(runs[base][figure]):
                out[name][f"{figure} gain"] = paired_gain(list(values), list(runs[base][figure]))
    return out


def table(summaries: Mapping[str, Mapping[str, Interval]]) -> str:
    """The summary as a Markdown table with a row per figure and a column per run."""
    names = list(summaries)
    rows = [f"| figure | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for figure in dict.fromkeys(f for one in summaries.values() for f in one):
        values = [str(summaries[name][figure]) if figure in summaries[name] else "" for name in names]
        rows.append(f"| {figure} | {' | '.join(values)} |")
    return "\n".join(rows)
