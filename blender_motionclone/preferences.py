"""Preferences > Add-ons > MotionClone, and what follows from them when they are left empty."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import bpy

from ..backend.wire.folders import data_folder
from .errors import UserError
from .setup.interpreter import find_interpreter

ROOT_PACKAGE = __package__.rpartition(".")[0]
EXTENSION_ROOT = Path(__file__).parents[1]


class MotionClonePreferences(bpy.types.AddonPreferences):
    bl_idname = ROOT_PACKAGE

    backend_folder: bpy.props.StringProperty(
        name="Backend Folder",
        description="Where the backend is installed. Empty: the user's folder for application data",
        subtype="DIR_PATH",
    )
    backend_python: bpy.props.StringProperty(
        name="Backend Python",
        description="The Python that runs the backend, if it was not installed from here. Empty: the installed one",
        subtype="FILE_PATH",
    )
    wheels_folder: bpy.props.StringProperty(
        name="Offline Packages",
        description="A folder that `python3 -m install wheels` filled: installing then needs no internet",
        subtype="DIR_PATH",
    )
    jobs_folder: bpy.props.StringProperty(
        name="Jobs Folder",
        description="Where jobs and their results are kept. Empty: the user's folder for application data",
        subtype="DIR_PATH",
    )
    worker_command: bpy.props.StringProperty(
        name="Worker Command",
        description="What starts the worker on another machine, as: ssh render 'cd motionclone; python -m backend "
        "serve'. Empty: the backend on this machine",
    )
    worker_is_remote: bpy.props.BoolProperty(
        name="Send Files",
        description="The worker does not see this machine's folders: jobs are sent to it and results fetched",
        default=True,
    )

    first_run_hidden: bpy.props.BoolProperty(
        name="Hide First Steps", description="Do not show the way to the first clip in the sidebar"
    )
    models_shown: bpy.props.BoolProperty(name="Models", description="Show the models that can be had")

    def draw(self, context: bpy.types.Context) -> None:
        from .panels.preferences_page import draw_page  # it shows what others know, and they read the preferences

        draw_page(self.layout, context, self)


def backend_python(context: bpy.types.Context) -> Path:
    """The backend's interpreter; UserError when there is none."""
    return find_interpreter(_chosen_path(context, "backend_python"), os.environ, backend_folders(context))


def backend_folders(context: bpy.types.Context) -> tuple[Path, ...]:
    """Where an installed backend may be: the chosen folder alone, else a checkout's own and the user's."""
    chosen = _chosen_path(context, "backend_folder")
    return (Path(chosen),) if chosen else (EXTENSION_ROOT / ".venv", data_folder() / "venv")


def jobs_folder(context: bpy.types.Context) -> Path:
    chosen = _chosen_path(context, "jobs_folder")
    return Path(chosen) if chosen else data_folder() / "jobs"


def worker_command(context: bpy.types.Context) -> list[str]:
    """What starts the worker: the preference, else the backend on this machine. UserError when it cannot be that."""
    text = _chosen(context, "worker_command")
    try:
        command = shlex.split(text)
    except ValueError as error:
        hint = "Correct it in Preferences > Add-ons > MotionClone."
        raise UserError(f"The preference Worker Command cannot be read: {error}.", hint) from None
    return command or [str(backend_python(context)), "-m", "backend", "serve"]


def worker_is_remote(context: bpy.types.Context) -> bool:
    """Whether job folders must be sent to the worker."""
    return bool(_chosen(context, "worker_command").strip() and _chosen(context, "worker_is_remote"))


def first_run_is_hidden(context: bpy.types.Context) -> bool:
    return bool(_chosen(context, "first_run_hidden"))


def hide_first_run(context: bpy.types.Context) -> None:
    if addon := context.preferences.addons.get(ROOT_PACKAGE):
        addon.preferences.first_run_hidden = True


def show_models(context: bpy.types.Context) -> None:
    """Unfolds them in the preferences."""
    if addon := context.preferences.addons.get(ROOT_PACKAGE):
        addon.preferences.models_shown = True


def install_options(context: bpy.types.Context, wheels: bool = True) -> list[str]:
    """What the preferences say to `python -m install`. wheels: whether the command takes a folder of packages."""
    folder = _chosen_path(context, "backend_folder")
    where = ["--where", folder] if folder else []
    return [*where, *wheels_options(context)] if wheels else where


def wheels_options(context: bpy.types.Context) -> list[str]:
    packages = _chosen_path(context, "wheels_folder")
    return ["--wheels", packages] if packages else []


def _chosen_path(context: bpy.types.Context, name: str) -> str:
    """Absolute, or empty."""
    value = _chosen(context, name)
    return bpy.path.abspath(value) if value else ""


def _chosen(context: bpy.types.Context, name: str):
    """Scripts may register the package without enabling it as an add-on: nothing is chosen then."""
    addon = context.preferences.addons.get(ROOT_PACKAGE)
    return getattr(addon.preferences, name) if addon else ""


register, unregister = bpy.utils.register_classes_factory((MotionClonePreferences,))
