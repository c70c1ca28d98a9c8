"""Chooses the size of a clip for a model. Standard library only."""

from __future__ import annotations

import math


def clip_size(aspect: float, area: int, multiple: int) -> tuple[int, int]:
    """Returns (H, W) in pixels: multiples of `multiple`, with H * W close to `area` and W / H close to `aspect`.

    aspect: width / height of the displayed picture, pixel aspect included. Deviations are compared as ratios, and the
    aspect counts twice. The area is exceeded by at most 20 %, to limit memory. Example: area 4096 and multiple 16 give
    (48, 80) for a 16:9 shot. Raises ValueError unless all arguments are positive.
    """
    if aspect <= 0 or area <= 0 or multiple <= 0:
        raise ValueError(f"aspect {aspect}, area {area} and multiple {multiple} must lie above 0")
    cells = area / multiple**2
    rows, columns = (range(1, math.ceil(2 * math.sqrt(side)) + 1) for side in (cells / aspect, cells * aspect))
    allowed = [(h, w) for h in rows for w in columns if h * w <= 1.2 * cells] or [(1, 1)]

    def misfit(size: tuple[int, int]) -> float:
        h, w = size
        return 2 * abs(math.log(w / h / aspect)) + abs(math.log(h * w / cells))

    h, w = min(allowed, key=misfit)
    return h * multiple, w * multiple
