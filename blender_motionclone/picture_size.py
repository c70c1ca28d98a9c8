"""How large a picture is, from its header: known before Blender unpacks it into the memory. Without bpy."""

from __future__ import annotations

from pathlib import Path

from ..backend.job_folder import pictures
from ..backend.job_folder.reading import check_regular, open_regular
from ..backend.job_folder.writing import is_link

MOST_BYTES, MOST_SIDE = 64_000_000, 4096  # of a picture that a job has made


def picture_size(path: Path) -> tuple[int, int] | None:
    """(height, width) of a PNG or JPEG; None for another kind of file. OSError."""
    with open_regular(path) as file:
        size = pictures.picture_size(file)
    return size and (size[1], size[0])


def reads_quickly(path: Path) -> bool:
    """Whether it is a picture that Blender reads in a moment: it may lie in a folder from somebody else."""
    try:
        check_regular(path, MOST_BYTES)
        size = picture_size(path)
    except OSError:
        return False
    return size is not None and all(0 < side <= MOST_SIDE for side in size) and not is_link(path)
