"""A model entry: the components of a model and the settings tuned for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..job_folder.clip_length import context_length, context_overlap
from ..job_folder.declared import SettingError, declarations
from ..job_folder.families import FAMILIES, OWN_FAMILIES, resolve
from ..job_folder.settings import Settings
from .entry_files import files_in

WEIGHTS = ".safetensors"
# The paths that an entry may name, besides LoRAs.
PARTS = ("folder", "base", "config", "motion_module", "vae")
CONTROLS = ("sparse_rgb", "sparse_scribble", "depth_control")
PATHS = (*PARTS, *CONTROLS, "tiny_vae")


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """The clips that a model generates.

    frames: the number of frames it was trained with. most_frames: the maximum at once. area: the approximate number of
    pixels of a frame. multiple: width and height must be multiples of it. rate: the frames per second it was trained
    with, AnimateDiff's if not given.
    """

    frames: int
    most_frames: int
    area: int
    multiple: int
    rate: int = 8


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

    def settings_for(self, chosen: Mapping[str, Any], frames: int | None = None) -> Settings:
        """Returns the settings of this model with those of a job on top, each with a value instead of auto.

        frames: what frames=auto means for the job, the model's own number if not given. Raises SettingError for an
        invalid setting.
        """
        settings = self._with_contexts(self.combined(chosen))
        settings = replace(settings, frames=settings.frames or frames or self.clip.frames)
        if settings.context_length is None and settings.frames > self.clip.most_frames:
            raise SettingError("frames is {frames}; the model {name} generates at most {most_frames} frames.").about(
                frames=settings.frames, name=repr(self.name), most_frames=self.clip.most_frames
            )
        return settings

    def combined(self, chosen: Mapping[str, Any]) -> Settings:
        """Returns the settings of this model with those of a job on top. Raises SettingError for an invalid setting."""
        family = chosen.get("family", "default")
        if family in OWN_FAMILIES and family not in self.presets:
            raise SettingError("The model {name} has no {family} settings: {source} contains none.").about(
                name=repr(self.name), family=family, source=self.source
            )
        known = declarations(Settings)
        for key in chosen:
            if key in known and not known[key].known_to(self.backbone):
                raise SettingError("The model {name} does not know the setting {key}.").about(
                    name=repr(self.name), key=repr(key)
                )
        preset = self.presets.get(family, {})
        return resolve(self.settings | preset, chosen)

    def _with_contexts(self, s: Settings) -> Settings:
        """Returns the settings with values of context_length and context_overlap. Raises SettingError."""
        if not self._has_contexts:
            return s
        length = context_length(s.context_length, s.frames, self.clip.frames, self.clip.most_frames)
        if length > self.clip.most_frames:
            raise SettingError(
                "context_length is {length}; the model {name} generates at most {most_frames} frames at once."
            ).about(length=length, name=repr(self.name), most_frames=self.clip.most_frames)
        overlap = context_overlap(s.context_overlap, length)
        if overlap >= length:
            raise SettingError("context_overlap is {overlap}; it must be less than context_length, {length}.").about(
                overlap=overlap, length=length
            )
        return replace(s, context_length=length, context_overlap=overlap)

    @property
    def _has_contexts(self) -> bool:
        return declarations(Settings)["context_length"].known_to(self.backbone)

    @property
    def rate(self) -> int:
        """The frames per second of frames=auto; 0 if the model generates no clips longer than its own."""
        return self.clip.rate if self._has_contexts else 0

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
