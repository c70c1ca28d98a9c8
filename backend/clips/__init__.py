"""Clips: video files and folders of frames in and out, sizes, tensors, and the shot's own frame grid.

A clip's frames are uint8 RGB `[n, H, W, 3]` everywhere outside a model.
"""

from .in_betweening import in_between
from .pictures import read_picture, write_frames, write_pictures
from .reading import Clip, Source, examine, read_clip
from .sizes import fit
from .tensors import to_frames, to_pixels
from .writing import write_video

__all__ = [
    "Clip",
    "Source",
    "examine",
    "fit",
    "in_between",
    "read_clip",
    "read_picture",
    "to_frames",
    "to_pixels",
    "write_frames",
    "write_pictures",
    "write_video",
]
