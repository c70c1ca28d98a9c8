"""Preferences > Add-ons > MotionClone, and what follows from them when they are left empty."""

from __future__ import annotations

import os
from pathlib import Path

import bpy

from ..backend.wire.folders import data_folder
from .interpreter import find_interpreter

ROOT_PACKAGE = __package__.rpartition(".")[0]
EXTENSION_ROOT = Path(__file__).parents[1]


class MotionClonePreferences(bpy.types.AddonPreferences):
    bl_idname = ROOT_PACKAGE

    backend_python: bpy.props.StringProperty(
        name="Backend Python",
        description="The Python that runs the backend, as `python3 -m install python` prints it. Empty: look for it",
        subtype="FILE_PATH",
    )
    jobs_folder: bpy.props.StringProperty(
        name="Jobs Folder",
        description="Where jobs and their results are kept. Empty: the user's folder for application data",
        subtype="DIR_PATH",
    )

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.prop(self, "backend_python")
        self.layout.prop(self, "jobs_folder")


def backend_python(context: bpy.types.Context) -> Path:
    """The backend's interpreter; UserError when there is none."""
    places = (EXTENSION_ROOT / ".venv", data_folder() / "venv")
    return find_interpreter(_chosen(context, "backend_python"), os.environ, places)


def jobs_folder(context: bpy.types.Context) -> Path:
    chosen = _chosen(context, "jobs_folder")
    return Path(chosen) if chosen else data_folder() / "jobs"


def _chosen(context: bpy.types.Context, name: str) -> str:
    """Absolute, or empty. Scripts may register the package without enabling it as an add-on: nothing is chosen then."""
    addon = context.preferences.addons.get(ROOT_PACKAGE)
    value = getattr(addon.preferences, name) if addon else ""
    return bpy.path.abspath(value) if value else ""


register, unregister = bpy.utils.register_classes_factory((MotionClonePreferences,))
