"""Control models: SparseCtrl for pictures and sketches at chosen frames, a ControlNet for depth in every frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from diffusers import ControlNetModel, SparseControlNetModel, UNetMotionModel
from safetensors import SafetensorError
from torch import Tensor, nn

from ...clips import to_pixels
from ...controls.conditions import CONTROL_OF, Condition
from ...errors import JobError
from ...job_folder.reading import read_json
from ...job_folder.settings import Settings
from ...models.entry import ModelEntry
from .denoise import Control, Residuals
from .frame_norm import normalize_each_frame
from .weights.control_files import control_from_file
from .weights.modules import SAFE, variant_of
from .weights.sources import MAX_CONFIG_BYTES
from .weights.surplus import notes_on_loading

CLASSES = {"image": SparseControlNetModel, "sketch": SparseControlNetModel, "depth": ControlNetModel}
TRAIN_TIMESTEPS = 1000
# What must be the same in the UNet, or the residuals would not fit its layers.
SHAPE = ("block_out_channels", "layers_per_block", "cross_attention_dim")


class Controlled(Protocol):
    """What is looked at of the loaded model. loaded_controls: by kind, the files' stamps and what they hold, kept
    between takes."""

    @property
    def entry(self) -> ModelEntry: ...

    @property
    def unet(self) -> UNetMotionModel: ...

    @property
    def loaded_controls(self) -> dict[str, tuple[Any, Any]]: ...

    def encode(self, pixels: Tensor) -> Tensor: ...


class SparseControl:
    """Pictures at a few frames, told to the UNet by a SparseCtrl model, which does not look at the noisy latents."""

    def __init__(
        self, model: SparseControlNetModel, pictures: Tensor, frame_indices: Sequence[int], frames: int, strength: float
    ):
        """pictures [n, c, h, w]: latents, or pixels 0..1, as the model was trained; the other frames stay empty."""
        self.condition = pictures.new_zeros(1, pictures.shape[1], frames, *pictures.shape[2:])
        self.mask = pictures.new_zeros(1, 1, *self.condition.shape[2:])
        self.condition[0, :, list(frame_indices)] = pictures.transpose(0, 1)
        self.mask[:, :, list(frame_indices)] = 1
        self.model, self.strength = model, strength
        self.embedding = _once(model, frames)

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
    """A depth picture for each frame, told to the UNet by a ControlNet, frame by frame."""

    def __init__(self, model: ControlNetModel, pixels: Tensor, strength: float, end: float):
        """pixels [F, 3, H, W] in 0..1; end: share of the noise schedule, from pure noise down, that depth holds."""
        self.model, self.pixels, self.strength = model, pixels, strength
        self.last_timestep = (1 - end) * TRAIN_TIMESTEPS
        self.embedding = _once(model, len(pixels))

    def __call__(self, latents: Tensor, timestep: int, text: Tensor) -> Residuals | None:
        if timestep < self.last_timestep:
            return None
        frames = latents.transpose(1, 2).flatten(0, 1)
        pixels = self.pixels.repeat(len(latents), 1, 1, 1)
        self.model.controlnet_cond_embedding = self.embedding
        return self.model(frames, timestep, text, pixels, conditioning_scale=self.strength, return_dict=False)


class _Once(nn.Module):
    """A control model's embedding of its condition, which is the same in every step: computed in the first."""

    def __init__(self, embedding: nn.Module, frames: int):
        super().__init__()
        self.embedding, self.frames, self.known = embedding, frames, None

    def forward(self, condition: Tensor) -> Tensor:
        if self.known is None:
            self.known = self.embedding(condition[: self.frames])
        return self.known.repeat(len(condition) // self.frames, 1, 1, 1)


def _once(model: Any, frames: int) -> _Once:
    """The embedding of a control model that may serve other takes too, for one of them."""
    embedding = model.controlnet_cond_embedding
    return _Once(embedding.embedding if isinstance(embedding, _Once) else embedding, frames)


def used(conditions: Mapping[str, Condition], settings: Settings) -> list[str]:
    """The kinds that are active: with a strength, and kept beyond the first step."""
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
    """The controls for a clip of so many frames; only what is used is loaded; note: is given sentences for the user.
    JobError names a file or folder that is wrong.

    The model keeps the loaded ones for its next take, and no others."""
    controls: list[Control] = []
    kinds = used(conditions, settings)
    for kind in set(model.loaded_controls) - set(kinds):
        del model.loaded_controls[kind]
    for kind in kinds:
        (net, said), pixels = _kept(model, kind, frames), to_pixels(conditions[kind].pictures)
        for sentence in said:
            note(sentence)
        pictures = model.encode(pixels)[0].transpose(0, 1) if kind == "image" else (pixels + 1) / 2
        pictures, strength = pictures.to(net.device, net.dtype), getattr(settings, f"{kind}_strength")
        if kind == "depth":
            controls.append(DepthControl(net, pictures, strength, settings.depth_end))
        else:
            controls.append(SparseControl(net, pictures, conditions[kind].frame_indices, frames, strength))
    return tuple(controls)


def _kept(model: Controlled, kind: str, frames: int) -> tuple[Any, list[str]]:
    """The control model that an earlier take loaded, if its files are still the same, else it is loaded; and notes."""
    folder: Path = getattr(model.entry, CONTROL_OF[kind])
    stamps = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in _files_in(folder)]
    if kind not in model.loaded_controls or model.loaded_controls[kind][0] != stamps:
        model.loaded_controls.pop(kind, None)  # not two of them at once
        model.loaded_controls[kind] = stamps, _load(model, kind, folder)
    net, said = model.loaded_controls[kind][1]
    if kind != "depth" and (known := net.config.motion_max_seq_length) < frames:
        raise JobError(f"The control model {folder} knows {known} frames; the setting frames is {frames}.", "Lower it.")
    return net, said


def _files_in(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:  # loading names what is wrong
        return []


def _load(model: Controlled, kind: str, path: Path) -> tuple[Any, list[str]]:
    """A control model, and notes for the user."""
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
            low_cpu_mem_usage=False,  # True would ask for accelerate
            output_loading_info=True,
            **SAFE,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise JobError(
            f"The control model {folder} cannot be loaded: {reason}",
            "Its files may be incomplete: fetch or copy the folder again.",
        ) from error
    notes += notes_on_loading(info, key, folder)
    return net


def _check_class(folder: Path, key: str, wanted: str) -> None:
    try:
        config = read_json(folder / "config.json", MAX_CONFIG_BYTES)
        found = config.get("_class_name", "a model of no known kind")
    except (OSError, ValueError, AttributeError):
        found = "no config.json that can be read"
    if found != wanted:
        raise JobError(
            f"The entry's {key}, {folder}, should be a diffusers folder with a {wanted}; it holds {found}.",
            f"Point {key} at the right folder or single file, or remove it from the entry.",
        )


def _check_fit(model: Controlled, net: Any, kind: str, folder: Path) -> None:
    """JobError when the control model was made for another kind of condition or another UNet."""
    if kind != "depth" and net.config.use_simplified_condition_embedding != (kind == "image"):
        found = "sketches" if kind == "image" else "images"
        raise JobError(
            f"The control model {folder} was trained on {found}, not for {CONTROL_OF[kind]}.",
            "The entry's sparse_rgb and sparse_scribble may be mixed up.",
        )
    for key in SHAPE:
        ours, theirs = _each(model.unet.config[key], net), _each(net.config[key], net)
        if ours != theirs:
            raise JobError(
                f"The control model {folder} is for another architecture: its {key} is {net.config[key]}, "
                f"the model's {model.unet.config[key]}.",
                "SD1.5 models take control models for SD1.5 only, not for SD2 or SDXL.",
            )


def _each(value: Any, net: Any) -> list[Any]:
    """A config's value for each down block; it may be given once for all."""
    return list(value) if isinstance(value, list | tuple) else [value] * len(net.config.down_block_types)
