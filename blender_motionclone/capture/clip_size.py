"""The size a shot is rendered at for a model. Without bpy."""

from __future__ import annotations

import math


def clip_size(aspect: float, area: int, multiple: int) -> tuple[int, int]:
    """(H, W) in pixels: multiples of `multiple`, H * W about `area`, W / H about `aspect`.

    aspect: width / height of the picture as it is shown, pixel aspect included.
    The same rule as backend/clips/sizes.py: misses count as ratios, the aspect's twice, and the area is exceeded by a
    fifth at most. What is left of the aspect error is taken up by the pixels, see `pixel_aspect`.
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


def pixel_aspect(aspect: float, size: tuple[int, int]) -> tuple[float, float]:
    """(x, y), the smaller 1: the pixels' shape that makes a picture of `size` (H, W) show exactly `aspect`.

    So the reference clip holds the camera's whole frame and nothing else, and its result, stretched over the frame,
    lies on the shot pixel by pixel.
    """
    height, width = size
    stretch = aspect * height / width
    return (stretch, 1.0) if stretch >= 1 else (1.0, 1 / stretch)
