"""Control models: SparseCtrl for pictures and sketches at some frames, a ControlNet for depth in every frame.

SparseCtrl: Guo et al., arXiv:2311.16933. ControlNet: Zhang et al., arXiv:2302.05543.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from diffusers import ControlNetModel, SparseControlNetModel, UNetMotionModel
from safetensors import SafetensorError
from torch import Tensor, nn

from ...clips import to_pixels
from ...controls.conditions import CONTROL_OF, Condition
from ...job_folder.problem import Problem
from ...job_folder.reading import read_json
from ...job_folder.settings import Settings
from ...models.model_entry import ModelEntry
from ...sampling.contexts import contexts_of
from .denoise import Control, Residuals
from .frame_norm import normalize_each_frame
from .weights.control_files import control_from_file
from .weights.modules import SAFE, variant_of
from .weights.sources import MAX_CONFIG_BYTES
from .weights.surplus import notes_on_loading

CLASSES = {"image": SparseControlNetModel, "sketch": SparseControlNetModel, "depth": ControlNetModel}
TRAIN_TIMESTEPS = 1000
# These must equal the UNet's, or the residuals do not fit its layers.
SHAPE = ("block_out_channels", "layers_per_block", "cross_attention_dim")


class Controlled(Protocol):
    """The parts of a loaded model that controls need.

    loaded_controls: for each kind the stamps of its files and the loaded control model, kept between takes.
    """

    @property
    def entry(self) -> ModelEntry: ...

    @property
    def unet(self) -> UNetMotionModel: ...

    @property
    def loaded_controls(self) -> dict[str, tuple[Any, Any]]: ...

    def encode(self, pixels: Tensor) -> Tensor: ...


class SparseControl:
    """Conditions the UNet on pictures at a few frames, by a SparseCtrl model, which ignores the noisy latents."""

    def __init__(
        self, model: SparseControlNetModel, pictures: Tensor, frame_indices: Sequence[int], frames: int, strength: float
    ):
        """pictures [n, c, h, w]: latents or pixels in 0..1, as the control model was trained. frame_indices: their
        frames; the other frames stay empty."""
        self._pictures, self._frame_indices, self._frames = pictures, list(frame_indices), frames
        self.model, self.strength = model, strength
        self.embedding = _cached_embedding(model, frames)

    @cached_property  # a clip of several contexts never needs that of all frames
    def condition(self) -> Tensor:
        condition = self._pictures.new_zeros(1, self._pictures.shape[1], self._frames, *self._pictures.shape[2:])
        condition[0, :, self._frame_indices] = self._pictures.transpose(0, 1)
        return condition

    @cached_property
    def mask(self) -> Tensor:
        mask = self._pictures.new_zeros(1, 1, *self.condition.shape[2:])
        mask[:, :, self._frame_indices] = 1
        return mask

    def part(self, frames: Sequence[int]) -> SparseControl | None:
        """Returns the control of these frames of the clip, None if they contain no picture."""
        shown = [k for k, frame in enumerate(self._frame_indices) if frame in frames]
        if not shown:
            return None
        places = [frames.index(self._frame_indices[k]) for k in shown]
        return SparseControl(self.model, self._pictures[shown], places, len(frames), self.strength)

    def __call__(self, latents: Tensor, timestep: int, text: Tensor) -> Residuals:
        self.model.controlnet_cond_embedding = self.embedding
        return self.model(
            latents,
            timestep,
            text,
            self.condition,
            conditioning_mask=self.mask,
            conditioning_scale=self.strength,
            return_dict=False,
        )


class DepthControl:
    """Conditions the UNet on a depth picture for each frame, by a ControlNet, frame by frame."""

    def __init__(self, model: ControlNetModel, pictures: np.ndarray, strength: float, end: float):
        """pictures: uint8 [F, H, W, 3]. end: the share of the noise schedule, from pure noise down, with depth."""
        self._pictures, self._end = pictures, end
        self.model, self.strength = model, strength
        self.last_timestep = (1 - end) * TRAIN_TIMESTEPS
        self.embedding = _cached_embedding(model, len(pictures))

    @cached_property  # on the device: a clip of several contexts never needs that of all frames
    def pixels(self) -> Tensor:
        """[F, 3, H, W] in 0..1."""
        return _zero_to_one(self._pictures).to(self.model.device, self.model.dtype)

    def part(self, frames: Sequence[int]) -> DepthControl:
        """Returns the control of these frames of the clip."""
        return DepthControl(self.model, self._pictures[list(frames)], self.strength, self._end)

    def __call__(self, latents: Tensor, timestep: int, text: Tensor) -> Residuals | None:
        if timestep < self.last_timestep:
            return None
        frames = latents.transpose(1, 2).flatten(0, 1)
        pixels = self.pixels.repeat(len(latents), 1, 1, 1)
        self.model.controlnet_cond_embedding = self.embedding
        return self.model(frames, timestep, text, pixels, conditioning_scale=self.strength, return_dict=False)


class _CachedEmbedding(nn.Module):
    """The embedding of a control model's condition. It is the same in every step, so only the first computes it."""

    def __init__(self, embedding: nn.Module, frames: int):
        super().__init__()
        self.embedding, self.frames, self.cached = embedding, frames, None

    def forward(self, condition: Tensor) -> Tensor:
        if self.cached is None:
            self.cached = self.embedding(condition[: self.frames])
        return self.cached.repeat(len(condition) // self.frames, 1, 1, 1)


def _cached_embedding(model: Any, frames: int) -> _CachedEmbedding:
    """Returns a cached embedding for one take. The control model may serve other takes too."""
    embedding = model.controlnet_cond_embedding
    return _CachedEmbedding(embedding.embedding if isinstance(embedding, _CachedEmbedding) else embedding, frames)


def active_kinds(conditions: Mapping[str, Condition], settings: Settings) -> list[str]:
    """Returns the kinds of conditions that have any effect with these settings."""
    kinds = [kind for kind in conditions if getattr(settings, f"{kind}_strength") > 0]
    return [kind for kind in kinds if kind != "depth" or settings.depth_end > 0]


@torch.no_grad()
def load_controls(
    model: Controlled,
    conditions: Mapping[str, Condition],
    frames: int,
    settings: Settings,
    note: Callable[[str], None] = lambda _: None,
) -> tuple[Control, ...]:
    """Returns the controls for a clip of `frames` frames, and loads the control models that have any effect.

    note: receives sentences for the user. The model keeps the loaded control models for its next take, and drops the
    others. Raises Problem for an unsuitable file or folder.
    """
    controls: list[Control] = []
    kinds = active_kinds(conditions, settings)
    for kind in set(model.loaded_controls) - set(kinds):
        del model.loaded_controls[kind]
    contexts = contexts_of(settings, frames)
    for kind in kinds:
        net, notes = _loaded(model, kind, contexts.length)
        strength, pictures = getattr(settings, f"{kind}_strength"), conditions[kind].pictures
        for sentence in notes:
            note(sentence)
        if kind == "depth":
            controls.append(DepthControl(net, pictures, strength, settings.depth_end))
            continue
        shown = model.encode(to_pixels(pictures))[0].transpose(0, 1) if kind == "image" else _zero_to_one(pictures)
        shown = shown.to(net.device, net.dtype)
        controls.append(SparseControl(net, shown, conditions[kind].frame_indices, frames, strength))
    return tuple(controls)


def _zero_to_one(pictures: np.ndarray) -> Tensor:
    """Returns uint8 pictures [n, H, W, 3] as pixels [n, 3, H, W] in 0..1."""
    return (to_pixels(pictures) + 1) / 2


def _loaded(model: Controlled, kind: str, frames: int) -> tuple[Any, list[str]]:
    """Returns the control model and notes for the user. It is loaded again only if its files changed."""
    folder: Path = getattr(model.entry, CONTROL_OF[kind])
    stamps = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in _files_in(folder)]
    if kind not in model.loaded_controls or model.loaded_controls[kind][0] != stamps:
        model.loaded_controls.pop(kind, None)  # do not hold two of them at once
        model.loaded_controls[kind] = stamps, _load(model, kind, folder)
    net, notes = model.loaded_controls[kind][1]
    if kind != "depth" and (known := net.config.motion_max_seq_length) < frames:
        raise Problem(
            "The control model {folder} supports {known} frames; the setting context_length is {frames}.", "Lower it."
        ).about(folder=folder, known=known, frames=frames)
    return net, notes


def _files_in(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:  # loading reports it
        return []


def _load(model: Controlled, kind: str, path: Path) -> tuple[Any, list[str]]:
    """Loads a control model; returns it with notes for the user."""
    key, wanted = CONTROL_OF[kind], CLASSES[kind]
    notes: list[str] = []
    if path.is_file():
        net = control_from_file(path, key, wanted, model.unet, notes)
    else:
        net = _from_folder(model, path, key, wanted, notes)
    _check_fit(model, net, kind, path)
    normalize_each_frame(net)
    return net.to(model.unet.device).eval().requires_grad_(False), notes


def _from_folder(model: Controlled, folder: Path, key: str, wanted: type, notes: list[str]) -> Any:
    _check_class(folder, key, wanted.__name__)
    try:
        net, info = wanted.from_pretrained(
            folder,
            variant=variant_of(folder, "diffusion_pytorch_model"),
            torch_dtype=model.unet.dtype,
            low_cpu_mem_usage=False,  # True requires accelerate
            output_loading_info=True,
            **SAFE,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise Problem(
            "The control model {folder} cannot be loaded: {reason}",
            "Its files may be incomplete: download or copy the folder again.",
        ).about(folder=folder, reason=reason) from error
    notes += notes_on_loading(info, key, folder)
    return net


def _check_class(folder: Path, key: str, wanted: str) -> None:
    try:
        config = read_json(folder / "config.json", MAX_CONFIG_BYTES)
        found = config.get("_class_name", "an unknown model")
    except (OSError, ValueError, AttributeError):
        found = "no readable config.json"
    if found != wanted:
        raise Problem(
            "The entry's {key}, {folder}, should be a diffusers folder with a {wanted}; it contains {found}.",
            "Set {key} to the right folder or single file, or remove it from the entry.",
        ).about(key=key, folder=folder, wanted=wanted, found=found)


def _check_fit(model: Controlled, net: Any, kind: str, folder: Path) -> None:
    """Raises Problem if the control model was trained for another kind of condition or another UNet."""
    if kind != "depth" and net.config.use_simplified_condition_embedding != (kind == "image"):
        found = "sketches" if kind == "image" else "images"
        raise Problem(
            "The control model {folder} was trained on {found}, not for {key}.",
            "The entry's sparse_rgb and sparse_scribble may be mixed up.",
        ).about(folder=folder, found=found, key=CONTROL_OF[kind])
    for key in SHAPE:
        ours, theirs = _each(model.unet.config[key], net), _each(net.config[key], net)
        if ours != theirs:
            raise Problem(
                "The control model {folder} is for another architecture: its {key} is {found}, the model's is "
                "{expected}.",
                "SD1.5 models take control models for SD1.5 only, not for SD2 or SDXL.",
            ).about(folder=folder, key=key, found=net.config[key], expected=model.unet.config[key])


def _each(value: Any, net: Any) -> list[Any]:
    """Returns a config value for each down block. A config may give one value for all of them."""
    return list(value) if isinstance(value, list | tuple) else [value] * len(net.config.down_block_types)
