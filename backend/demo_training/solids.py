"""Intersects rays with the subject: convex solids of revolution and boxes, computed analytically with soft outlines.

The origin is the center of a solid's base. Rays are given as components [K, H, W] or what broadcasts to that; a point
on a ray is eye + reach * ray.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SHAPES = ("ball", "cube", "cone")
FAR = 1e3
CUBE_EDGE = 0.86  # half the edge, in radii
CONE_SLOPE = 0.46  # the decrease of a cone's radius per unit of height

Vector = Sequence[Tensor]


@dataclass(frozen=True)
class Surface:
    """The nearest surface, arrays [K, H, W]. cover: the share of a pixel inside the outline; reach: the distance in ray
    lengths; normal: the components of a unit vector."""

    cover: Tensor
    reach: Tensor
    normal: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def joined(cls, parts: Sequence[Surface]) -> Surface:
        if len(parts) == 1:
            return parts[0]
        normal = tuple(torch.cat([part.normal[axis] for part in parts]) for axis in range(3))
        return cls(torch.cat([p.cover for p in parts]), torch.cat([p.reach for p in parts]), normal)


@dataclass(frozen=True)
class _Span:
    """The part of a ray inside a solid, from `enter` to `leave`, and fields that are positive inside the outline."""

    enter: Tensor
    leave: Tensor
    fields: tuple[Tensor, ...]
    normal: tuple[Tensor, Tensor, Tensor]


def solid(shape: str, eye: Vector, rays: Vector, radius: Tensor, yaw: Tensor) -> Surface:
    """Intersects rays with a solid. shape: one of SHAPES; radius and yaw: [K, 1, 1]. Raises ValueError for an unknown
    shape."""
    span = _span(shape, eye, rays, radius, yaw)
    inside = span.leave > span.enter.clamp(min=0)
    distance = torch.stack([field / (_steepness(field) + 1e-6) for field in span.fields]).amin(0)
    cover = (0.5 + distance).clamp(0, 1) * _grown(inside)
    return Surface(cover * (span.leave > 0), span.enter, span.normal)


def length(shape: str, start: Vector, direction: Vector, radius: Tensor, yaw: Tensor) -> Tensor:
    """The length [K, H, W] of a ray inside the solid, in units if the direction is a unit vector."""
    span = _span(shape, start, direction, radius, yaw)
    return (span.leave - span.enter.clamp(min=0)).clamp(min=0)


def _span(shape: str, eye: Vector, rays: Vector, radius: Tensor, yaw: Tensor) -> _Span:
    if shape == "ball":
        return _ball(eye, rays, radius)
    if shape == "cube":
        return _cube(eye, rays, radius, yaw)
    if shape == "cone":
        return _cone(eye, rays, radius)
    raise ValueError(f"There is no solid {shape!r}; there are {', '.join(SHAPES)}.")


def _ball(eye: Vector, rays: Vector, radius: Tensor) -> _Span:
    ex, ey, ez = eye[0], eye[1] - radius, eye[2]
    a = rays[0] ** 2 + rays[1] ** 2 + rays[2] ** 2
    b = ex * rays[0] + ey * rays[1] + ez * rays[2]
    field = b**2 - a * (ex**2 + ey**2 + ez**2 - radius**2)
    root = field.clamp(min=0).sqrt()
    hit = field > 0
    enter, leave = torch.where(hit, (-b - root) / a, FAR), torch.where(hit, (-b + root) / a, -FAR)
    near = (-b - root) / a
    normal = tuple((e + near * ray) / radius for e, ray in zip((ex, ey, ez), rays))
    return _Span(enter, leave, (field,), normal)


def _cube(eye: Vector, rays: Vector, radius: Tensor, yaw: Tensor) -> _Span:
    half = CUBE_EDGE * radius
    c, s = yaw.cos(), yaw.sin()
    eyes = (c * eye[0] + s * eye[2], eye[1] - half, c * eye[2] - s * eye[0])
    ways = (c * rays[0] + s * rays[2], rays[1], c * rays[2] - s * rays[0])
    enters, leaves = [], []
    for e, way in zip(eyes, ways):
        safe = torch.where(way.abs() < 1e-5, 1e-5, way)
        one, other = (-half - e) / safe, (half - e) / safe
        enters.append(torch.minimum(one, other))
        leaves.append(torch.maximum(one, other))
    enter = torch.maximum(torch.maximum(enters[0], enters[1]), enters[2])
    leave = torch.minimum(torch.minimum(leaves[0], leaves[1]), leaves[2])
    sides = [torch.where(entered == enter, -way.sign(), 0.0) for entered, way in zip(enters, ways)]
    normal = (c * sides[0] - s * sides[2], sides[1], s * sides[0] + c * sides[2])
    return _Span(enter, leave, ((leave - enter).clamp(-20, 20),), normal)


def _cone(eye: Vector, rays: Vector, radius: Tensor) -> _Span:
    """The cone's radius at height y is `radius - slope * y`. Rays steeper than its side are not supported; no camera or
    light in the demo world is that steep."""
    slope, height = CONE_SLOPE, radius / CONE_SLOPE
    girth = radius - slope * eye[1]
    a = (rays[0] ** 2 + rays[2] ** 2 - (slope * rays[1]) ** 2).clamp(min=1e-4)
    b = eye[0] * rays[0] + eye[2] * rays[2] + slope * girth * rays[1]
    field = b**2 - a * (eye[0] ** 2 + eye[2] ** 2 - girth**2)
    root = field.clamp(min=0).sqrt()
    safe = torch.where(rays[1].abs() < 1e-5, 1e-5, rays[1])
    one, other = -eye[1] / safe, (height - eye[1]) / safe
    cap, side = torch.minimum(one, other), (-b - root) / a
    enter, leave = torch.maximum(cap, side), torch.minimum(torch.maximum(one, other), (-b + root) / a)
    hit = field > 0
    x, z = eye[0] + enter * rays[0], eye[2] + enter * rays[2]
    out = torch.rsqrt((x**2 + z**2) * (1 + slope**2) + 1e-9)
    on_cap = cap > side
    steep = slope / (1 + slope**2) ** 0.5
    normal = (
        torch.where(on_cap, 0.0, x * out),
        torch.where(on_cap, -rays[1].sign(), steep),
        torch.where(on_cap, 0.0, z * out),
    )
    through = torch.where(hit, (leave - enter).clamp(-20, 20), 20.0)
    return _Span(torch.where(hit, enter, FAR), torch.where(hit, leave, -FAR), (field, through), normal)


def _steepness(field: Tensor) -> Tensor:
    """How much a field [K, H, W] changes from pixel to pixel."""
    down = torch.gradient(field, dim=-2)[0]
    return torch.hypot(torch.gradient(field, dim=-1)[0], down)


def _grown(mask: Tensor) -> Tensor:
    """The mask and its neighbors. Away from the outline a field is discontinuous, and its slope has no meaning."""
    padded = torch.nn.functional.pad(mask, (1, 1, 1, 1))
    across = padded[:, 1:-1, :-2] | padded[:, 1:-1, 2:]
    return mask | across | padded[:, :-2, 1:-1] | padded[:, 2:, 1:-1]
