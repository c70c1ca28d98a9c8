"""`python -m backend bench memory`: the peak memory of each memory policy and of each of its switches.

It is counted for Stable Diffusion 1.5 with AnimateDiff in float16 without weights or computation, so it runs anywhere.
Counted are the living tensors in a guided step, in a plain step and while decoding pictures, plus the weights on the
device. Workspaces of libraries and fragmentation are not included. Plain AnimateDiff is a step of diffusers' pipeline
with everything in float16 on the device.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch
from diffusers import AutoencoderKL, SparseControlNetModel
from transformers import CLIPTextConfig, CLIPTextModel

from ..backbones.animatediff.backbone import AnimateDiff
from ..backbones.animatediff.controls import SparseControl
from ..backbones.animatediff.frame_norm import normalize_each_frame
from ..backbones.animatediff.memory_needs import KINDS
from ..backbones.animatediff.weights.sd15 import TEXT_ENCODER, VAE, animatediff_alphas
from ..memory.policy import FAST, MEGABYTE, POLICIES, MemoryPolicy, parameter_bytes
from ..motion.guidance import MotionGuidance
from ..motion.representation import extract_motion
from ..sampling.schedule import Step
from .costs import SD15_TEXT, TIMESTEP, sd15_unet
from .counting import operations
from .live_bytes import Held, held

CELL = 8  # pixels to a latent cell along each side
PLAIN = "plain AnimateDiff"
SWITCHES = (
    replace(FAST, name="only: pair apart", separate_prompts=True),
    replace(FAST, name="only: offload", offload=True),
    replace(FAST, name="only: pieces of 16 MB", chunk_bytes=16 * MEGABYTE),
    replace(FAST, name="only: transformers again", recompute="transformers"),
    replace(FAST, name="only: layers again", recompute="layers"),
)


@dataclass(frozen=True)
class Peaks:
    """Bytes: weights on the device while sampling, saved by autograd, and the peak in each part of a job, weights
    included."""

    weights: int
    saved: int
    guided: int
    plain: int
    pictures: int

    @property
    def most(self) -> int:
        return max(self.guided, self.plain, self.pictures)


def main(arguments: Sequence[str]) -> int:
    options = make_parser().parse_args(arguments)
    width, height = options.size
    clip = (options.frames, height // CELL, width // CELL)
    model, control = sd15(), sparse_control(clip)
    plain = {"text": plain_peak(model, (), clip), "sparse": plain_peak(model, (control,), clip)}
    figures = {PLAIN: {f"{key}_most": peak for key, peak in plain.items()}}
    costs = {kind: guided_cost(model, kind, clip) for kind in KINDS}
    for policy in (*POLICIES.values(), *SWITCHES):
        print(policy.name, file=sys.stderr, flush=True)
        text, sparse = peaks(model, (), policy, clip), peaks(model, (control,), policy, clip)
        ratio = max(text.most / plain["text"], sparse.most / plain["sparse"])
        counted = {"text_most": text.most, "sparse_most": sparse.most, "ratio": ratio}
        figures[policy.name] = asdict(text) | counted | {"cost": costs[policy.recompute]}
    print(json.dumps(figures) if options.json else table(figures))
    return 0


def sd15() -> AnimateDiff:
    """Stable Diffusion 1.5 with AnimateDiff's motion modules on the meta device, in the precisions used on a GPU."""
    with torch.device("meta"):
        vae = AutoencoderKL.from_config(VAE).eval().requires_grad_(False)
        text_encoder = CLIPTextModel(CLIPTextConfig(**TEXT_ENCODER))
    unet = sd15_unet().half()
    return AnimateDiff(None, vae, None, text_encoder, unet, animatediff_alphas())


def sparse_control(clip: tuple[int, int, int]) -> SparseControl:
    """SparseCtrl with one picture for the first frame."""
    with torch.device("meta"):
        net = SparseControlNetModel().half().eval().requires_grad_(False)
    normalize_each_frame(net)
    return SparseControl(net, _meta(1, 4, *clip[1:]).half(), [0], clip[0], 1.0)


@torch.no_grad()
def peaks(
    model: AnimateDiff, controls: Sequence[SparseControl], policy: MemoryPolicy, clip: tuple[int, int, int]
) -> Peaks:
    """The peaks of a job with this policy. clip: frames and latent cells (F, h, w)."""
    coders = parameter_bytes(model.vae) + parameter_bytes(model.text_encoder)
    fixed = parameter_bytes(model.unet) + sum(parameter_bytes(control.model) for control in controls)
    weights = fixed + (0 if policy.offload else coders)
    guided = guided_held(model, controls, policy, clip)
    with model.with_policy(replace(policy, offload=False), controls) as spared:
        plain = _pair_held(spared, controls, clip)
        pictures = held(lambda: spared.vae.decode(_meta(1, 4, *clip[1:])))
    decoding = fixed + (parameter_bytes(model.vae) if policy.offload else coders)
    return Peaks(weights, guided.saved, weights + guided.peak, weights + plain.peak, decoding + pictures.peak)


@torch.no_grad()
def guided_held(
    model: AnimateDiff,
    controls: Sequence[SparseControl],
    policy: MemoryPolicy,
    clip: tuple[int, int, int],
    blocks: Sequence[str] = ("up_blocks.1",),
) -> Held:
    """The bytes held in a pass with the gradient of guidance, without weights."""
    guide, z = guided_of(model, controls, clip, blocks)
    with model.with_policy(replace(policy, offload=False), controls):
        return held(lambda: guide(z, Step(0, TIMESTEP, -1, 1.0)), model.unet.parameters())


@torch.no_grad()
def guided_cost(model: AnimateDiff, kind: str, clip: tuple[int, int, int]) -> float:
    """The operations of a guided step, including the negative prompt's pass, in forward passes."""
    z, text = _meta(1, 4, *clip), _meta(*SD15_TEXT)
    forward = operations(lambda: model.denoiser()(z, TIMESTEP, text))
    guide, z = guided_of(model, (), clip, ("up_blocks.1",))
    with model.with_policy(replace(FAST, recompute=kind)):
        return 1 + operations(lambda: guide(z, Step(0, TIMESTEP, -1, 1.0))) / forward


@torch.no_grad()
def plain_peak(model: AnimateDiff, controls: Sequence[SparseControl], clip: tuple[int, int, int]) -> int:
    """The peak of a step as in diffusers' pipelines: both prompts in a batch, all weights in float16."""
    halves = (parameter_bytes(model.vae) + parameter_bytes(model.text_encoder)) // 2
    fixed = parameter_bytes(model.unet) + sum(parameter_bytes(control.model) for control in controls)
    return halves + fixed + _pair_held(model, controls, clip).peak


def _pair_held(model: AnimateDiff, controls: Sequence[SparseControl], clip: tuple[int, int, int]) -> Held:
    z, text = _meta(1, 4, *clip), _meta(*SD15_TEXT)
    return held(lambda: model.denoiser(controls).pair(z, TIMESTEP, text, text))


def guided_of(
    model: AnimateDiff, controls: Sequence[SparseControl], clip: tuple[int, int, int], blocks: Sequence[str]
) -> tuple[MotionGuidance, torch.Tensor]:
    """Guidance of a clip on the meta device, and the clip's latents."""
    z, text, denoise = _meta(1, 4, *clip), _meta(*SD15_TEXT), model.denoiser(controls)
    how = {"timestep": TIMESTEP, "empty_text": text, "blocks": blocks}
    motion = extract_motion(model, model.denoiser(), z, z, **how)
    return MotionGuidance(model, denoise, text, motion), z


def _meta(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta")


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backend bench memory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=_frames, default=16, metavar="N", help="of the clip (default: %(default)s)")
    parser.add_argument(
        "--size", type=_size, default=(512, 512), metavar="WxH", help="of the clip, in multiples of 64 (512x512)"
    )
    parser.add_argument("--json", action="store_true", help="bytes, not gigabytes")
    return parser


def _frames(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 32:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of frames from 1 to 32, which AnimateDiff knows")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    sides = tuple(int(side) for side in found.groups()) if found else ()
    if not sides or any(side % 64 or not side for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r} is no width and height in multiples of 64, as 768x512 is")
    return sides


def table(figures: dict[str, dict[str, float]]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| gigabytes | weights | kept by autograd | guided step | plain step | pictures | peak | with SparseCtrl "
        "| of plain | guided step, in passes |",
        "|---" * 10 + "|",
    ]
    for name, one in figures.items():
        columns = ("weights", "saved", "guided", "plain", "pictures", "text_most", "sparse_most")
        cells = [f"{one[key] / 1e9:.2f}" if key in one else "" for key in columns]
        cells += [f"{one[key]:.2f}" if key in one else "" for key in ("ratio", "cost")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
