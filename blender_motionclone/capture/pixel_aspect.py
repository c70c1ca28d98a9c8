"""The shape of a capture's pixels. Without bpy."""

from __future__ import annotations


def pixel_aspect(aspect: float, size: tuple[int, int]) -> tuple[float, float]:
    """(x, y), the smaller 1: the pixels' shape that makes a picture of `size` (H, W) show exactly `aspect`.

    So the reference clip holds the camera's whole frame and nothing else, and its result, stretched over the frame,
    lies on the shot pixel by pixel.
    """
    height, width = size
    stretch = aspect * height / width
    return (stretch, 1.0) if stretch >= 1 else (1.0, 1 / stretch)
