"""Measures the time and memory of encoding and decoding, as shipped and in possibly faster ways."""

from __future__ import annotations

import torch

from ...backbones.animatediff.backbone import AnimateDiff
from .measuring import IS_CARD, gigabytes, peak, timed
from .model import Inputs, Shape, build
from .policies import WORKING
from .report import Report

HALF = torch.bfloat16


def decoding(report: Report, shape: Shape) -> None:
    model, inputs = build(shape, WORKING), Inputs.of(shape)
    pixels = torch.rand(shape.frames, 3, shape.height * model.latent_scale, shape.width * model.latent_scale) * 2 - 1
    exact = _row(report, model, inputs, "float32, as shipped")
    encode_seconds, _ = timed(lambda: model.encode(pixels), 1)
    report.add("decoding", how="encoding, float32", seconds=encode_seconds)
    model.vae.to(memory_format=torch.channels_last)
    _row(report, model, inputs, "float32, channels last", exact)
    model.vae.to(memory_format=torch.contiguous_format).to(HALF)
    _row(report, model, inputs, "bfloat16", exact)
    if IS_CARD:
        model.vae.to(torch.float16)
        _row(report, model, inputs, "float16", exact)


def _row(
    report: Report, model: AnimateDiff, inputs: Inputs, how: str, exact: torch.Tensor | None = None
) -> torch.Tensor:
    """One row. `exact` are the pixels of the shipped way; the other ways may differ and need not be finite."""
    model.decode(inputs.latents[:, :, :1])
    pictures, held, _ = peak(lambda: model.decode(inputs.latents))
    seconds, _ = timed(lambda: model.decode(inputs.latents), 1)
    finite = bool(torch.isfinite(pictures).all())
    report.add(
        "decoding",
        how=how,
        seconds=seconds,
        memory_gb=gigabytes(held),
        **{"finite" if exact is None else "all_finite": finite},
        worst_difference=None if exact is None else float((pictures - exact).abs().max()),
    )
    return pictures
