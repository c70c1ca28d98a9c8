"""The recorder records temporal attention correctly and restores the UNet."""

import pytest
import torch
from diffusers import UNetMotionModel

from backend.backbones.animatediff.denoise import Denoiser
from backend.backbones.animatediff.frame_norm import normalize_each_frame
from backend.backbones.animatediff.recorder import attention_layers, recording
from backend.backbones.base import TEMPORAL
from backend.job_folder.problem import Problem


@pytest.fixture
def unet(built_tiny_model) -> UNetMotionModel:
    model = UNetMotionModel.from_pretrained(built_tiny_model / "tiny" / "unet", low_cpu_mem_usage=False).eval()
    normalize_each_frame(model)
    return model.requires_grad_(False)


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 4, 8, 6, 10, generator=generator), 500, torch.randn(1, 7, 16, generator=generator)


def test_probabilities_of_every_layer_are_kept(unet, inputs):
    layers = attention_layers(unet, TEMPORAL, ["up_blocks.1"])
    assert len(layers) == 4  # two motion modules of two attentions
    with recording(unet, layers) as recorded:
        Denoiser(unet)(*inputs)
    assert list(recorded.maps) == layers
    for probabilities in recorded.maps.values():
        assert probabilities.shape == (6 * 10, 2, 8, 8)
        torch.testing.assert_close(probabilities.sum(-1), torch.ones(60, 2, 8))


def test_recording_does_not_change_the_prediction(unet, inputs):
    plain = Denoiser(unet)(*inputs)
    with recording(unet, attention_layers(unet, TEMPORAL, ["up_blocks.1"])):
        recorded = Denoiser(unet)(*inputs)
    torch.testing.assert_close(recorded, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fails", [False, True])
def test_the_unet_is_left_as_it_was(unet, inputs, fails):
    before = dict(unet.attn_processors)
    plain = Denoiser(unet)(*inputs)
    try:
        with recording(unet, attention_layers(unet, TEMPORAL, ["up_blocks.1"])):
            assert unet.attn_processors != before
            assert not fails, "an error half-way"
    except AssertionError:
        assert fails
    assert unet.attn_processors == before
    assert torch.equal(Denoiser(unet)(*inputs), plain)


def test_a_block_without_motion_modules_is_an_error(unet):
    with pytest.raises(Problem, match="'up_blocks.9'"):
        attention_layers(unet, TEMPORAL, ["up_blocks.1", "up_blocks.9"])
