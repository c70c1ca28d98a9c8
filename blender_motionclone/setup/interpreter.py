"""Which Python runs the backend, the environment variables it gets, and whether the backend is installed. Without bpy.

install/state.py writes the file that is read here; a test keeps both consistent.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...backend.job_folder.folders import DATA, data_folder
from ...backend.job_folder.problem import Problem
from ...backend.job_folder.reading import read_json

ROOT = Path(__file__).resolve().parents[2]
# The working directory of our processes. Windows cannot rename or remove a process's working directory, such as
# the extension's folder when it is updated while a job runs.
WORKING = Path(ROOT.anchor)
VARIABLE = "MOTIONCLONE_BACKEND_PYTHON"
HINT = (
    "Install it with the button in MotionClone's tab or with `python3 -m install backend`, or "
    "choose its Python in Preferences > Add-ons > MotionClone > Backend Python."
)
MISSING, UNFINISHED, READY = "missing", "unfinished", "ready"
STATE_FILE = "motionclone.json"
MAX_BYTES = 1_000_000  # of the file
LAYERS = ("torch", "backend")


def find_interpreter(chosen: str, environment: Mapping[str, str], environments: Iterable[Path]) -> Path:
    """The user's choice, or else $MOTIONCLONE_BACKEND_PYTHON, or else the first of `environments` that exists.

    A choice that does not exist is an error, because using another Python than the chosen one would be confusing.
    """
    for source, path in (("The preference Backend Python", chosen), (VARIABLE, environment.get(VARIABLE, ""))):
        if path:
            if not Path(path).is_file():
                raise Problem("{source} is set to {path}, which is not a file.", HINT).about(source=source, path=path)
            return Path(path)
    for python in map(python_of, environments):
        if python.is_file():
            return python
    raise Problem("MotionClone's backend is not installed: no Python environment for it was found.", HINT)


def python_of(environment: Path) -> Path:
    """The Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def child_environment(environment: Mapping[str, str], root: Path) -> dict[str, str]:
    """Removes Blender's own Python settings, which would make the backend import Blender's modules, and sets UTF-8.
    root: the extension's folder with our modules; modules are not imported from the working directory."""
    kept = {k: v for k, v in environment.items() if not k.startswith("PYTHON") and k != "__PYVENV_LAUNCHER__"}
    if kept.get(DATA):
        kept[DATA] = str(data_folder())  # absolute, because our processes use another working directory
    ours = {"PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}
    return kept | ours | {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


def current_environment() -> dict[str, str]:
    return child_environment(os.environ, ROOT)


def backend_state(environment: Path) -> str:
    """MISSING; UNFINISHED when an installation was interrupted; else READY. An environment that was made by hand has no
    state file: it is READY when its Python exists."""
    if not environment.is_dir():
        return MISSING
    try:
        content = read_json(environment / STATE_FILE, MAX_BYTES)
        whole = not content["installing"] and all(layer in content["layers"] for layer in LAYERS)
    except FileNotFoundError:
        return READY if python_of(environment).is_file() else MISSING
    except (OSError, ValueError, KeyError, TypeError):
        return UNFINISHED
    return READY if whole and python_of(environment).is_file() else UNFINISHED
