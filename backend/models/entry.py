"""Reads and finds model entries: the shipped ones and the user's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..job_folder.families import OWN_FAMILIES
from ..job_folder.folders import data_folder
from ..job_folder.names import nearest
from ..job_folder.problem import Problem, Sentence
from ..job_folder.strict import number, strict_values, table, text, whole
from .entry_files import check_files, read_table
from .model_entry import ClipSpec, LoraFile, ModelEntry

SHIPPED = Path(__file__).parent / "entries"
INTERNAL_FIELDS = {"source", "embeddings"}  # fields that an entry's file may not set
MAX_REASON = 500  # characters of the reason in an error


def user_entries_folder() -> Path:
    """Returns the folder of the user's own entries."""
    return data_folder() / "models"


def read_entries() -> tuple[dict[str, ModelEntry], list[Problem]]:
    """Returns the valid entries by name, shipped ones first, and the errors in the others. Names must be unique."""
    entries: dict[str, ModelEntry] = {}
    problems = []
    for folder in (SHIPPED, user_entries_folder()):
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
            try:
                entry = read_entry(path)
            except Problem as error:
                problems.append(error)
                continue
            if entry.name in entries:
                other = entries[entry.name].source
                text = Sentence(
                    "{path} has the name {name}, which {other} already uses.",
                    path=path,
                    name=repr(entry.name),
                    other=other,
                )
                problems.append(Problem(text, "Give it another name."))
            else:
                entries[entry.name] = entry
    return entries, problems


def find_entry(name: str) -> ModelEntry:
    """Returns the entry of this name. Raises Problem if there is none, or if a file that it names is missing."""
    entries, problems = read_entries()
    if name not in entries:
        wrong = f" Not readable: {problems[0]}" if problems else ""
        raise Problem(
            "There is no model {name}{near}",
            "Available models: {entries}. Your own entries belong into {folder}.{wrong}",
        ).about(
            name=repr(name),
            near=nearest(name, entries),
            entries=", ".join(entries),
            folder=user_entries_folder(),
            wrong=wrong,
        )
    entry = entries[name]
    if missing := entry.missing():
        named = ", ".join(f"{key} ({path})" for key, path in missing.items())
        raise Problem(
            "The model {name} names files that do not exist: {named}.",
            "Copy them there, or fix the paths in {source}.",
            repair="motionclone.get_model",
        ).about(name=repr(name), named=named, source=entry.source)
    check_files(entry.paths())
    return entry


def read_entry(path: Path) -> ModelEntry:
    """Reads an entry from its file. Raises Problem with the file and the first key that is wrong."""
    try:
        content = read_table(path)
    except (OSError, ValueError) as error:
        raise Problem("The model entry {path} cannot be read ({reason}).", "Fix or remove the file.").about(
            path=path, reason=error
        ) from None
    try:
        entry = ModelEntry(**_values(content, path) | {"source": path})
        _check_settings(entry)
        return entry
    except (ValueError, RecursionError) as error:
        reason = str(error)[:MAX_REASON].rstrip(".")
        raise Problem(
            "The model entry {path} is invalid: {reason}.", "Compare it with the shipped entries and the README."
        ).about(path=path, reason=reason) from None


def _values(content: Any, source: Path) -> dict[str, Any]:
    """Returns the fields of an entry from its file's content, each of the right type. Raises ValueError."""

    def path(value: Any) -> Path:
        """Returns the absolute path. Relative paths start at the entry's folder, "~" is the home folder."""
        if not isinstance(value, str) or not value:
            raise TypeError("a path in quotes")
        return (source.parent / Path(value).expanduser()).resolve()

    def lora(value: Any, key: str) -> LoraFile:
        """Reads a table of file and strength, or only a path."""
        fields = {"file": value} if isinstance(value, str) else value
        return LoraFile(**strict_values(LoraFile, fields, {"Path": path, "float": _finite}, key))

    def entries(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise TypeError("a list")
        return value

    checks = {
        "Path": path,
        "LoraFile": lambda one: one,
        "tuple[LoraFile, ...]": entries,
        "ClipSpec": _clip,
        "str": text,
    }
    if unknown := INTERNAL_FIELDS & set(content):
        raise ValueError(f"it has an unknown key {min(unknown)!r}")
    tables = {"dict[str, Any]": table, "dict[str, dict[str, Any]]": _tables}
    values = strict_values(ModelEntry, content, checks | tables, "it")
    for key in ("loras", "motion_loras"):
        values[key] = tuple(lora(one, f"{key}[{i}]") for i, one in enumerate(values.get(key, [])))
    if "domain_adapter" in values:
        values["domain_adapter"] = lora(values["domain_adapter"], "domain_adapter")
    _check_parts(values)
    return values


def _clip(value: Any) -> ClipSpec:
    clip = ClipSpec(**strict_values(ClipSpec, value, {"int": whole}, "clip"))
    if clip.rate < 1:
        raise ValueError(f"clip: rate is {clip.rate}; it must be at least 1")
    return clip


def _finite(value: Any) -> float:
    if not math.isfinite(number(value)):
        raise TypeError("a number")
    return float(value)


def _tables(value: Any) -> dict[str, dict[str, Any]]:
    return {key: table(one) for key, one in table(value).items()}


def _check_settings(entry: ModelEntry) -> None:
    """Raises ValueError for invalid settings, so that an error shows when an entry is read, not when a job runs."""
    for family in entry.presets:
        if family not in OWN_FAMILIES:
            raise ValueError(f"unknown preset {family!r}{nearest(family, OWN_FAMILIES)}")
    for family in ("default", *entry.presets):
        entry.settings_for({"family": family})


def _check_parts(values: Mapping[str, Any]) -> None:
    """Raises ValueError unless the model is either one complete folder, or a base with a motion module."""
    if ("folder" in values) == ("base" in values):
        raise ValueError("it needs either folder (a complete model) or base (with motion_module)")
    if "folder" in values and "motion_module" in values:
        raise ValueError("folder is a complete model; to choose a motion_module, use base instead of folder")
    if "base" in values and "motion_module" not in values:
        raise ValueError("base generates pictures, not clips; it also needs a motion_module")
