"""The checkout as the package that Blender makes of it, so that the add-on's relative imports work outside Blender."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
NAME = "motionclone_extension"


def part(name: str) -> ModuleType:
    """part("jobs.job_queue"): a module of the add-on that needs no bpy; part("backend.wire.client"): one it shares."""
    if NAME not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            NAME, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        assert spec is not None
        sys.modules[NAME] = importlib.util.module_from_spec(spec)
    room = "" if name.startswith("backend.") else "blender_motionclone."
    return importlib.import_module(f"{NAME}.{room}{name}")
