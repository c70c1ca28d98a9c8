"""Reads the catalogue: models, the components they are made of, and the files of those at the hub."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from ..failures import InstallError

SHIPPED = Path(__file__).parent / "catalogue.toml"
ROUNDED = 0.01  # how far a size given as `about` may be off


@dataclass(frozen=True)
class HubFile:
    """One file. path: within the repository `repo` at `revision`; size: in bytes, rounded unless `exact`; sha256: ""
    where it is not known beforehand; place: where it is kept, within the folder of all files; alone: whether it is all
    of its component, so that it may lie anywhere."""

    repo: str
    revision: str
    path: str
    size: int
    exact: bool
    sha256: str
    place: str
    alone: bool

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    def may_have(self, size: int) -> bool:
        """Whether a file of so many bytes can be this one."""
        return size == self.size if self.exact else abs(size - self.size) <= max(self.size * ROUNDED, 2000)


@dataclass(frozen=True)
class Component:
    """key: a model entry's key for it; strength: of a LoRA; folder: whether the entry names its folder, not a file."""

    name: str
    key: str
    title: str
    repo: str
    licence: str
    licence_url: str
    files: tuple[HubFile, ...]
    folder: bool = False
    strength: float = 1.0

    @property
    def place(self) -> str:
        """What an entry names, within the folder of all files."""
        return self.name if self.folder else self.files[0].place

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class CatalogueModel:
    """about: in an artist's words; terms: its licence and whether commercial use is allowed, in a line; vram: GB that a
    graphics card needs; components and extras: their names; clip, settings, presets: as in a model entry."""

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
    components: Mapping[str, Component]
    models: Mapping[str, CatalogueModel]

    def model(self, name: str) -> CatalogueModel:
        """InstallError when there is none of this name."""
        if name not in self.models:
            known = ", ".join(self.models)
            raise InstallError(f"The catalogue has no model {name!r}{_nearest(name, self.models)}", f"It has: {known}.")
        return self.models[name]

    def chosen(self, model: CatalogueModel, extras: tuple[str, ...]) -> list[Component]:
        """The model's components and those of its extras that are named; InstallError when one is not for it."""
        for extra in extras:
            if extra not in model.extras:
                hint = f"It has: {', '.join(model.extras)}." if model.extras else "It has none."
                text = f"The model {model.name} has no extra {extra!r}{_nearest(extra, model.extras)}"
                raise InstallError(text, hint)
        return [self.components[name] for name in (*model.components, *(e for e in model.extras if e in extras))]


def read_catalogue(path: Path | None = None) -> Catalogue:
    """path: the shipped one when left out. ValueError or KeyError when it is wrong."""
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
    """A file of a folder keeps its path in it; a single one lies under its own name."""
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
        place=f"{component}/{path.name if alone else path}",
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
