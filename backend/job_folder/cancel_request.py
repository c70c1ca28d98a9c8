"""A request to cancel a job, left in its folder for a worker that cannot be reached otherwise. Standard library only.

The Blender that started the worker has exited, and the one that opens the file now has access only to the folder.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from .reading import read_json
from .writing import is_link, remove_parts, write_json

NAME, MAX_BYTES = "cancel.json", 100
CONTENT = {"cancel": True}  # any other content is ignored


def request_cancel(folder: Path) -> None:
    """Asks the worker that holds the folder to stop the job at its next step, or not to start it. Raises OSError."""
    write_json(folder / NAME, CONTENT)


def cancel_requested(folder: Path) -> bool:
    """Whether the folder contains a valid request. Links, pipes and files with other content are ignored."""
    path = folder / NAME
    try:
        content = None if is_link(path) else read_json(path, MAX_BYTES)
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.keys() == CONTENT.keys() and content["cancel"] is True


def forget_request(folder: Path) -> None:
    """Removes the request, which is for one run of the job only."""
    with suppress(OSError):
        (folder / NAME).unlink()
    remove_parts(folder, (NAME,))
