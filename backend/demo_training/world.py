"""Draws the demo model's world: one subject on checkered ground under a sky, lit by a key light.

Everything is ray-cast in true perspective with torch, in batches on any device, so camera moves show the same parallax
as a blockout in Blender. A clip consists of a `Look` (what it shows) and a `Motion` (how it moves), chosen
independently. The same motion can therefore be drawn with another look; this pair is the ground truth of all published
motion figures.

Axes: x right, y up, z away from the camera; the ground is y = 0; one unit is about the subject's radius.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from .solids import SHAPES, Surface, length, solid

FRAMES = 16
SIZE = (128, 128)  # height and width of a square clip

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "yellow": (240, 200, 40),
    "green": (46, 160, 67),
    "blue": (40, 90, 214),
    "purple": (140, 50, 180),
    "brown": (140, 92, 52),
    "white": (236, 236, 236),
    "orange": (244, 140, 40),
    "pink": (244, 150, 190),
    "black": (22, 22, 30),
    "grey": (140, 140, 140),
}
SUBJECT_COLORS = ("red", "yellow", "green", "blue", "purple")
GROUND_COLORS = ("green", "brown", "white", "purple")
SKY_COLORS = ("blue", "orange", "black", "pink")
SHADOW = 0.5  # the largest share of the ground's light that the subject blocks

__all__ = ["SHAPES", "Look", "Motion", "Scenes", "draw", "draw_clip", "pack", "project", "rotation", "sent", "trace"]


@dataclass(frozen=True)
class Look:
    """What a clip shows. Colors are names in COLORS; the numbers vary the look without changing its caption."""

    shape: str
    subject: str
    ground: str
    sky: str
    shades: tuple[float, float, float] = (1.0, 1.0, 1.0)  # brightness of subject, ground, sky
    contrast: float = 0.17  # of the ground's checker
    tile: float = 2.2  # edge of a checker tile in units
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)  # checker x, checker z, cloud phase
    light: tuple[float, float] = (-0.75, 0.85)  # key light: azimuth (0 from behind the camera) and elevation in radians
    grain: float = 0.05  # contrast of the ground's texture
    gloss: float = 0.25  # brightness of the subject's highlight

    @property
    def caption(self) -> str:
        return f"a {self.subject} {self.shape} on {self.ground} ground under a {self.sky} sky"


@dataclass(frozen=True)
class Motion:
    """How a clip moves. subject [F, 3]: the center of its base; yaw [F]: its rotation in radians; radius in units;
    camera [F, 7]: position x, y, z, then yaw, pitch (positive is up) and roll in radians, then focal length in half
    frame heights."""

    subject: np.ndarray
    yaw: np.ndarray
    radius: float
    camera: np.ndarray

    def of_frames(self, frames: Sequence[int]) -> Motion:
        chosen = list(frames)
        return replace(self, subject=self.subject[chosen], yaw=self.yaw[chosen], camera=self.camera[chosen])


@dataclass(frozen=True)
class Scenes:
    """N clips of F frames as tensors on one device. groups: runs of clips with the same shape (name, first, end)."""

    groups: tuple[tuple[str, int, int], ...]
    colors: Tensor  # [N, 3, 3]: RGB in 0..1 of subject, ground and sky
    numbers: Tensor  # [N, 10]: contrast, tile, offset x3, light direction x3, grain, gloss
    radius: Tensor  # [N]
    subject: Tensor  # [N, F, 3]
    yaw: Tensor  # [N, F]
    camera: Tensor  # [N, F, 7]

    def to(self, device: torch.device) -> Scenes:
        tensors = {name: sent(value, device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **tensors)


@dataclass(frozen=True)
class Traced:
    """What the rays of N x F frames hit: arrays [N * F, H, W].

    surface: the subject's; ground: the share of a pixel below the horizon; ground_reach and `Surface.reach`: the
    distance along the view axis in units.
    """

    rays: tuple[Tensor, Tensor, Tensor]
    surface: Surface
    ground: Tensor
    ground_reach: Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device. Pinned memory, so that the copy does not wait for the GPU's earlier work."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def pack(looks: Sequence[Look], motions: Sequence[Motion]) -> Scenes:
    """Packs looks and motions of the same number and length. Clips with the same shape next to each other are drawn
    fastest."""
    groups, first = [], 0
    for shape, members in groupby(looks, key=lambda look: look.shape):
        end = first + len(list(members))
        groups.append((shape, first, end))
        first = end

    def floats(values: object) -> Tensor:
        return torch.from_numpy(np.asarray(values, np.float32))

    return Scenes(
        groups=tuple(groups),
        colors=floats([_colors(look) for look in looks]),
        numbers=floats([(k.contrast, k.tile, *k.offset, *_light_direction(*k.light), k.grain, k.gloss) for k in looks]),
        radius=floats([motion.radius for motion in motions]),
        subject=floats(np.stack([motion.subject for motion in motions])),
        yaw=floats(np.stack([motion.yaw for motion in motions])),
        camera=floats(np.stack([motion.camera for motion in motions])),
    )


def draw_clip(
    look: Look, motion: Motion, size: tuple[int, int] = SIZE, frames: Sequence[int] | None = None
) -> np.ndarray:
    """uint8 [F, H, W, 3] for size (H, W): all frames of the motion, or the given ones."""
    motion = motion if frames is None else motion.of_frames(frames)
    return draw(pack([look], [motion]), size)[0].numpy()


@torch.no_grad()
def draw(scenes: Scenes, size: tuple[int, int] = SIZE) -> Tensor:
    """uint8 [N, F, H, W, 3] for size (H, W), on the scenes' device."""
    traced = trace(scenes, size)
    each = _each_frame(scenes)
    light = [each.numbers[:, 5 + axis] for axis in range(3)]
    ground, sky = _ground_light(scenes, each, traced, size), _sky_light(each, traced)
    solid_light, highlight = _subject_light(traced, light, each.numbers[:, 9])
    channels = []
    for c in range(3):
        subject_color, ground_color, sky_color = (each.colors[:, part, c] for part in range(3))
        value = sky_color * sky
        value = torch.lerp(value, ground_color * ground, traced.ground)
        value = torch.lerp(value, subject_color * solid_light + highlight, traced.surface.cover)
        channels.append(value.clamp(0, 1) * 255 + 0.5)
    frames = torch.stack(channels, -1).to(torch.uint8)
    return frames.unflatten(0, scenes.yaw.shape)


@torch.no_grad()
def trace(scenes: Scenes, size: tuple[int, int]) -> Traced:
    """Casts a ray through the center of each pixel of size (H, W)."""
    each = _each_frame(scenes)
    rays = _rays(each.camera, size)
    pixel = 2 / size[0] / each.camera[:, 6]
    ground = (0.5 - rays[1] / (pixel * 1.2)).clamp(0, 1)
    reach = -each.camera[:, 1] / rays[1].clamp(max=-1e-3)
    eye = [each.camera[:, axis] - each.subject[:, axis] for axis in range(3)]
    frames = scenes.yaw.shape[1]
    surfaces = [
        solid(
            shape,
            [e[first * frames : end * frames] for e in eye],
            [r[first * frames : end * frames] for r in rays],
            each.radius[first * frames : end * frames],
            each.yaw[first * frames : end * frames],
        )
        for shape, first, end in scenes.groups
    ]
    return Traced(rays, Surface.joined(surfaces), ground, reach)


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The camera-to-world rotation [3, 3]; the camera looks along +z."""
    turned = torch.tensor([[yaw, pitch, roll]], dtype=torch.float64)
    return _rotations(*turned.T)[0].numpy().astype(np.float32)


def project(motion: Motion, height: float = 1.0) -> np.ndarray:
    """The screen position [F, 2] of the subject's center, `height` radii above its base: x right, y down, in half frame
    heights from the center."""
    center = motion.subject + np.array([0, height * motion.radius, 0])
    camera = torch.from_numpy(np.asarray(motion.camera, np.float64))
    towards = torch.from_numpy(center - motion.camera[:, :3])[:, None, :]
    x, y, z = (towards @ _rotations(*camera[:, 3:6].T))[:, 0].T.numpy()
    z = np.maximum(z, 1e-3)
    return np.stack([camera[:, 6].numpy() * x / z, -camera[:, 6].numpy() * y / z], -1).astype(np.float32)


@dataclass(frozen=True)
class _EachFrame:
    """The scenes' tensors with one entry per frame: [N * F, ..., 1, 1], which broadcasts over pixels."""

    colors: Tensor
    numbers: Tensor
    radius: Tensor
    subject: Tensor
    yaw: Tensor
    camera: Tensor


def _each_frame(scenes: Scenes) -> _EachFrame:
    frames = scenes.yaw.shape[1]

    def spread(value: Tensor) -> Tensor:
        return value.repeat_interleave(frames, 0)[..., None, None]

    def flat(value: Tensor) -> Tensor:
        return value.flatten(0, 1)[..., None, None]

    return _EachFrame(
        spread(scenes.colors),
        spread(scenes.numbers),
        spread(scenes.radius),
        flat(scenes.subject),
        flat(scenes.yaw),
        flat(scenes.camera),
    )


def _colors(look: Look) -> np.ndarray:
    names = (look.subject, look.ground, look.sky)
    return np.stack([np.array(COLORS[name]) / 255 * shade for name, shade in zip(names, look.shades)])


def _light_direction(azimuth: float, elevation: float) -> tuple[float, float, float]:
    """The direction to the light. Azimuth 0 is behind a camera that looks along +z."""
    flat = np.cos(elevation)
    return float(flat * np.sin(azimuth)), float(np.sin(elevation)), float(-flat * np.cos(azimuth))


def _rotations(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """Camera-to-world rotations [K, 3, 3] of angles [K]."""
    cy, sy, cp, sp, cr, sr = yaw.cos(), yaw.sin(), pitch.cos(), pitch.sin(), roll.cos(), roll.sin()
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)

    def matrix(*rows: Tensor) -> Tensor:
        return torch.stack(rows, -1).unflatten(-1, (3, 3))

    turn = matrix(cy, zero, sy, zero, one, zero, -sy, zero, cy)
    tilt = matrix(one, zero, zero, zero, cp, sp, zero, -sp, cp)
    bank = matrix(cr, -sr, zero, sr, cr, zero, zero, zero, one)
    return turn @ tilt @ bank


def _rays(camera: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """World directions, each [K, H, W], with length 1 along the view axis. camera: [K, 7, 1, 1]."""
    height, width = size
    x = (torch.arange(width, device=camera.device) + 0.5 - width / 2) * (2 / height)
    y = (height / 2 - 0.5 - torch.arange(height, device=camera.device)) * (2 / height)
    right, up = x / camera[:, 6], y[:, None] / camera[:, 6]
    turn = _rotations(*camera[:, 3:6, 0, 0].T)[..., None, None]
    return tuple(turn[:, axis, 0] * right + turn[:, axis, 1] * up + turn[:, axis, 2] for axis in range(3))


def _sky_light(each: _EachFrame, traced: Traced) -> Tensor:
    """Brighter at the horizon, with soft clouds that are fixed in the world, so that camera rotation is visible."""
    x, y, z = traced.rays
    elevation = y / torch.hypot(x, z)
    azimuth = torch.atan2(x, z)
    phase = each.numbers[:, 4]
    cloud = torch.sin(7 * azimuth + 3 * torch.sin(5 * elevation + phase) + phase)
    cloud = cloud * torch.sin(11 * elevation + 2 * phase)
    return 1.0 - 0.22 * elevation.clamp(0, 1.2) + 0.09 * cloud


def _ground_light(scenes: Scenes, each: _EachFrame, traced: Traced, size: tuple[int, int]) -> Tensor:
    """A checker pattern and fine grain, antialiased by fading details smaller than a pixel, and the subject's
    shadow."""
    contrast, tile, grain = each.numbers[:, 0], each.numbers[:, 1], each.numbers[:, 8]
    x, y, z = traced.rays
    hit_x = each.camera[:, 0] + traced.ground_reach * x
    hit_z = each.camera[:, 2] + traced.ground_reach * z
    footprint = traced.ground_reach * (2 / size[0] / each.camera[:, 6]) / y.abs().clamp(1e-3, 1)
    blur = footprint / tile
    wave = torch.sin(torch.pi * (hit_x / tile + each.numbers[:, 2]))
    wave = wave * torch.sin(torch.pi * (hit_z / tile + each.numbers[:, 3]))
    tiles = (wave / (2.2 * blur + 0.08)).clamp(-1, 1) * torch.exp(-((2.0 * blur) ** 2))
    light = 0.94 + contrast * tiles + grain * _grain(hit_x, hit_z, each.numbers[:, 2], footprint)
    return light * (1 - SHADOW * _shadow(scenes, each, hit_x, hit_z))


def _grain(x: Tensor, z: Tensor, phase: Tensor, footprint: Tensor) -> Tensor:
    """Two octaves of bent waves, about 1 and 0.45 units long: a texture that shows the ground's motion."""
    coarse = torch.sin(5.1 * x + 2.3 * z + 2 * torch.sin(3.7 * z - 1.9 * x + phase))
    fine = torch.sin(11.3 * z - 6.1 * x + 2 * torch.sin(9.7 * x + 4.3 * z + 2 * phase))
    return 0.6 * coarse * torch.exp(-((2.2 * footprint) ** 2)) + 0.4 * fine * torch.exp(-((5 * footprint) ** 2))


def _shadow(scenes: Scenes, each: _EachFrame, hit_x: Tensor, hit_z: Tensor) -> Tensor:
    """The shadow from 0 (lit) to 1, from the length of the light ray inside the subject.

    It has soft edges, and becomes softer and weaker the higher the subject floats.
    """
    frames = scenes.yaw.shape[1]
    lift = each.subject[:, 1] / each.radius
    parts = []
    for shape, first, end in scenes.groups:
        chosen = slice(first * frames, end * frames)
        base = each.subject[chosen]
        start = [hit_x[chosen] - base[:, 0], -base[:, 1].expand_as(hit_x[chosen]), hit_z[chosen] - base[:, 2]]
        light = [each.numbers[chosen, 5 + axis] for axis in range(3)]
        parts.append(length(shape, start, light, each.radius[chosen], each.yaw[chosen]))
    through = torch.cat(parts) / (each.radius * (0.5 + 0.5 * lift))
    return through.clamp(0, 1) / (1 + 0.35 * lift)


def _subject_light(traced: Traced, light: list[Tensor], gloss: Tensor) -> tuple[Tensor, Tensor]:
    """Diffuse light, to multiply with colors, and a white highlight to add (Blinn-Phong)."""
    nx, ny, nz = traced.surface.normal
    lambert = (nx * light[0] + ny * light[1] + nz * light[2]).clamp(0, 1)
    x, y, z = traced.rays
    inverse = torch.rsqrt(x * x + y * y + z * z)
    half = [towards - ray * inverse for towards, ray in zip(light, (x, y, z))]
    size = torch.rsqrt(half[0] ** 2 + half[1] ** 2 + half[2] ** 2 + 1e-6)
    facing = ((nx * half[0] + ny * half[1] + nz * half[2]) * size).clamp(0, 1)
    return 0.44 + 0.06 * ny + 0.6 * lambert, gloss * facing**24
