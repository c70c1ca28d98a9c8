"""A picture as it was rendered, read by Blender."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np


def read_picture(path: Path) -> np.ndarray:
    """float32 RGB [H, W, 3] of 0..1 as stored in the file."""
    image = bpy.data.images.load(str(path), check_existing=False)
    try:
        image.colorspace_settings.is_data = True
        width, height = image.size
        values = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(values)
    finally:
        bpy.data.images.remove(image)
    return values.reshape(height, width, 4)[::-1, :, :3]
