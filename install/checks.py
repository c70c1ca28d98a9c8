"""The doctor's checks that need only the standard library. Each yields findings about one backend."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .backend import LOCK, Backend
from .failures import OTHER_FOLDER, InstallError
from .machine import Machine, this_machine
from .models.catalogue import read_catalogue
from .models.managing import faults
from .models.store import ELSEWHERE, Store
from .packages import broken, installed
from .paths import data_folder, interpreter, work_folder
from .pythons import OTHER_THAN_STORE, STORE, SUPPORTED, backend_base, probe, running_from_store
from .reports import Report
from .sentences import Sentence, joined
from .state import is_locked, is_ours, read_state
from .torch_build import LOCKS, choose_build
from .work import is_our_work

MIN_GB, COMFORTABLE_GB = 1.0, 5.0
# Windows rejects paths of more than 259 characters unless long paths are enabled. The longest path inside an
# environment has 185 characters: a license file that comes with torch.
LONGEST_PATH, LONGEST_WITHIN = 259, 190


OTHER_PYTHON = "Correct Backend Python in the preferences, or clear it to use the installed one."


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    id: the kind of finding; text: a sentence that describes it; hint: what to do; fix: the arguments of `python3 -m
    install` that fix it, if any.
    """

    id: str
    level: Literal["ok", "warning", "problem"]
    text: str
    hint: str = ""
    fix: tuple[str, ...] = ()


def system(backend: Backend) -> Iterator[Finding]:
    """Reports the system and, on Windows, long paths and the Microsoft Store's Python."""
    yield Finding(
        "system",
        "ok",
        Sentence("System: {platform}, {cpu_count} processors.", platform=platform.platform(), cpu_count=os.cpu_count()),
    )
    if sys.platform == "win32":
        yield from long_path(backend.folder, long_paths_allowed())
        if running_from_store():
            yield Finding("store-python", "problem", STORE, OTHER_THAN_STORE)


def long_path(folder: Path, allowed: bool) -> Iterator[Finding]:
    """Warns when the environment's paths would be too long for Windows."""
    if not allowed and len(str(folder)) + 1 + LONGEST_WITHIN > LONGEST_PATH:
        yield Finding(
            "long-path",
            "warning",
            Sentence("{folder} is a long path, and Windows may refuse the files in it.", folder=folder),
            f"Allow long paths in Windows. {OTHER_FOLDER}",
        )


def long_paths_allowed() -> bool:
    """Whether long paths are enabled in Windows."""
    with suppress(ImportError, OSError):
        import winreg

        path = r"SYSTEM\CurrentControlSet\Control\FileSystem"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:  # pyright: ignore[reportAttributeAccessIssue]
            value = winreg.QueryValueEx(key, "LongPathsEnabled")[0]  # pyright: ignore[reportAttributeAccessIssue]
            return bool(value)
    return False


def environment(backend: Backend) -> Iterator[Finding]:
    """Whether the environment exists and is finished, complete and of this version."""
    folder = backend.folder
    state = read_state(folder)
    if is_locked(work_folder(folder)):
        yield Finding(
            "installing",
            "warning",
            Sentence("An installation is running in {parent}.", parent=folder.parent),
            "Wait until it is finished.",
        )
        return
    if not is_ours(folder):
        yield Finding(
            "not-ours",
            "problem",
            Sentence("{folder} was not made by MotionClone.", folder=folder),
            f"Remove it yourself if you do not need anything in it. {OTHER_FOLDER}",
        )
        return
    if not folder.exists() or state is None:
        yield Finding(
            "no-environment",
            "problem",
            Sentence("There is no backend environment at {folder}.", folder=folder),
            fix=("backend",),
        )
        return
    if state.installing or not state.python:
        yield Finding(
            "half-finished",
            "problem",
            Sentence("The installation in {folder} was not finished.", folder=folder),
            fix=("backend",),
        )
        return
    if not interpreter(folder).exists() or probe([str(interpreter(folder))]) is None:
        text = Sentence(
            "The Python of {folder} does not start: it was moved, or its base Python was removed.", folder=folder
        )
        yield Finding("python-gone", "problem", text, fix=("backend",))
        return
    yield from _contents(folder)


def _contents(folder: Path) -> Iterator[Finding]:
    damaged = [package.name for package in broken(folder, deep=False)]
    if damaged:
        text = Sentence("Files are missing or truncated in {damaged}.", damaged=", ".join(damaged))
        yield Finding("damaged", "problem", text, fix=("backend", "--repair"))
    else:
        yield Finding(
            "environment",
            "ok",
            Sentence("Environment: {folder}, {count} packages, complete.", folder=folder, count=len(installed(folder))),
        )
    pinned = pins(LOCKS / LOCK)
    there = {package.name: package.version for package in installed(folder)}
    other = [f"{name} {there[name]}" for name in pinned if name in there and there[name] not in pinned[name]]
    if other:
        text = Sentence("Versions that this MotionClone was not tested with: {other}.", other=", ".join(sorted(other)))
        yield Finding("other-versions", "warning", text, fix=("backend",))


def pins(lock: Path) -> dict[str, set[str]]:
    """The versions of each package in a lock file. Some differ between Python versions."""
    found: dict[str, set[str]] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        name, equals, rest = line.partition("==")
        if equals and not line.startswith((" ", "#")):
            found.setdefault(name, set()).add(rest.split()[0])
    return found


def device_build(backend: Backend) -> Iterator[Finding]:
    """Whether the installed torch build is the best one for this machine."""
    state = read_state(backend.folder)
    machine = this_machine()
    try:
        best = choose_build(machine)
    except InstallError as error:
        yield Finding("no-build", "problem", error.message, error.hint)
        return
    if best.note:
        yield Finding("driver", "warning", best.note)
    elif machine.nvidia and machine.nvidia.driver:
        yield Finding(
            "driver", "ok", Sentence("NVIDIA driver {version}.", version=".".join(map(str, machine.nvidia.driver)))
        )
    if state and state.build and state.build != best.name:
        text = Sentence(
            "The installed build of torch is {build}; this machine can use {best}.", build=state.build, best=best.name
        )
        yield Finding("other-build", "warning", text, fix=("backend",))
    yield from rocm_rights(machine)


def rocm_rights(machine: Machine, device: Path = Path("/dev/kfd")) -> Iterator[Finding]:
    """Whether the user may access an AMD GPU."""
    if machine.rocm and not os.access(device, os.R_OK | os.W_OK):
        text = Sentence("The AMD GPU cannot be used: this user has no access to {device}.", device=device)
        yield Finding("rocm-rights", "problem", text, "Run `sudo usermod -aG render,video $USER` and log in again.")


def base_python(backend: Backend) -> Iterator[Finding]:
    """Whether there is a Python to create the environment from, unless the environment exists."""
    state = read_state(backend.folder)
    if state and state.python:
        return
    try:
        base = backend_base()
        yield Finding(
            "base-python",
            "ok",
            Sentence(
                "Python {version} at {executable} can create the environment.",
                version=base.version,
                executable=base.executable,
            ),
        )
    except InstallError as error:
        yield Finding("base-python", "problem", error.message, error.hint)


def folders(backend: Backend) -> Iterator[Finding]:
    """Write access and free space for jobs, caches and the environment."""
    for name, folder, elsewhere in (("environment", backend.folder, OTHER_FOLDER), ("data", data_folder(), ELSEWHERE)):
        parent = _nearest(folder)
        try:
            with tempfile.TemporaryFile(dir=parent):
                pass
        except OSError as error:
            yield Finding(
                f"{name}-rights",
                "problem",
                Sentence("Nothing can be written in {parent} ({reason}).", parent=parent, reason=error.strerror),
                Sentence("Make the folder writable. {elsewhere}", elsewhere=Sentence(elsewhere)),
            )
            continue
        free = shutil.disk_usage(parent).free / 1e9
        level = "problem" if free < MIN_GB else "warning" if free < COMFORTABLE_GB else "ok"
        hint = "" if level == "ok" else "Free some space: jobs need space for their clips, installations several GB."
        yield Finding(
            f"{name}-space",
            level,
            Sentence("{free} GB are free for {folder}.", free=f"{free:.1f}", folder=folder),
            hint,
        )


def _nearest(folder: Path) -> Path:
    """The folder itself or its nearest existing parent."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def leftovers(backend: Backend) -> Iterator[Finding]:
    """Reports downloads left by an unfinished installation."""
    work = work_folder(backend.folder)
    if is_locked(work) or not (is_our_work(backend.folder) or read_state(backend.folder)):
        return
    parts = [path for path in (work / "downloads", work / "scratch") if path.exists()]
    size = sum(file.stat().st_size for part in parts for file in part.rglob("*") if file.is_file()) / 1e6
    if size > 1:
        text = Sentence(
            "An unfinished installation left {size} MB of downloads in {work}.", size=f"{size:,.0f}", work=work
        )
        yield Finding("leftovers", "warning", text, "Installing uses them and removes them.", ("backend",))


def models(backend: Backend) -> Iterator[Finding]:
    """Whether the catalogue's installed models are complete and their files unchanged."""
    catalogue, store = read_catalogue(), Store()
    if is_locked(store.folder):
        yield Finding("model-coming", "ok", "A model is being downloaded.")
        return
    adding = store.record.adding
    if adding:
        text = Sentence("The download of the model {model} was not finished.", model=adding["name"])
        yield Finding("model-unfinished", "warning", text, fix=_add(adding["name"], adding["extras"]))
    found = list(faults(catalogue, store, False, Report()))
    for name in dict.fromkeys(fault.model for fault in found):
        several = [fault.text for fault in found if fault.model == name]
        text = Sentence("The model {name} cannot be used: {faults}", name=name, faults=joined(several))
        yield Finding("model-damaged", "problem", text, fix=_add(name, store.record.models[name]["extras"]))
    if store.record.models and not found:
        text = Sentence(
            "The files of the models {models} are complete and unchanged.", models=", ".join(store.record.models)
        )
        yield Finding("model-files", "ok", text, "In a terminal `python3 -m install models verify` checks every byte.")


def _add(name: str, extras: Sequence[str]) -> tuple[str, ...]:
    return ("models", "add", name, *(word for extra in extras for word in ("--with", extra)))


def chosen_python(python: Path) -> Iterator[Finding]:
    """Checks the Python that the user chose to run the backend instead of the installed one."""
    if not python.is_file():
        yield Finding(
            "chosen-python",
            "problem",
            Sentence("The chosen Backend Python {python} is not a file.", python=python),
            OTHER_PYTHON,
        )
        return
    found = probe([str(python)])
    if found is None:
        yield Finding(
            "chosen-python",
            "problem",
            Sentence("The chosen Backend Python {python} does not start.", python=python),
            OTHER_PYTHON,
        )
    elif found.version not in SUPPORTED:
        text = Sentence(
            "The chosen Backend Python {python} is Python {version}, which the backend does not support.",
            python=python,
            version=found.version,
        )
        yield Finding("chosen-python", "problem", text, OTHER_PYTHON)
    else:
        yield Finding(
            "chosen-python",
            "ok",
            Sentence("Backend Python, as chosen: {python}, Python {version}.", python=python, version=found.version),
        )


ALL: Sequence[Callable[[Backend], Iterator[Finding]]] = (
    system,
    environment,
    base_python,
    device_build,
    folders,
    leftovers,
    models,
)
WITH_CHOSEN: Sequence[Callable[[Backend], Iterator[Finding]]] = (system, folders, models)
