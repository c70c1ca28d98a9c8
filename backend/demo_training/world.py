"""Draws the small world that the demo model knows: one subject on a checkered ground under a sky.

Everything is ray-cast with numpy in true perspective, so camera moves show the parallax that a Blender
blockout shows. A clip is a `Look` (what it shows) and a `Motion` (how it moves), chosen apart, so the same
motion can be drawn again with another look: that pair is the ground truth of every motion figure we print.

Axes: x right, y up, z away from the camera; the ground is y = 0; one unit is about the subject's radius.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FRAMES = 16

COLOURS: dict[str, tuple[int, int, int]] = {
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
SHAPES = ("ball", "cube", "cone")
SUBJECT_COLOURS = ("red", "yellow", "green", "blue", "purple")
GROUND_COLOURS = ("green", "brown", "white", "purple")
SKY_COLOURS = ("blue", "orange", "black", "pink")
CONE_SIDES = 10
LIGHT = np.array([-0.45, 0.75, -0.49], np.float32)


@dataclass(frozen=True)
class Look:
    """What a clip shows. Colours are names in COLOURS; the numbers vary a look without naming it."""

    shape: str
    subject: str
    ground: str
    sky: str
    shades: tuple[float, float, float] = (1.0, 1.0, 1.0)  # brightness of subject, ground, sky
    contrast: float = 0.17  # of the ground's checker
    tile: float = 2.2  # edge of a checker tile in units
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)  # checker x, checker z, cloud phase

    @property
    def caption(self) -> str:
        return f"a {self.subject} {self.shape} on {self.ground} ground under a {self.sky} sky"


@dataclass(frozen=True)
class Motion:
    """How a clip moves. subject [F, 3]: centre of its base; yaw [F]: its turn in radians; radius in units.
    camera [F, 7]: position x, y, z; yaw, pitch (up is positive), roll in radians; focal length in half frame heights.
    """

    subject: np.ndarray
    yaw: np.ndarray
    radius: float
    camera: np.ndarray


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Camera-to-world rotation [3, 3]; the camera looks along +z."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    tilt = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    bank = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return (turn @ tilt @ bank).astype(np.float32)


def project(motion: Motion, height: float = 1.0) -> np.ndarray:
    """Screen position [F, 2] of the subject's middle, `height` radii above its base: x right, y down, in half frame
    heights from the centre."""
    centre = motion.subject + np.array([0, height * motion.radius, 0])
    out = np.empty((len(centre), 2), np.float32)
    for f, (point, cam) in enumerate(zip(centre, motion.camera)):
        x, y, z = rotation(*cam[3:6]).T @ (point - cam[:3])
        z = max(z, 1e-3)
        out[f] = cam[6] * x / z, -cam[6] * y / z
    return out


def draw_clip(
    look: Look, motion: Motion, size: tuple[int, int] = (64, 64), frames: Sequence[int] | None = None
) -> np.ndarray:
    """uint8 [F, H, W, 3] for size (H, W): all frames of the motion, or those named."""
    frames = range(len(motion.camera)) if frames is None else frames
    return np.stack([_draw_frame(look, motion, f, size) for f in frames])


def _draw_frame(look: Look, motion: Motion, f: int, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    cam = motion.camera[f]
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    x = (xs + 0.5 - width / 2) * (2 / height)
    y = (height / 2 - ys - 0.5) * (2 / height)
    rays = np.stack([x / cam[6], y / cam[6], np.ones_like(x)], -1) @ rotation(*cam[3:6]).T
    pixel = 2 / height / cam[6]
    origin = cam[:3].astype(np.float32)
    base, radius = motion.subject[f].astype(np.float32), np.float32(motion.radius)

    image = _sky(look, rays)
    ground, cover = _ground(look, origin, rays, pixel, base, radius)
    image += (ground - image) * cover[..., None]
    solid, cover = _subject(look, origin, rays, base, radius, motion.yaw[f])
    image += (solid - image) * cover[..., None]
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def _colour(name: str, shade: float) -> np.ndarray:
    return np.array(COLOURS[name], np.float32) / 255 * np.float32(shade)


def _sky(look: Look, rays: np.ndarray) -> np.ndarray:
    """Brighter at the horizon, with soft clouds that are fixed in the world so that a turning camera shows."""
    elevation = rays[..., 1] / np.hypot(rays[..., 0], rays[..., 2])
    azimuth = np.arctan2(rays[..., 0], rays[..., 2])
    phase = look.offset[2]
    cloud = np.sin(7 * azimuth + 3 * np.sin(5 * elevation + phase) + phase) * np.sin(11 * elevation + 2 * phase)
    light = 1.0 - 0.22 * np.clip(elevation, 0, 1.2) + 0.09 * cloud
    return _colour(look.sky, look.shades[2]) * light[..., None].astype(np.float32)


def _ground(look: Look, origin, rays, pixel: float, base, radius) -> tuple[np.ndarray, np.ndarray]:
    """Checkered, antialiased by fading tiles smaller than a pixel, with the subject's soft contact shadow."""
    down = rays[..., 1]
    cover = np.clip(0.5 - down / (pixel * 1.2), 0, 1)
    reach = -origin[1] / np.minimum(down, -1e-3)
    hit_x, hit_z = origin[0] + reach * rays[..., 0], origin[2] + reach * rays[..., 2]
    blur = reach * pixel / np.minimum(np.abs(down), 1) / look.tile  # pixel footprint in tiles
    wave = np.sin(np.pi * (hit_x / look.tile + look.offset[0])) * np.sin(np.pi * (hit_z / look.tile + look.offset[1]))
    tiles = np.clip(wave / (2.2 * blur + 0.08), -1, 1) * np.exp(-((2.0 * blur) ** 2))
    light = 0.94 + look.contrast * tiles
    lift = 1 + base[1] / radius
    spread = np.hypot(hit_x - base[0] - 0.3 * radius * lift, hit_z - base[2] - 0.3 * radius * lift) / (
        1.15 * radius * lift
    )
    light *= 1 - 0.5 / lift * np.clip(1.6 - 1.6 * spread, 0, 1)
    return _colour(look.ground, look.shades[1]) * light[..., None].astype(np.float32), cover


def _subject(look: Look, origin, rays, base, radius, yaw: float) -> tuple[np.ndarray, np.ndarray]:
    eye = origin - base
    if look.shape == "ball":
        inside, normal = _ball(eye - np.array([0, radius, 0], np.float32), rays, radius)
    else:
        inside, normal = _polyhedron(eye, rays, radius, yaw, look.shape)
    steep = np.hypot(*np.gradient(inside)) + 1e-6
    cover = np.clip(0.5 + inside / steep, 0, 1) * _grown(inside > 0)
    lambert = np.clip(normal @ LIGHT, 0, 1)
    light = 0.5 + 0.62 * lambert
    return _colour(look.subject, look.shades[0]) * light[..., None].astype(np.float32), cover


def _grown(mask: np.ndarray) -> np.ndarray:
    """The mask and its neighbours: away from the silhouette the inside field jumps, and its slope means nothing."""
    padded = np.pad(mask, 1)
    return padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


def _ball(eye, rays, radius) -> tuple[np.ndarray, np.ndarray]:
    """A field that is positive inside the silhouette, and the normals of the visible surface."""
    length = np.linalg.norm(rays, axis=-1, keepdims=True)
    along = rays / length
    b = along @ eye
    inside = radius**2 - (eye @ eye - b**2)
    reach = -b - np.sqrt(np.maximum(inside, 0))
    inside = np.where(b < 0, inside, -1)
    return inside, (eye + along * reach[..., None]) / radius


def _polyhedron(eye, rays, radius, yaw: float, shape: str) -> tuple[np.ndarray, np.ndarray]:
    """The same for a convex solid given by half-spaces n . p <= d; a cone is a many-sided pyramid."""
    normals, offsets = _half_spaces(shape, radius, yaw)
    speed = rays @ normals.T
    reach = (offsets - normals @ eye) / np.where(np.abs(speed) < 1e-5, 1e-5, speed)
    enter = np.where(speed < 0, reach, -1e3)
    side = enter.argmax(-1)
    first = np.take_along_axis(enter, side[..., None], -1)[..., 0]
    last = np.where(speed > 0, reach, 1e3).min(-1)
    inside = np.where(last > 0, np.clip(last - first, -20, 20), -1)
    return inside, normals[side]


def _half_spaces(shape: str, radius: float, yaw: float) -> tuple[np.ndarray, np.ndarray]:
    if shape == "cube":
        side, rise, edge = 4, 0.0, 0.86 * radius
        caps, cap_offsets = [(0, -1, 0), (0, 1, 0)], [0.0, 2 * edge]
    else:
        side, rise = CONE_SIDES, 0.46
        edge = radius * np.cos(np.arctan(rise))
        caps, cap_offsets = [(0, -1, 0)], [0.0]
    angle = yaw + np.arange(side) * 2 * np.pi / side
    walls = np.stack([np.cos(angle), np.full(side, rise), np.sin(angle)], -1)
    walls /= np.linalg.norm(walls, axis=-1, keepdims=True)
    return (
        np.concatenate([walls, np.array(caps)]).astype(np.float32),
        np.array([edge] * side + cap_offsets, np.float32),
    )
