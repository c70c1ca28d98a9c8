"""Model entries: TOML files that name the components of a model and the settings tuned for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..job_folder.declared import SettingError, declarations
from ..job_folder.families import FAMILIES, OWN_FAMILIES, resolve
from ..job_folder.folders import data_folder
from ..job_folder.names import nearest
from ..job_folder.problem import Problem, Sentence
from ..job_folder.settings import Settings
from ..job_folder.strict import number, strict_values, table, text, whole
from .entry_files import check_files, files_in, read_table

SHIPPED = Path(__file__).parent / "entries"
WEIGHTS = ".safetensors"
INTERNAL_FIELDS = {"source", "embeddings"}  # fields that an entry's file may not set
MAX_REASON = 500  # characters of the reason in an error
# The paths that an entry may name, besides LoRAs.
PARTS = ("folder", "base", "config", "motion_module", "vae")
CONTROLS = ("sparse_rgb", "sparse_scribble", "depth_control")
PATHS = (*PARTS, *CONTROLS, "tiny_vae")


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """The clips that a model generates.

    frames: the number of frames it was trained with. most_frames: the maximum. area: the approximate number of pixels
    of a frame. multiple: width and height must be multiples of it.
    """

    frames: int
    most_frames: int
    area: int
    multiple: int


@dataclass(frozen=True, kw_only=True)
class LoraFile:
    """The file of a LoRA and its strength. 0 leaves it out."""

    file: Path
    strength: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """The components and settings of a model. All paths are absolute.

    name: the value of --model. settings: the tuned defaults. presets: what the families 'draft' and 'quality' change in
    them. source: the file of the entry.

    The model is either `folder`, a complete diffusers folder; or `base`, SD1.5 as a diffusers folder or single file,
    with `motion_module`, a diffusers folder or AnimateDiff file. config: a diffusers folder whose tokenizer and configs
    replace those of CLIP and SD1.5. vae: replaces the VAE of the base. embeddings: the textual inversions that the
    prompts of a job name, by name; never in the entry's file.
    """

    name: str
    title: str
    clip: ClipSpec
    folder: Path | None = None
    base: Path | None = None
    config: Path | None = None
    motion_module: Path | None = None
    vae: Path | None = None
    domain_adapter: LoraFile | None = None
    loras: tuple[LoraFile, ...] = ()
    motion_loras: tuple[LoraFile, ...] = ()
    sparse_rgb: Path | None = None
    sparse_scribble: Path | None = None
    depth_control: Path | None = None
    tiny_vae: Path | None = None
    embeddings: dict[str, Path] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    presets: dict[str, dict[str, Any]] = field(default_factory=dict)
    source: Path = Path()

    def settings_for(self, chosen: Mapping[str, Any]) -> Settings:
        """Returns the settings of this model with those of a job on top. Raises SettingError for an invalid setting."""
        family = chosen.get("family", "default")
        if family in OWN_FAMILIES and family not in self.presets:
            raise SettingError(
                "The model {name} has no {family} settings: {source} names none.",
                name=repr(self.name),
                family=family,
                source=self.source,
            )
        known = declarations(Settings)
        for key in chosen:
            if key in known and not known[key].known_to(self.backbone):
                raise SettingError(
                    "The model {name} does not know the setting {key}.", name=repr(self.name), key=repr(key)
                )
        preset = self.presets.get(family, {})
        settings = resolve({"frames": self.clip.frames} | self.settings | preset, chosen)
        if settings.frames > self.clip.most_frames:
            raise SettingError(
                "frames is {frames}; the model {name} makes at most {most_frames} frames.",
                frames=settings.frames,
                name=repr(self.name),
                most_frames=self.clip.most_frames,
            )
        return settings

    @property
    def backbone(self) -> str:
        """The model family; see backbones/loading.py."""
        return "animatediff"

    @property
    def families(self) -> list[str]:
        """The families of settings that this model supports."""
        return [name for name in FAMILIES if name not in OWN_FAMILIES or name in self.presets]

    @property
    def controls(self) -> list[str]:
        """The keys of the control models that the entry names."""
        return [key for key in CONTROLS if getattr(self, key) is not None]

    def lora_files(self) -> dict[str, LoraFile]:
        """Returns all LoRAs by their key in the entry, in the order in which they are added."""
        named = {"domain_adapter": self.domain_adapter} if self.domain_adapter else {}
        for key in ("loras", "motion_loras"):
            named |= {f"{key}[{i}]": lora for i, lora in enumerate(getattr(self, key))}
        return named

    def paths(self) -> dict[str, Path]:
        """Returns every path that the entry names, by its key."""
        single = {key: path for key in PATHS if (path := getattr(self, key)) is not None}
        named = {f"embedding:{name}": path for name, path in self.embeddings.items()}
        return single | {key: lora.file for key, lora in self.lora_files().items()} | named

    def missing(self) -> dict[str, Path]:
        """Returns the paths that do not exist, by their key."""
        return {key: path for key, path in self.paths().items() if not path.exists()}

    def weight_files(self) -> dict[str, Path]:
        """Returns every weight file of the model, by a name of its component, with the strength of a LoRA."""
        files: dict[str, Path] = {}
        for key, path in self.paths().items():
            if key in self.lora_files():
                strength = self.lora_files()[key].strength
                files |= {f"{key} {path.name} x {strength:g}": path} if strength else {}
            elif path.is_file():
                files[f"{key}/{path.name}"] = path
            elif key != "config":
                parts = [path / part for part in ("unet", "text_encoder", "vae")] if key == "base" else [path]
                start = "" if key == "folder" else f"{key}/"
                found = sorted(file for part in parts for file in files_in(part, key) if file.suffix == WEIGHTS)
                files |= {start + file.relative_to(path).as_posix(): file for file in found}
        return files


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
                    "{path} names the model {name}, which {other} has named already.",
                    path=path,
                    name=repr(entry.name),
                    other=other,
                )
                problems.append(Problem(text, "Give it another name."))
            else:
                entries[entry.name] = entry
    return entries, problems


def all_entries() -> dict[str, ModelEntry]:
    """Returns the valid entries by name. Invalid ones are left out."""
    return read_entries()[0]


def find_entry(name: str) -> ModelEntry:
    """Returns the entry of this name. Raises Problem if there is none, or if a file that it names is missing."""
    entries, problems = read_entries()
    if name not in entries:
        wrong = f" Not readable: {problems[0]}" if problems else ""
        raise Problem(
            "There is no model {name}{near}",
            "Models here: {entries}. Your own go into {user_entries_folder}.{wrong}",
            name=repr(name),
            near=nearest(name, entries),
            entries=", ".join(entries),
            user_entries_folder=user_entries_folder(),
            wrong=wrong,
        )
    entry = entries[name]
    if missing := entry.missing():
        named = ", ".join(f"{key} ({path})" for key, path in missing.items())
        raise Problem(
            "The model {name} names files that are not there: {named}.",
            "Put them there, or fix the paths in {source}.",
            repair="motionclone.get_model",
            name=repr(name),
            named=named,
            source=entry.source,
        )
    check_files(entry.paths())
    return entry


def read_entry(path: Path) -> ModelEntry:
    """Reads an entry from its file. Raises Problem with the file and the first key that is wrong."""
    try:
        content = read_table(path)
    except (OSError, ValueError) as error:
        raise Problem(
            "The model entry {path} cannot be read ({reason}).", "Fix or remove the file.", path=path, reason=error
        ) from None
    try:
        entry = ModelEntry(**_values(content, path) | {"source": path})
        _check_settings(entry)
        return entry
    except (ValueError, RecursionError) as error:
        reason = str(error)[:MAX_REASON].rstrip(".")
        raise Problem(
            "The model entry {path} is not right: {reason}.",
            "Compare it with the shipped entries and the README.",
            path=path,
            reason=reason,
        ) from None


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
    return ClipSpec(**strict_values(ClipSpec, value, {"int": whole}, "clip"))


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
        raise ValueError("it needs either folder (a complete model) or base (with motion_module), one of the two")
    if "folder" in values and "motion_module" in values:
        raise ValueError("folder is a complete model; to choose a motion_module, name the model as base instead")
    if "base" in values and "motion_module" not in values:
        raise ValueError("base makes pictures, not clips; it needs a motion_module beside it")
