"""Saving memory does not change a take: the same latents and gradients, and complete attention records."""

from collections import Counter
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D

from backend.backbones.animatediff.backbone import load_animatediff
from backend.backbones.animatediff.memory_needs import KINDS, LAYERS
from backend.backbones.base import SPATIAL, TEMPORAL
from backend.job.take import generate
from backend.memory.chunking import chunked
from backend.memory.policy import FAST, POLICIES, THRIFTY, MemoryPolicy
from backend.models.entry import find_entry
from backend.motion.guidance import MotionGuidance, guided_pass
from tests import tiny_takes
from tests.tiny_takes import nothing, step_at

SMALL = 3000  # bytes: so that the tiny model's layers come in pieces, the last smaller than the others
BY_PIECES = MemoryPolicy(name="pieces", recompute="layers", chunk_bytes=SMALL, separate_prompts=True)


@pytest.fixture
def latents(model):
    return torch.randn(tiny_takes.LATENTS, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize("policy", [*POLICIES.values(), BY_PIECES], ids=lambda policy: policy.name)
def test_a_guided_take_is_the_same_with_every_policy(model, take, motion, policy):
    plain = generate(model, take, motion, nothing)
    with model.with_policy(policy) as spared:
        again = generate(spared, take, motion, nothing)
    torch.testing.assert_close(again, plain, atol=1e-4, rtol=1e-4)
    assert torch.equal(generate(model, take, motion, nothing), plain), "the model is not as it was"


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("chunk_bytes", [0, SMALL])
def test_the_gradient_is_the_same(model, take, motion, latents, kinds, chunk_bytes):
    guide = MotionGuidance(model, model.denoiser(), take.positive, motion)
    eps, gradient, loss = guide(latents, step_at(400))
    with chunked(model.unet, LAYERS, chunk_bytes, KINDS[kinds]):
        spared = guide(latents, step_at(400))
    assert gradient.abs().max() > 0
    torch.testing.assert_close(spared[0], eps, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(spared[1] / gradient.abs().max(), gradient / gradient.abs().max(), atol=1e-5, rtol=0)
    assert spared[2] == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("blocks", [["up_blocks.0"], ["down_blocks.0", "up_blocks.1"]])
def test_the_gradient_of_keys_and_maps_of_any_block_is_the_same(model, take, latents, blocks):
    layers = model.layers(TEMPORAL, blocks)
    keys = model.layers(SPATIAL, ["up_blocks.1"])

    def loss_of(recorded):
        return sum(value.square().mean() for value in [*recorded.maps.values(), *recorded.keys.values()])

    def run():
        return guided_pass(model, lambda z: model.denoiser()(z, 400, take.positive), latents, loss_of, layers, keys)

    _, gradient, loss = run()
    with chunked(model.unet, LAYERS, SMALL, LAYERS):
        _, spared, spared_loss = run()
    torch.testing.assert_close(spared / gradient.abs().max(), gradient / gradient.abs().max(), atol=1e-5, rtol=0)
    assert spared_loss == pytest.approx(loss, rel=1e-5)


def test_what_is_recorded_comes_whole_and_once(model, take, latents):
    layers = model.layers(TEMPORAL, ["up_blocks.1"])
    whole, seen = {}, []
    with model.recording(layers) as recorded:
        model.denoiser()(latents, 400, take.positive)
        whole = dict(recorded.maps)
    with chunked(model.unet, LAYERS, SMALL, LAYERS), model.recording(layers) as recorded, torch.enable_grad():
        for layer in layers:
            processor = model.unet.get_submodule(layer).processor
            keep = processor.keep
            processor.keep = lambda maps, layer=layer, keep=keep: (seen.append(layer), keep(maps))
        z = latents.clone().requires_grad_()
        model.denoiser()(z, 400, take.positive)
        torch.autograd.grad(sum(maps.square().sum() for maps in recorded.maps.values()), z)
    assert seen == layers
    torch.testing.assert_close(recorded.maps, whole, atol=1e-5, rtol=1e-5)


def test_layers_are_computed_again_only_as_far_as_the_gradient_reaches(model, take, latents, monkeypatch):
    """Autograd is off after the last recorded layer, so nothing after it may be recomputed."""
    layers = model.layers(TEMPORAL, ["up_blocks.0"])
    calls, own = Counter(), ResnetBlock2D.forward
    monkeypatch.setattr(ResnetBlock2D, "forward", lambda self, *a, **k: (calls.update([self]), own(self, *a, **k))[1])
    with chunked(model.unet, LAYERS, 0, LAYERS):
        guided_pass(
            model,
            lambda z: model.denoiser()(z, 400, take.positive),
            latents,
            lambda recorded: sum(maps.square().mean() for maps in recorded.maps.values()),
            layers,
        )
    assert {calls[layer] for block in model.unet.down_blocks for layer in block.resnets} == {2}
    assert {calls[layer] for layer in model.unet.up_blocks[1].resnets} == {1}


def test_a_gradient_can_be_asked_for_again(model, take, latents):
    """As float16 needs it after an overflow."""
    layers = model.layers(TEMPORAL, ["up_blocks.1"])
    with chunked(model.unet, LAYERS, SMALL, LAYERS), model.recording(layers) as recorded, torch.enable_grad():
        z = latents.clone().requires_grad_()
        model.denoiser()(z, 400, take.positive)
        loss = sum(maps.square().mean() for maps in recorded.maps.values())
        first, again = (torch.autograd.grad(loss, z, retain_graph=True)[0] for _ in range(2))
    assert first.abs().max() > 0 and torch.equal(first, again)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; there is none here")
def test_on_a_gpu_the_same_take_is_made_in_less_memory(tiny):
    model = load_animatediff(find_entry("tiny"), torch.device("cuda"), torch.float16)
    take, motion, peaks, pictures = tiny_takes.take_of(model), tiny_takes.read_motion(model), [], []
    for policy in (FAST, replace(THRIFTY, chunk_bytes=SMALL)):
        with model.with_policy(policy) as spared:
            assert (spared.vae.device.type == "cpu") == policy.offload
            torch.cuda.reset_peak_memory_stats()
            latents = generate(spared, take, motion, nothing)
            peaks.append(torch.cuda.max_memory_allocated())
            pictures.append(spared.decode(latents, nothing))
        assert model.vae.device.type == "cuda"
    assert peaks[1] < peaks[0]
    torch.testing.assert_close(pictures[1], pictures[0], atol=0.05, rtol=0)


def test_controls_are_spared_as_well(model):
    control = SimpleNamespace(model=deepcopy(model.unet))
    layers = [layer for layer in control.model.modules() if isinstance(layer, LAYERS)]
    with model.with_policy(BY_PIECES, [control]):
        assert all("forward" in vars(layer) for layer in layers)
    assert not any("forward" in vars(layer) for layer in layers)


def test_the_fast_policy_touches_nothing(model):
    with model.with_policy(FAST) as spared:
        assert not any("forward" in vars(layer) for layer in spared.unet.modules())
        assert spared == model
