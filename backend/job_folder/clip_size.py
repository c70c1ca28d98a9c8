"""The size that a clip of a given shape gets for a model. Standard library only."""

from __future__ import annotations

import math


def clip_size(aspect: float, area: int, multiple: int) -> tuple[int, int]:
    """(H, W) in pixels: multiples of `multiple`, H * W about `area`, W / H about `aspect`.

    aspect: width / height of the picture as it is shown, pixel aspect included. Misses count as ratios, the aspect's
    twice; the area is exceeded by a fifth at most, for memory's sake: 4096 with multiple 16 gives a 16:9 shot (48, 80).
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
