"""Model entries: TOML files that name a model's components and the settings tuned for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import JobError
from ..job_folder.folders import data_folder
from ..job_folder.names import nearest
from ..job_folder.settings import FAMILIES, OWN_FAMILIES, SettingError, Settings, resolve
from ..job_folder.strict import number, strict_values, table, text, whole
from .entry_files import check_files, files_in, read_table

SHIPPED = Path(__file__).parent / "entries"
WEIGHTS = ".safetensors"
INTERNAL_FIELDS = {"source", "embeddings"}  # fields that no file may name
MAX_REASON = 500  # characters of what is wrong with an entry
# Single paths an entry may name, besides the LoRAs with their strengths.
PARTS = ("folder", "base", "config", "motion_module", "vae")
CONTROLS = ("sparse_rgb", "sparse_scribble", "depth_control")
PATHS = (*PARTS, *CONTROLS, "tiny_vae")


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """What clips the model makes.

    frames: as trained; most_frames: at most; area: about so many pixels a frame; multiple: of which sides must be.
    """

    frames: int
    most_frames: int
    area: int
    multiple: int


@dataclass(frozen=True, kw_only=True)
class LoraFile:
    """A LoRA's file, and how strongly its change is added to the weights (0: not at all)."""

    file: Path
    strength: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """name: what --model takes; settings: tuned defaults; presets: what the families 'draft' and 'quality' change of
    them; source: the entry's own file. Paths are absolute.

    Either `folder`: a complete diffusers folder; or `base`: SD1.5 as a diffusers folder or a single file, and
    `motion_module`: a diffusers folder or an AnimateDiff file. `config`: a diffusers folder of which only the tokenizer
    and the configs are read, in place of CLIP's and SD1.5's. `vae` takes the place of the base's own. `embeddings`: the
    textual inversions that a job's prompts name, by name; never in the entry's file.
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
        """This model's settings, overlaid by what a job chose. SettingError names a setting that cannot be."""
        family = chosen.get("family", "default")
        if family in OWN_FAMILIES and family not in self.presets:
            raise SettingError(f"The model {self.name!r} has no {family} settings: {self.source} names none.")
        preset = self.presets.get(family, {})
        settings = resolve({"frames": self.clip.frames} | self.settings | preset, chosen)
        if settings.frames > self.clip.most_frames:
            raise SettingError(
                f"frames is {settings.frames}; the model {self.name!r} makes at most {self.clip.most_frames} frames."
            )
        return settings

    @property
    def families(self) -> list[str]:
        """The families of settings that can be chosen for this model."""
        return [name for name in FAMILIES if name not in OWN_FAMILIES or name in self.presets]

    @property
    def controls(self) -> list[str]:
        """The keys of the control models it has: what a job may give it besides text and motion."""
        return [key for key in CONTROLS if getattr(self, key) is not None]

    def lora_files(self) -> dict[str, LoraFile]:
        """All LoRAs by the key that names them, in the order in which they are written."""
        named = {"domain_adapter": self.domain_adapter} if self.domain_adapter else {}
        for key in ("loras", "motion_loras"):
            named |= {f"{key}[{i}]": add_on for i, add_on in enumerate(getattr(self, key))}
        return named

    def paths(self) -> dict[str, Path]:
        """Every path the entry names, by its key."""
        single = {key: path for key in PATHS if (path := getattr(self, key)) is not None}
        named = {f"embedding:{name}": path for name, path in self.embeddings.items()}
        return single | {key: add_on.file for key, add_on in self.lora_files().items()} | named

    def missing(self) -> dict[str, Path]:
        return {key: path for key, path in self.paths().items() if not path.exists()}

    def weight_files(self) -> dict[str, Path]:
        """Every weight file the model is made of, by a name that tells its part, and a LoRA's strength."""
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
    return data_folder() / "models"


def read_entries() -> tuple[dict[str, ModelEntry], list[JobError]]:
    """The shipped entries, then the user's own, which may not take another's name; and what is wrong with others."""
    entries: dict[str, ModelEntry] = {}
    problems = []
    for folder in (SHIPPED, user_entries_folder()):
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
            try:
                entry = read_entry(path)
            except JobError as error:
                problems.append(error)
                continue
            if entry.name in entries:
                text = f"{path} names the model {entry.name!r}, which {entries[entry.name].source} has named already."
                problems.append(JobError(text, "Give it another name."))
            else:
                entries[entry.name] = entry
    return entries, problems


def all_entries() -> dict[str, ModelEntry]:
    """The readable entries; one that is wrong does not take the others away."""
    return read_entries()[0]


def find_entry(name: str) -> ModelEntry:
    """JobError when there is no such entry, or when a file that it names is not there."""
    entries, problems = read_entries()
    if name not in entries:
        wrong = f" Not readable: {problems[0]}" if problems else ""
        raise JobError(
            f"There is no model {name!r}{nearest(name, entries)}",
            f"Models here: {', '.join(entries)}. Your own go into {user_entries_folder()}.{wrong}",
        )
    entry = entries[name]
    if missing := entry.missing():
        named = ", ".join(f"{key} ({path})" for key, path in missing.items())
        raise JobError(
            f"The model {name!r} names files that are not there: {named}.",
            f"Put them there, or fix the paths in {entry.source}.",
        )
    check_files(entry.paths())
    return entry


def read_entry(path: Path) -> ModelEntry:
    """JobError names the file and the first key that is wrong."""
    try:
        content = read_table(path)
    except (OSError, ValueError) as error:
        raise JobError(f"The model entry {path} cannot be read ({error}).", "Fix or remove the file.") from None
    try:
        entry = ModelEntry(**_values(content, path) | {"source": path})
        _check_settings(entry)
        return entry
    except (ValueError, RecursionError) as error:
        reason = str(error)[:MAX_REASON].rstrip(".")
        raise JobError(
            f"The model entry {path} is not right: {reason}.", "Compare it with the shipped entries and the README."
        ) from None


def _values(content: Any, source: Path) -> dict[str, Any]:
    """What the entry's file names, each of its own type. ValueError."""

    def path(value: Any) -> Path:
        """Absolute; a relative path counts from the entry's folder, "~" is the user's home."""
        if not isinstance(value, str) or not value:
            raise TypeError("a path in quotes")
        return (source.parent / Path(value).expanduser()).resolve()

    def add_on(value: Any, key: str) -> LoraFile:
        """From a table of file and strength, or only a path."""
        told = {"file": value} if isinstance(value, str) else value
        return LoraFile(**strict_values(LoraFile, told, {"Path": path, "float": _finite}, key))

    def lora_files(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise TypeError("a list")
        return value

    checks = {
        "Path": path,
        "LoraFile": lambda one: one,
        "tuple[LoraFile, ...]": lora_files,
        "ClipSpec": _clip,
        "str": text,
    }
    if unknown := INTERNAL_FIELDS & set(content):
        raise ValueError(f"it has an unknown key {min(unknown)!r}")
    tables = {"dict[str, Any]": table, "dict[str, dict[str, Any]]": _tables}
    values = strict_values(ModelEntry, content, checks | tables, "it")
    for key in ("loras", "motion_loras"):
        values[key] = tuple(add_on(one, f"{key}[{i}]") for i, one in enumerate(values.get(key, [])))
    if "domain_adapter" in values:
        values["domain_adapter"] = add_on(values["domain_adapter"], "domain_adapter")
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
    """What is wrong with an entry's settings is said when it is read, not when a job runs."""
    for family in entry.presets:
        if family not in OWN_FAMILIES:
            raise ValueError(f"unknown preset {family!r}{nearest(family, OWN_FAMILIES)}")
    for family in ("default", *entry.presets):
        entry.settings_for({"family": family})


def _check_parts(values: Mapping[str, Any]) -> None:
    """A model is one complete folder, or a base with a motion module."""
    if ("folder" in values) == ("base" in values):
        raise ValueError("it needs either folder (a complete model) or base (with motion_module), one of the two")
    if "folder" in values and "motion_module" in values:
        raise ValueError("folder is a complete model; to choose a motion_module, name the model as base instead")
    if "base" in values and "motion_module" not in values:
        raise ValueError("base makes pictures, not clips; it needs a motion_module beside it")
