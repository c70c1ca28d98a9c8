"""From a model's few frames to the shot's own frame grid, by motion-compensated in-betweens."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .optical_flow import dense_flow, to_gray, working_size

SMALLEST_AREA = 256 * 256  # pixels: flow is measured on frames enlarged to at least this
AGREEMENT = 1.5  # px of the flow's grid: how far two flows may differ and still mean the same surface


def in_between(frames: np.ndarray, count: int, times: Sequence[float] | None = None) -> np.ndarray:
    """uint8 [n, H, W, 3] -> [count, H, W, 3], evenly in time: first on first, last on last (count 1: the first).

    times: when each frame is shown, rising; None: evenly. Frames whose times coincide are the given ones, untouched.
    Others are moved along the flow between their two neighbours, from both sides, each side counting only where its own
    flow agrees that the surface is there.
    """
    wanted = np.linspace(0, len(frames) - 1, count)
    if times is not None:
        wanted = np.interp(np.linspace(times[0], times[-1], count), times, np.arange(len(frames)))
    out: list[np.ndarray] = []
    pair, index = None, -1
    for time in wanted:
        left = min(int(time + 1e-6), len(frames) - 1)
        share = time - left
        if abs(share) < 1e-6:
            out.append(frames[left])
            continue
        if left != index:
            pair, index = _Pair(frames[left], frames[left + 1]), left
        assert pair is not None
        out.append(pair.at(float(share)))
    return np.stack(out)


class _Pair:
    """Two neighbouring frames and the flow between them, both ways, on the flow's grid [h, w]."""

    def __init__(self, first: np.ndarray, second: np.ndarray):
        self.first, self.second = first.astype(np.float32), second.astype(np.float32)
        height, width = first.shape[:2]
        self.size = working_size(height, width, max(SMALLEST_AREA, height * width))
        a, b = to_gray(np.stack([first, second]), self.size)
        self.forth, self.back = dense_flow(a, b), dense_flow(b, a)
        # What a pixel looks like at the other end: a poor match must not push a good one aside.
        self.trust = [np.exp(-_change(a, b, self.forth) / 12), np.exp(-_change(b, a, self.back) / 12)]

    def at(self, share: float) -> np.ndarray:
        """The frame between them, share 0..1 of the way."""
        speed = self._speed(share)
        here = np.exp(-_distance(_follow(self.forth, -share * speed), speed) / AGREEMENT)
        there = np.exp(-_distance(-_follow(self.back, (1 - share) * speed), speed) / AGREEMENT)
        weights = np.stack([(1 - share) * here, share * there]) + 1e-4
        weights /= weights.sum(0)
        height, width = self.first.shape[:2]
        speed = cv2.resize(speed, (width, height), interpolation=cv2.INTER_AREA) * (height / self.size[0])
        mix = cv2.resize(weights[0].astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)[..., None]
        frame = mix * _follow(self.first, -share * speed) + (1 - mix) * _follow(self.second, (1 - share) * speed)
        return np.clip(frame + 0.5, 0, 255).astype(np.uint8)

    def _speed(self, share: float) -> np.ndarray:
        """Flow per pair [h, w, 2] at that moment: both frames' flows carried to it, gaps filled from around them."""
        total, weight = _splat(self.forth, share * self.forth, self.trust[0] * (1 - share))
        more, other = _splat(-self.back, (1 - share) * self.back, self.trust[1] * share)
        total, weight = total + more, weight + other
        reach = 1.0
        speed, known = total.copy(), weight.copy()
        while (known < 1e-3).any() and reach < max(self.size):
            reach *= 2
            wide = cv2.GaussianBlur(np.dstack([total, weight]), (0, 0), reach)
            gap = known < 1e-3
            speed[gap], known[gap] = wide[gap, :2], wide[gap, 2]
        return (speed / np.maximum(known, 1e-12)[..., None]).astype(np.float32)


def _splat(values: np.ndarray, shift: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Carries values [h, w, 2] along shift [h, w, 2] px; returns their weighted sum and the weights that arrived."""
    h, w = weight.shape
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
    x, y = xs + shift[..., 0], ys + shift[..., 1]
    left, top = np.floor(x), np.floor(y)
    total, arrived = np.zeros((h * w, 2)), np.zeros(h * w)
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = left + dx, top + dy
            part = weight * (1 - np.abs(x - column)) * (1 - np.abs(y - row))
            inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
            target = (row[inside] * w + column[inside]).astype(np.int64)
            arrived += np.bincount(target, part[inside], h * w)
            for k in range(2):
                total[:, k] += np.bincount(target, (part * values[..., k])[inside], h * w)
    return total.reshape(h, w, 2).astype(np.float32), arrived.reshape(h, w).astype(np.float32)


def _follow(image: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The image looked up at each place plus shift [h, w, 2] px; the edge goes on outside."""
    h, w = shift.shape[:2]
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
    return cv2.remap(image, xs + shift[..., 0], ys + shift[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a - b, axis=-1)


def _change(a: np.ndarray, b: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """How grey level [h, w] changes along the flow, 0..255."""
    return np.abs(a.astype(np.float32) - _follow(b.astype(np.float32), flow))
