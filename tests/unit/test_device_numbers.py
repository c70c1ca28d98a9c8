"""No float64 on the device, because Apple's GPUs have none: generates a take on a device that refuses it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils._pytree import tree_iter

from backend.backbones.animatediff.backbone import AnimateDiff
from backend.bench.counting import AnyNumber
from backend.job import previews
from backend.job.inverted_reference import InvertedReference
from backend.job.previews import Previews
from backend.job.progress import PREVIEW, Progress
from backend.job.take import generate
from backend.motion.loss_terms import LossTerms, layer_weights
from backend.motion.representation import MotionRepresentation
from backend.sampling.state import SamplerState
from tests.tiny_takes import LATENTS, nothing, with_settings

META, ATEN = torch.device("meta"), torch.ops.aten


class Refusing(AnyNumber):
    """The meta device as a device without float64. Values read from it are zeros or one."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is ATEN.equal.default:
            return False
        if func is ATEN._to_copy.default and args[0].is_meta and kwargs.get("device") == torch.device("cpu"):
            return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        result = super().__torch_dispatch__(func, types, args, kwargs)
        for tensor in tree_iter(result):
            if isinstance(tensor, torch.Tensor) and tensor.is_meta and tensor.dtype == torch.float64:
                raise TypeError(f"Cannot convert a tensor to float64, which the device does not support ({func})")
        return result


@pytest.fixture
def away(model) -> AnimateDiff:
    """The tiny model on that device."""
    parts = {name: getattr(model, name).to(META) for name in ("unet", "vae", "text_encoder")}
    return replace(model, **parts)


def there(take):
    return replace(take, negative=take.negative.to(META), positive=take.positive.to(META))


def test_the_stand_in_refuses_what_apple_s_devices_refuse():
    with Refusing(), pytest.raises(TypeError, match="float64"):
        torch.ones(2, device=META).double().cpu()
    with Refusing():
        assert torch.ones(2, device=META).cpu().double().sum() == 0


@pytest.mark.parametrize("sampler", ["ddim", "dpm++2m", "euler", "lcm"])
def test_one_step_takes_with_every_sampler(take, motion, away, sampler):
    where = MotionRepresentation.from_tensors({name: t.to(META) for name, t in motion.tensors().items()})
    subject = torch.ones(*LATENTS[2:], device=META)
    chosen = replace(with_settings(there(take), sampler=sampler, steps=6, guided_steps=3), subject=subject)
    with Refusing():
        assert generate(away, chosen, where, nothing).is_meta


def test_the_inversion_method(take, away):
    terms = LossTerms(
        motion=layer_weights(away, ["up_blocks.1"], [2000.0], "temp"),
        semantic=layer_weights(away, ["up_blocks.1"], [500.0], "temp"),
        key_kind="temp",
        objects=([1], [2]),
        thresholds=(0.3, 0.3),
        motion_steps=4,
        subject=None,
    )
    text, latents = take.positive.to(META), torch.zeros(LATENTS, device=META)
    motion = InvertedReference(text=text, terms=terms, latents_at=lambda t: latents)
    with Refusing():
        generate(away, with_settings(there(take), method="inversion", steps=4, guided_steps=3), motion, nothing)


def test_pictures_and_previews(away, tmp_path, monkeypatch):
    monkeypatch.setattr(previews, "SECONDS", 0.0)
    monkeypatch.setattr(previews, "SHARE", 1e9)
    progress = Progress(tmp_path, lambda state: None)
    show = Previews(away, (24, 40), progress)
    with Refusing():
        away.decode(away.encode(torch.zeros(8, 3, 24, 40)))
        show(SamplerState(clean=torch.zeros(LATENTS, device=META)))
    assert (tmp_path / PREVIEW).is_file()
