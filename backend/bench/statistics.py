"""Means with 95 % bootstrap intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

RESAMPLES = 4000


class Interval(NamedTuple):
    """A mean and its 95 % confidence interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def mean_interval(values: np.ndarray | list) -> Interval:
    """The mean over cases. values: [cases] or [seeds, cases]; NaN marks values that do not apply.

    Seeds of one case are averaged first, because only the cases are independent samples.
    """
    table = np.atleast_2d(np.asarray(values, float))
    table = table[:, ~np.isnan(table).all(0)]
    if not table.size:
        return Interval(float("nan"), float("nan"), float("nan"))
    per_case = np.nanmean(table, 0)
    draws = np.random.default_rng(0).integers(len(per_case), size=(RESAMPLES, len(per_case)))
    low, high = np.percentile(per_case[draws].mean(1), [2.5, 97.5])
    return Interval(float(per_case.mean()), float(low), float(high))


def paired_gain(values: np.ndarray | list, base: np.ndarray | list) -> Interval:
    """The mean difference between `values` and `base`, paired by case and seed: both [cases] or [seeds, cases]."""
    return mean_interval(np.asarray(values, float) - np.asarray(base, float))
