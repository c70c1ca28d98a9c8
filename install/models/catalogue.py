"""Reads the catalogue: models, their components, and the components' files at the hub."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from ..failures import InstallError
from ..sentences import Sentence

SHIPPED = Path(__file__).parent / "catalogue.toml"
ROUNDED = 0.01  # the tolerance of a size given as `about`


@dataclass(frozen=True)
class HubFile:
    """A file at the hub. path: in the repository `repo` at `revision`; size: in bytes, rounded unless `exact`; sha256:
    empty if unknown; local_path: below the folder of all files; alone: whether it is the only file of its component, so
    that it may be anywhere."""

    repo: str
    revision: str
    path: str
    size: int
    exact: bool
    sha256: str
    local_path: str
    alone: bool

    @property
    def name(self) -> str:
        """The file's name."""
        return PurePosixPath(self.path).name

    def may_have(self, size: int) -> bool:
        """Whether a file with this size can be this one."""
        return size == self.size if self.exact else abs(size - self.size) <= max(self.size * ROUNDED, 2000)


@dataclass(frozen=True)
class Component:
    """A part of a model. key: its key in a model entry; strength: of a LoRA; folder: whether the entry names a folder
    instead of a file."""

    name: str
    key: str
    title: str
    repo: str
    license: str
    license_url: str
    files: tuple[HubFile, ...]
    folder: bool = False
    strength: float = 1.0

    @property
    def local_path(self) -> str:
        """What an entry names, below the folder of all files."""
        return self.name if self.folder else self.files[0].local_path

    @property
    def size(self) -> int:
        """The size of all its files in bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class CatalogueModel:
    """A model. about: a description for artists; terms: a line on its license and commercial use; vram: required GPU
    memory in GB; components and extras: their names; clip, settings, presets: as in a model entry."""

    name: str
    title: str
    about: str
    terms: str
    vram: int
    components: tuple[str, ...]
    clip: Mapping[str, Any]
    extras: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """All models and components by name."""

    components: Mapping[str, Component]
    models: Mapping[str, CatalogueModel]

    def model(self, name: str) -> CatalogueModel:
        """The model called `name`. Raises InstallError when there is none."""
        if name not in self.models:
            known = ", ".join(self.models)
            raise InstallError("The catalogue has no model {name}{near}", "It has: {known}.").about(
                name=repr(name), near=_nearest(name, self.models), known=known
            )
        return self.models[name]

    def chosen(self, model: CatalogueModel, extras: tuple[str, ...]) -> list[Component]:
        """The components of the model and of the given extras. Raises InstallError for an unknown extra."""
        for extra in extras:
            if extra not in model.extras:
                hint = Sentence("It has: {known}.", known=", ".join(model.extras)) if model.extras else "It has none."
                text = Sentence(
                    "The model {model} has no extra {extra}{near}",
                    model=model.name,
                    extra=repr(extra),
                    near=_nearest(extra, model.extras),
                )
                raise InstallError(text, hint)
        return [self.components[name] for name in (*model.components, *(e for e in model.extras if e in extras))]


def read_catalogue(path: Path | None = None) -> Catalogue:
    """Reads the shipped catalogue or the one at `path`. Raises ValueError or KeyError when it is invalid."""
    content = tomllib.loads((path or SHIPPED).read_text(encoding="utf-8"))
    components = {name: _component(name, dict(table)) for name, table in content["component"].items()}
    models = {}
    for name, table in content["model"].items():
        _check_keys(table, CatalogueModel)
        model = CatalogueModel(name=name, **{key: _tuple(value) for key, value in table.items()})
        for component in (*model.components, *model.extras):
            if component not in components:
                raise ValueError(f"{name} names {component}, which is no component")
        models[name] = model
    return Catalogue(components, models)


def _component(name: str, table: dict[str, Any]) -> Component:
    revision, files = table.pop("revision"), table.pop("files")
    _check_keys(table, Component)
    return Component(name=name, files=tuple(_file(name, revision, table, row) for row in files), **table)


def _file(component: str, revision: str, table: Mapping[str, Any], row: Mapping[str, Any]) -> HubFile:
    """A file in a folder keeps its path in it; a single file keeps its name."""
    if set(row) - {"path", "bytes", "about", "sha256"} or ("bytes" in row) == ("about" in row):
        raise ValueError(f"{component}: {row} must have a path, bytes or about, and may have a sha256")
    path = PurePosixPath(row["path"])
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{component}: {path} leads out of the folder")
    alone = not table.get("folder")
    return HubFile(
        repo=table["repo"],
        revision=revision,
        path=row["path"],
        size=row.get("bytes", row.get("about")),
        exact="bytes" in row,
        sha256=row.get("sha256", ""),
        local_path=f"{component}/{path.name if alone else path}",
        alone=alone,
    )


def _check_keys(table: Mapping[str, Any], kind: type) -> None:
    unknown = set(table) - {f.name for f in fields(kind)}
    if unknown:
        raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}")


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _nearest(name: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    match = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f". Did you mean {match[0]!r}?" if match else "."
