"""The size a shot is rendered at for a model. Without bpy."""

from __future__ import annotations

from math import ceil, floor, log


def clip_size(aspect: float, area: int, multiple: int) -> tuple[int, int]:
    """(H, W) in pixels: multiples of `multiple`, H * W about `area`, W / H about `aspect`.

    aspect: width / height of the picture as it is shown, pixel aspect included.
    Misses count in octaves: the size with the least |log aspect error| + |log area error| wins; of equals the one
    nearer to the aspect. What is left of the aspect error is taken up by the pixels, see `pixel_aspect`.
    """
    if aspect <= 0 or area <= 0 or multiple <= 0:
        raise ValueError(f"aspect {aspect}, area {area} and multiple {multiple} must lie above 0")
    cells = area / multiple**2

    def cost(size: tuple[int, int]) -> tuple[float, float]:
        rows, columns = size
        aspect_error = abs(log(columns / rows / aspect))
        return round(aspect_error + abs(log(rows * columns / cells)), 9), aspect_error

    rows, columns = min(_sizes(aspect, cells), key=cost)
    return rows * multiple, columns * multiple


def _sizes(aspect: float, cells: float) -> list[tuple[int, int]]:
    """(rows, columns) worth a look: for a number of rows the cost bends only at the exact aspect and the exact area."""
    most_rows = ceil(2 * cells)
    return [
        (rows, max(1, rounded(exact)))
        for rows in range(1, most_rows + 1)
        for exact in (rows * aspect, cells / rows)
        for rounded in (floor, ceil)
    ]


def pixel_aspect(aspect: float, size: tuple[int, int]) -> tuple[float, float]:
    """(x, y), the smaller 1: the pixels' shape that makes a picture of `size` (H, W) show exactly `aspect`.

    So the reference clip holds the camera's whole frame and nothing else, and its result, stretched over the frame,
    lies on the shot pixel by pixel.
    """
    height, width = size
    stretch = aspect * height / width
    return (stretch, 1.0) if stretch >= 1 else (1.0, 1 / stretch)
