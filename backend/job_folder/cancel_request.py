"""A request to stop a job, left in its folder for a worker that nobody can talk to any more. Standard library only.

The Blender that started the worker is gone; the one that opens the file now sees the folder alone.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from .reading import read_json
from .writing import is_link, remove_parts, write_json

NAME, MOST_BYTES = "cancel.json", 100
CONTENT = {"cancel": True}  # anything else is no request


def request_cancel(folder: Path) -> None:
    """The worker that holds the folder stops the job at its next step, or does not begin it. OSError."""
    write_json(folder / NAME, CONTENT)


def cancel_requested(folder: Path) -> bool:
    """Whether there is such a request. A link, a pipe, or a file with other content is none."""
    path = folder / NAME
    try:
        content = None if is_link(path) else read_json(path, MOST_BYTES)
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.keys() == CONTENT.keys() and content["cancel"] is True


def forget_request(folder: Path) -> None:
    """A request is for one run of the job only."""
    with suppress(OSError):
        (folder / NAME).unlink()
    remove_parts(folder, (NAME,))
