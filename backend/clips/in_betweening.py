"""Motion-compensated frame interpolation, from the few frames of a model to the frames of the shot."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .optical_flow import dense_flow, to_gray, working_size

MIN_AREA = 256 * 256  # pixels: flow is measured on frames enlarged to at least this area
SAME = 6.0, 0.5  # pixels, and share of the flow: a neighbor whose flow is off by more than the other's is hidden there
RETURN = 3.0, 0.2  # pixels, and share of the flow, that a way there and back may miss by and still be trusted
FADING = 1.5  # pixels beyond SAME by which a hidden neighbor's weight falls to a third
LEAST_KNOWN = 1e-3  # weight; flow that is known less comes from the surroundings
BRIGHTNESS = 12.0  # gray levels that may change along the flow
CONFIDENT = 0.1  # the least confidence with which a flow is used


def in_between(frames: np.ndarray, count: int, times: Sequence[float] | None = None) -> np.ndarray:
    """Interpolates frames [n, H, W, 3] to [count, H, W, 3], uint8, evenly spaced in time.

    The first and the last frame stay the first and the last; with count 1 only the first stays. times: ascending times
    of the frames; evenly spaced if not given.

    A frame at the time of a given frame is that frame, unchanged. Other frames are warped along the optical flow from
    both neighbors. A neighbor does not count where only its flow disagrees: the surface is hidden there. Where both
    flows disagree, as where a subject disappears, the neighbors are cross-faded.
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
            pair, index = _FramePair(frames[left], frames[left + 1]), left
        assert pair is not None
        out.append(pair.at(float(share)))
    return np.stack(out)


class _FramePair:
    """Two neighboring frames and the optical flow between them in both directions, on the flow's grid [h, w]."""

    def __init__(self, first: np.ndarray, second: np.ndarray):
        self.first, self.second = first.astype(np.float32), second.astype(np.float32)
        height, width = first.shape[:2]
        self.size = working_size(height, width, max(MIN_AREA, height * width))
        a, b = to_gray(np.stack([first, second]), self.size)
        forward, backward = dense_flow(a, b), dense_flow(b, a)
        self.confidence = _confidence(a, b, forward, backward), _confidence(b, a, backward, forward)
        self.forward, self.backward = map(_trusted, (forward, backward), self.confidence)
        # Rounding up at another value in each pixel: slow changes would all happen midway between the frames otherwise.
        self.rounding = np.random.default_rng(0).uniform(0.1, 0.9, (height, width, 1)).astype(np.float32)

    def at(self, share: float) -> np.ndarray:
        """Returns the frame at `share` 0..1 of the time between them."""
        flow = self._flow_at(share)
        off_in_first = _distance(_warp(self.forward, -share * flow), flow)
        off_in_second = _distance(-_warp(self.backward, (1 - share) * flow), flow)
        hidden, tolerance = off_in_first - off_in_second, SAME[0] + SAME[1] * np.linalg.norm(flow, axis=-1)
        in_first = np.exp(-np.maximum(0, hidden - tolerance) / FADING)
        in_second = np.exp(-np.maximum(0, -hidden - tolerance) / FADING)
        weights = np.stack([(1 - share) * in_first, share * in_second]) + 1e-4
        weights /= weights.sum(0)
        height, width = self.first.shape[:2]
        flow = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) * (height / self.size[0])
        mix = cv2.resize(weights[0].astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)[..., None]
        frame = mix * _warp(self.first, -share * flow) + (1 - mix) * _warp(self.second, (1 - share) * flow)
        return np.clip(frame + self.rounding, 0, 255).astype(np.uint8)

    def _flow_at(self, share: float) -> np.ndarray:
        """The flow [h, w, 2] from first to second at this time: both flows splatted to it, with the gaps filled."""
        total, weight = _splat(self.forward, share * self.forward, self.confidence[0] * (1 - share))
        more, other = _splat(-self.backward, (1 - share) * self.backward, self.confidence[1] * share)
        total, weight = total + more, weight + other
        return _filled(total, weight)


def _confidence(a: np.ndarray, b: np.ndarray, forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """How far the flow from a to b can be trusted, 0..1 [h, w]: the brightness stays the same along it, and the flow
    back returns to where it began."""
    missed = _distance(-_warp(backward, forward), forward) / (RETURN[0] + RETURN[1] * np.linalg.norm(forward, axis=-1))
    return np.exp(-_brightness_error(a, b, forward) / BRIGHTNESS - missed**2)


def _trusted(flow: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """The flow [h, w, 2], with that of the surroundings where it cannot be trusted."""
    weight = np.where(confidence > CONFIDENT, confidence, 0).astype(np.float32)
    return np.where(weight[..., None] > 0, flow, _filled(flow * weight[..., None], weight))


def _filled(total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The means [h, w, 2] of weighted sums [h, w, 2] and weights [h, w]; where little is known, those of the
    surroundings."""
    sums, known, sigma = total.copy(), weight.copy(), 1.0
    while (known < LEAST_KNOWN).any() and sigma < max(weight.shape):
        sigma *= 2
        blurred = cv2.GaussianBlur(np.dstack([total, weight]), (0, 0), sigma)
        gap = known < LEAST_KNOWN
        sums[gap], known[gap] = blurred[gap, :2], blurred[gap, 2]
    return (sums / np.maximum(known, 1e-12)[..., None]).astype(np.float32)


def _splat(values: np.ndarray, shift: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splats values [h, w, 2] along shift [h, w, 2] in pixels; returns their weighted sum and the sum of weights."""
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


def _warp(image: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Samples the image at each pixel plus shift [h, w, 2] in pixels; border pixels are repeated outside."""
    h, w = shift.shape[:2]
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
    return cv2.remap(image, xs + shift[..., 0], ys + shift[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a - b, axis=-1)


def _brightness_error(a: np.ndarray, b: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The absolute change [h, w] of the gray level, 0..255, along the flow."""
    return np.abs(a.astype(np.float32) - _warp(b.astype(np.float32), flow))
