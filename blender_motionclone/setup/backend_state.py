"""Whether a backend is there, told from its files alone: looking at them takes no process. Without bpy.

install/state.py writes what is read here; a test holds the two together.
"""

from __future__ import annotations

from pathlib import Path

from ...backend.job_folder.reading import read_json
from .interpreter import python_of

MISSING, UNFINISHED, READY = "missing", "unfinished", "ready"
STATE_FILE = "motionclone.json"
MOST_BYTES = 1_000_000  # of it
LAYERS = ("torch", "backend")


def backend_state(environment: Path) -> str:
    """MISSING; UNFINISHED when an installation was interrupted; else READY. An environment that was made by hand has
    no state file: it is READY when its interpreter is there."""
    if not environment.is_dir():
        return MISSING
    try:
        content = read_json(environment / STATE_FILE, MOST_BYTES)
        whole = not content["installing"] and all(layer in content["layers"] for layer in LAYERS)
    except FileNotFoundError:
        return READY if python_of(environment).is_file() else MISSING
    except (OSError, ValueError, KeyError, TypeError):
        return UNFINISHED
    return READY if whole and python_of(environment).is_file() else UNFINISHED
