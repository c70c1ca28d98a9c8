"""What is set in Preferences > Add-ons > MotionClone, with defaults for empty values."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import bpy

from ..backend.job_folder.folders import data_folder
from ..backend.job_folder.problem import Problem
from .declarations import Operators
from .setup.backend_call import backend_command, words_of
from .setup.interpreter import find_interpreter

ROOT_PACKAGE = __package__.rpartition(".")[0]
EXTENSION_ROOT = Path(__file__).parents[1]
FINISH_ALL, FINISH_RUNNING, STOP = "ALL", "RUNNING", "STOP"
WHEN_CLOSING = (
    (FINISH_ALL, "Finish All Takes", "The worker finishes the running take and all waiting ones, then quits"),
    (FINISH_RUNNING, "Finish the Running Take", "The worker finishes the running take. Waiting ones are kept"),
    (STOP, "Stop", "The worker stops at its next step. All takes are kept, and the running one continues from there"),
)
PATHS = {
    "backend_folder": "Backend Folder",
    "backend_python": "Backend Python",
    "wheels_folder": "Offline Packages",
    "jobs_folder": "Jobs Folder",
}
ALLOW_ONLINE = "allow_online"  # a repair without an operator: Blender's own setting is drawn instead


def backend_python(context: bpy.types.Context) -> Path:
    """The backend's Python. Problem when there is none."""
    return find_interpreter(_chosen_path(context, "backend_python"), os.environ, backend_folders(context))


def backend_folders(context: bpy.types.Context) -> tuple[Path, ...]:
    """Where an installed backend can be: the chosen folder only, or else those of a checkout and of the user. Problem
    for a relative path."""
    chosen = _chosen_path(context, "backend_folder")
    return (Path(chosen),) if chosen else (EXTENSION_ROOT / ".venv", default_backend_folder())


def default_backend_folder() -> Path:
    """Where the backend is installed if no folder is chosen."""
    return data_folder() / "venv"


def jobs_folder(context: bpy.types.Context) -> Path:
    """Where new jobs go. Problem for a relative path."""
    chosen = _chosen_path(context, "jobs_folder")
    return Path(chosen) if chosen else default_jobs_folder()


def default_jobs_folder() -> Path:
    """Where jobs go if no folder is chosen."""
    return data_folder() / "jobs"


def path_problem(context: bpy.types.Context) -> Problem | None:
    """What is wrong with the first invalid path in the preferences."""
    for name in PATHS:
        try:
            _chosen_path(context, name)
        except Problem as error:
            return error
    return None


def usable_jobs_folder(context: bpy.types.Context) -> Path:
    """The folder for new jobs. Problem when removing the backend would also remove the jobs."""
    folder = jobs_folder(context)
    for backend in backend_folders(context):
        if folder.resolve().is_relative_to(backend.resolve()):
            raise Problem(
                "The Jobs Folder {folder} is inside the backend's folder {backend}.",
                "Removing the backend would also remove the jobs. Choose another Jobs Folder in Preferences > "
                "Add-ons > MotionClone.",
            ).about(folder=folder, backend=backend)
    return folder


def worker_command(context: bpy.types.Context) -> list[str]:
    """How to start the worker: the preference, or else the backend on this machine. Problem when neither can be
    used."""
    text = _chosen(context, "worker_command")
    try:
        command = words_of(text)
    except ValueError as error:
        hint = "Correct it in Preferences > Add-ons > MotionClone."
        raise Problem("The preference Worker Command cannot be read: {reason}.", hint).about(reason=error) from None
    if command:
        return [_program(command[0]), *command[1:]]
    return [str(backend_python(context)), "-m", "backend", "serve"]


def _program(name: str) -> str:
    """The full path of a program. Windows would first look in Blender's working directory, which may be the folder of a
    stranger's .blend, so only the folders of PATH are searched."""
    hint = "Correct it in Preferences > Add-ons > MotionClone."
    if os.path.dirname(name):
        if not Path(name).is_absolute():
            raise Problem("The preference Worker Command starts with {name}, which is a relative path.", hint).about(
                name=name
            )
        return name
    if sys.platform != "win32":
        return name
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if Path(folder).is_absolute()]
    found = next(filter(None, (shutil.which(os.path.join(folder, name)) for folder in folders)), None)
    if found is None:
        raise Problem("The program {name} of the preference Worker Command was not found.", hint).about(name=name)
    return found


def worker_is_remote(context: bpy.types.Context) -> bool:
    """Whether job folders have to be sent to the worker."""
    return bool(_chosen(context, "worker_command").strip() and _chosen(context, "worker_is_remote"))


def clip_command(context: bpy.types.Context) -> Callable[[Sequence[str]], list[str]]:
    """Returns a function that gives the command line for calling the backend on this machine with such arguments.
    Problem when there is none."""
    if not worker_is_remote(context):
        return partial(backend_command, worker_command(context))
    try:
        python = str(backend_python(context))
    except Problem as error:
        said = "Clips from files are read by the backend on this machine, which is not installed."
        raise Problem(said, error.hint, repair=Operators.INSTALL_BACKEND) from None
    return lambda arguments: [python, "-m", "backend", *arguments]


def when_closing(context: bpy.types.Context) -> str:
    """What happens to running and waiting takes when Blender closes: an identifier of WHEN_CLOSING."""
    return _chosen(context, "when_closing") or FINISH_RUNNING


def first_run_is_hidden(context: bpy.types.Context) -> bool:
    return bool(_chosen(context, "first_run_hidden"))


def hide_first_run(context: bpy.types.Context) -> None:
    if addon := context.preferences.addons.get(ROOT_PACKAGE):
        addon.preferences.first_run_hidden = True


def show_models(context: bpy.types.Context) -> None:
    """Expands the models in the preferences."""
    if addon := context.preferences.addons.get(ROOT_PACKAGE):
        addon.preferences.models_shown = True


def install_options(context: bpy.types.Context, wheels: bool = True) -> list[str]:
    """Options for `python -m install`. wheels: whether the command accepts a folder of packages."""
    folder = _chosen_path(context, "backend_folder")
    where = ["--where", folder] if folder else []
    return [*where, *wheels_options(context)] if wheels else where


def doctor_options(context: bpy.types.Context) -> list[str]:
    """Options for `python -m install doctor`: the chosen backend, or the installed one."""
    chosen = _chosen_path(context, "backend_python")
    return [*install_options(context, wheels=False), *(["--python", chosen] if chosen else [])]


def wheels_options(context: bpy.types.Context) -> list[str]:
    packages = _chosen_path(context, "wheels_folder")
    return ["--wheels", packages] if packages else []


def _chosen_path(context: bpy.types.Context, name: str) -> str:
    """Absolute or empty. Problem for a relative path, because the folder of a stranger's .blend, or Blender's working
    directory, would decide which program runs."""
    value = _chosen(context, name).strip()
    if value and (value.startswith("//") or not Path(value).is_absolute()):
        raise Problem(
            "The preference {preference} is {value}, which is a relative path.",
            "Enter the full path in Preferences > Add-ons > MotionClone, or turn off Relative Path when "
            "you choose it in Blender's file browser.",
            repair=Operators.OPEN_PREFERENCES,
        ).about(preference=PATHS[name], value=value)
    return value


def _chosen(context: bpy.types.Context, name: str):
    """Empty when a script registered the package without enabling it as an add-on."""
    addon = context.preferences.addons.get(ROOT_PACKAGE)
    return getattr(addon.preferences, name) if addon else ""


def may_be_allowed() -> bool:
    """Whether the user can allow online access right now."""
    return not bpy.app.online_access and not bpy.app.online_access_override


def check_online() -> None:
    """Problem when Blender may not go online."""
    if bpy.app.online_access:
        return
    if bpy.app.online_access_override:
        raise Problem(
            "Blender was started in offline mode, so nothing can be downloaded.",
            "Start it without --offline-mode, or choose a folder of Offline Packages in MotionClone's preferences.",
        )
    raise Problem(
        "Blender is not allowed to use the internet.",
        "Enable Allow Online Access (in the preferences under System > Network), then try again.",
        repair=ALLOW_ONLINE,
    )
