"""Lists, verifies and removes models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from ..clearing import clear
from ..failures import InstallError
from ..files import delete, is_link, is_there
from ..reports import Report
from ..sentences import Sentence
from ..state import locked
from .catalogue import Catalogue, CatalogueModel, Component, HubFile
from .content import Content, matches
from .entry import is_changed
from .store import ELSEWHERE, Store


@dataclass(frozen=True)
class Fault:
    """A problem with a file of an installed model."""

    model: str
    file: HubFile
    text: str


def listing(catalogue: Catalogue, store: Store) -> list[dict[str, Any]]:
    """A row for each model of the catalogue.

    state: absent, unfinished (the download was stopped), installed, or damaged (files are missing or changed);
    download_bytes: the approximate size of what is missing.
    """
    return [_row(catalogue, store, model) for model in catalogue.models.values()]


def _row(catalogue: Catalogue, store: Store, model: CatalogueModel) -> dict[str, Any]:
    components = [catalogue.components[name] for name in model.components]
    chosen = store.record.models.get(model.name, {}).get("extras", [])
    unfinished = (store.record.adding or {}).get("name") == model.name
    state = "unfinished" if unfinished else "absent"
    if model.name in store.record.models and not unfinished:
        sound = store.entry(model.name).exists() and store.complete(catalogue.chosen(model, tuple(chosen)))
        state = "installed" if sound else "damaged"
    return {
        "name": model.name,
        "title": model.title,
        "about": model.about,
        "terms": model.terms,
        "vram": model.vram,
        "state": state,
        "bytes": sum(component.size for component in components),
        "download_bytes": sum(_missing_bytes(store, component) for component in components),
        "components": [_part(store, component) for component in components],
        "extras": [
            _part(store, catalogue.components[name]) | {"chosen": name in chosen, "name": name} for name in model.extras
        ],
    }


def _part(store: Store, component: Component) -> dict[str, Any]:
    return {
        "name": component.name,
        "title": component.title,
        "source": f"https://huggingface.co/{component.repo}",
        "license": component.license,
        "license_url": component.license_url,
        "bytes": component.size,
        "download_bytes": _missing_bytes(store, component),
    }


def _missing_bytes(store: Store, component: Component) -> int:
    """The approximate size of what is missing; of a partly downloaded file, the rest."""
    missing = [file for file in component.files if store.state(file) != "present"]
    return sum(max(0, file.size - store.part_bytes(file.sha256)) for file in missing)


def faults(catalogue: Catalogue, store: Store, deep: bool, report: Report, only: str | None = None) -> Iterator[Fault]:
    """Yields missing and changed files of installed models. `deep` reads every byte."""
    checked: set[str] = set()
    for name, known in store.record.models.items():
        if only not in (None, name) or name not in catalogue.models:
            continue
        model = catalogue.models[name]
        extras = tuple(extra for extra in known["extras"] if extra in model.extras)
        for component in catalogue.chosen(model, extras):
            for file in component.files:
                if file.local_path not in checked:
                    checked.add(file.local_path)
                    text = _fault(store, file, deep, report)
                    if text:
                        yield Fault(name, file, text)


def _fault(store: Store, file: HubFile, deep: bool, report: Report) -> str:
    path, state = store.path(file), store.state(file)
    if state == "absent":
        return Sentence("{path} is missing.", path=path)
    if state == "changed":
        return Sentence("{path} has changed since it was verified.", path=path)
    if deep:
        kept = store.record.files[file.local_path]
        report.stage("verify", f"Reading {file.name}")
        if not matches(path, Content(kept.size, sha256=kept.sha256)):
            return Sentence("{path} is damaged: its content is wrong.", path=path)
    return ""


def verify(catalogue: Catalogue, store: Store, report: Report, only: str | None) -> None:
    """Reads every file. Raises InstallError if something is wrong. Damaged files are forgotten, so that adding the
    model again downloads them."""
    if only is not None and only not in store.record.models:
        raise InstallError(
            "The model {model} is not installed.", "Get it with: python3 -m install models add {model}"
        ).about(model=only)
    with locked(store.folder, ELSEWHERE):
        found = list(faults(catalogue, store, True, report, only))
        for fault in found:
            report.note(fault.text)
            store.record.files.pop(fault.file.local_path, None)
        if found:
            store.write()
            models = sorted({fault.model for fault in found})
            raise InstallError(
                "{count} files of {models} are missing or damaged.",
                "Fix it with: python3 -m install models add {model}",
            ).about(count=len(found), models=", ".join(models), model=models[0])
    report.done("All model files are complete.", "")


def remove(catalogue: Catalogue, store: Store, report: Report, name: str) -> None:
    """Removes a model's entry, its files that no other model needs, and unfinished downloads. A changed entry stays.

    Raises InstallError.
    """
    model = catalogue.model(name)
    unfinished = (store.record.adding or {}).get("name") == name
    files = [file for part in catalogue.chosen(model, model.extras) for file in part.files]
    if not (unfinished or name in store.record.models or any(file.local_path in store.record.files for file in files)):
        raise InstallError(
            "The model {model} is not installed.",
            "See the list under Models in the preferences (in a terminal: python3 -m install models list).",
        ).about(model=name)
    with locked(store.folder, ELSEWHERE):
        if is_changed(store, name) and name in store.record.models:
            report.note(f"{store.entry(name)} was changed by you and is kept.")
        else:
            delete(store.entry(name))
        store.record.models.pop(name, None)
        if unfinished:
            store.record.adding = None
        needed = set(_needed(catalogue, store))
        for component in catalogue.components.values():
            for file in component.files:
                if file.local_path not in needed:
                    store.forget(file)
        store.drop_parts()
        store.write()
        store.tidy()
    store.end()
    report.done(f"Removed {name}.", "")


def remove_all(store: Store, report: Report) -> None:
    """Removes every installed model and unfinished downloads. Other files and changed entries stay.

    Of a linked folder only the link is removed. Raises InstallError.
    """
    if is_link(store.models):
        clear(store.models)
        report.note(f"removed {store.models}; it was a link, and its target is kept")
        return
    if not is_there(store.folder):
        store.end()
        return
    linked = is_link(store.folder)
    with nullcontext() if linked else locked(store.folder, ELSEWHERE):
        for name in list(store.record.models):
            if is_changed(store, name):
                report.note(f"{store.entry(name)} was changed by you and is kept.")
            else:
                delete(store.entry(name))
        clear(store.folder) if linked else store.drop_all()
    store.end()
    report.note(f"removed the models in {store.folder}")


def _needed(catalogue: Catalogue, store: Store) -> Iterator[str]:
    for name, known in store.record.models.items():
        if name in catalogue.models:
            model = catalogue.models[name]
            extras = tuple(extra for extra in known["extras"] if extra in model.extras)
            for component in catalogue.chosen(model, extras):
                yield from (file.local_path for file in component.files)
