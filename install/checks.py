"""The doctor's checks of what is installed: the environment and the models. They need only the standard library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .backend import LOCK, Backend
from .failures import OTHER_FOLDER
from .finding import Finding
from .machine_checks import base_python, device_build, folders, system
from .models.catalogue import read_catalogue
from .models.managing import faults
from .models.store import Store
from .packages import broken, installed
from .paths import interpreter, work_folder
from .pythons import probe
from .reports import Report
from .sentences import Sentence, joined
from .state import is_locked, is_ours, read_state
from .torch_build import LOCKS
from .work import is_our_work


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
