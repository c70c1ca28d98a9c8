"""Which Python runs the backend, what it may inherit from Blender, and whether the backend is installed. Without bpy.

install/state.py writes the file that is read here; a test holds the two together.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...backend.job_folder.folders import DATA, data_folder
from ...backend.job_folder.reading import read_json
from ..errors import UserError

ROOT = Path(__file__).resolve().parents[2]
# Where what we start works: Windows neither renames nor removes a folder that somebody works in, such as the
# extension's when it is updated while a job runs.
WORKING = Path(ROOT.anchor)
VARIABLE = "MOTIONCLONE_BACKEND_PYTHON"
HINT = (
    "Install it with the button in MotionClone's tab or with `python3 -m install backend`, or name its Python in "
    "Preferences > Add-ons > MotionClone > Backend Python."
)


def find_interpreter(chosen: str, environment: Mapping[str, str], environments: Iterable[Path]) -> Path:
    """The user's choice, else $MOTIONCLONE_BACKEND_PYTHON, else the first of `environments` that exists.

    A choice that does not exist is an error: another interpreter than the chosen one would be a riddle.
    """
    for source, path in (("The preference Backend Python", chosen), (VARIABLE, environment.get(VARIABLE, ""))):
        if path:
            if not Path(path).is_file():
                raise UserError(f"{source} names {path}, which is no file.", HINT)
            return Path(path)
    for python in map(python_of, environments):
        if python.is_file():
            return python
    raise UserError("MotionClone's backend is not installed: no Python environment for it was found.", HINT)


def python_of(environment: Path) -> Path:
    """A virtual environment's interpreter."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def child_environment(environment: Mapping[str, str], root: Path) -> dict[str, str]:
    """Without Blender's own Python settings, which would lead the backend to Blender's modules; UTF-8 everywhere. root:
    the extension's folder, where our modules are; the working directory is none for modules."""
    kept = {k: v for k, v in environment.items() if not k.startswith("PYTHON") and k != "__PYVENV_LAUNCHER__"}
    if kept.get(DATA):
        kept[DATA] = str(data_folder())  # absolute: what we start works elsewhere
    ours = {"PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}
    return kept | ours | {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


def current_environment() -> dict[str, str]:
    return child_environment(os.environ, ROOT)


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
