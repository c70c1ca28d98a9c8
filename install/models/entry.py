"""Writes the entry that makes a catalogue model usable. It is the user's file and may be edited."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from ..failures import InstallError
from ..files import is_there, replace, write_whole
from .catalogue import CatalogueModel, Component
from .store import Store

HEAD = "# Written by `python3 -m install models add`. To change it, copy it and give the copy another name.\n"
LORAS = ("loras", "motion_loras")
WITH_STRENGTH = ("domain_adapter", *LORAS)


def check_entry(store: Store, model: CatalogueModel) -> None:
    """Raises InstallError when the user's own file has the entry's name."""
    entry = store.entry(model.name)
    if entry.exists() and model.name not in store.record.models and not _untouched(entry):
        raise InstallError(
            "{entry} exists already and is your own file.", "Rename it, and the name in it, to add the model {model}."
        ).about(entry=entry, model=model.name)


def write_entry(store: Store, model: CatalogueModel, components: Sequence[Component]) -> str | None:
    """Writes the entry and returns its hash, or returns None when the user has changed the entry, which then stays."""
    entry, text = store.entry(model.name), entry_text(store, model, components)
    known = store.record.models.get(model.name, {}).get("entry")
    if entry.exists() and _hash(entry.read_bytes()) not in (known, _hash(text)):
        if known:
            return None
        replace(entry, _free(entry))  # the record is lost, so the file may be the user's
    write_whole(entry, text)
    return _hash(text)


def _free(entry: Path) -> Path:
    """An unused name next to it."""
    names = (entry.with_suffix(f".toml.old{number or ''}") for number in count())
    return next(path for path in names if not is_there(path))


def is_changed(store: Store, model: str) -> bool:
    """Whether the user has changed the entry since it was written."""
    entry = store.entry(model)
    return entry.exists() and _hash(entry.read_bytes()) != store.record.models.get(model, {}).get("entry")


def entry_text(store: Store, model: CatalogueModel, components: Sequence[Component]) -> str:
    """The entry as TOML."""
    lines = [HEAD, f"name = {_toml(model.name)}", f"title = {_toml(model.title)}"]
    for component in components:
        if component.key not in LORAS:
            lines.append(f"{component.key} = {_value(store, component)}")
    for key in LORAS:
        values = [_value(store, component) for component in components if component.key == key]
        if values:
            lines.append(f"{key} = [{', '.join(values)}]")
    lines += ["", "[clip]", *(f"{key} = {_toml(value)}" for key, value in model.clip.items())]
    tables = {"settings": model.settings, **{f"presets.{name}": preset for name, preset in model.presets.items()}}
    for name, table in tables.items():
        if table:
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _value(store: Store, component: Component) -> str:
    """The component's path. It is relative to the entry, so that the folder can be moved, or absolute for files
    elsewhere."""
    file = store.path(component.files[0])
    path = store.folder / component.local_path if component.folder else file
    named = path.relative_to(store.models) if path.is_relative_to(store.models) else path
    text = _toml(Path(named).as_posix())
    return f"{{file = {text}, strength = {component.strength:g}}}" if component.key in WITH_STRENGTH else text


def _toml(value: Any) -> str:
    """A value as TOML. JSON's strings, numbers, booleans and lists are valid TOML."""
    if isinstance(value, Mapping):
        raise TypeError("a table within a table")
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _untouched(entry: Path) -> bool:
    """Whether it starts like our entries. A run may have been killed between writing it and recording that."""
    return entry.read_text(encoding="utf-8", errors="replace").startswith(HEAD)


def _hash(content: bytes | str) -> str:
    data = content.encode("utf-8") if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()
