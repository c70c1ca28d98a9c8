"""Clips: reads and writes video files and folders of frames, resizes them, and interpolates frames.

Outside a model the frames of a clip are always uint8 RGB [n, H, W, 3].
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
