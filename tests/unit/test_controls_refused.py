"""Control models that cannot be used are errors with a clear message."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, SparseControlNetModel
from safetensors.torch import load_file, save_file

from backend.controls.conditions import CONTROL_OF, Condition
from backend.job_folder.problem import Problem
from backend.job_folder.settings import Settings
from backend.models.entry import find_entry
from tests import weight_formats as formats

FRAMES = 8
KINDS = list(CONTROL_OF)
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def model(model):
    return replace(model, entry=find_entry("tiny-controls"))


def load(model, kind: str):
    places = tuple(range(FRAMES)) if kind == "depth" else (0,)
    given = {kind: Condition(np.zeros((len(places), 24, 40, 3), np.uint8), places)}
    return model.load_controls(given, FRAMES, Settings())


def change_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def rename_tensors(folder):
    weights = load_file(folder / WEIGHTS)
    save_file({name.replace("conv_in", "input"): tensor for name, tensor in weights.items()}, folder / WEIGHTS)


def forget_frames(folder):
    config = SparseControlNetModel.load_config(folder)
    SparseControlNetModel.from_config(config, motion_max_seq_length=4).save_pretrained(folder)


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda f: change_config(f, _class_name="AutoencoderKL"), "SparseControlNetModel; it contains AutoencoderKL"),
        (lambda f: (f / "config.json").write_text("["), "contains no readable config.json"),
        (lambda f: (f / WEIGHTS).unlink(), "cannot be loaded"),
        (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:999]), "cannot be loaded"),
        (rename_tensors, "lacks .* tensors, among them"),
        (forget_frames, "supports 4 frames; the setting context_length is 8"),
    ],
)
def test_a_control_model_that_is_not_right_is_refused_in_words(model, damage, words):
    folder = model.entry.sparse_rgb
    damage(folder)
    with pytest.raises(Problem, match=words):
        load(model, "image")


def test_control_models_mixed_up_or_of_another_architecture(model):
    entry = model.entry
    swapped = replace(model, entry=replace(entry, sparse_rgb=entry.sparse_scribble, sparse_scribble=entry.sparse_rgb))
    for kind in ("image", "sketch"):
        with pytest.raises(Problem, match="mixed up"):
            load(swapped, kind)
    model.unet.register_to_config(cross_attention_dim=768)
    for kind in KINDS:
        with pytest.raises(Problem, match="another architecture: its cross_attention_dim is 16, the model's is 768"):
            load(model, kind)


def sparse_file(net, path, **extra):
    """Writes a file as AnimateDiff publishes it: its own names, under "controlnet", prefixed by parallel training."""
    tensors = {f"module.{name}": tensor for name, tensor in (formats.original_motion(net) | extra).items()}
    torch.save({"epoch": 1, "controlnet": tensors}, path)


def controlnet_file(net, path, prefix="control_model."):
    """Writes the original layout, the inverse of diffusers' conversion."""
    tensors = {}
    for name, tensor in net.state_dict().items():
        if name.startswith("controlnet_cond_embedding."):
            part, _, end = name.removeprefix("controlnet_cond_embedding.").rpartition(".")
            last = 2 * len([key for key in net.state_dict() if re.search(r"embedding\.blocks.*weight", key)]) + 2
            number = {"conv_in": 0, "conv_out": last}.get(part)
            number = 2 * int(part.rpartition(".")[2]) + 2 if number is None else number
            name = f"input_hint_block.{number}.{end}"
        elif name.startswith("controlnet_down_blocks."):
            name = re.sub(r"controlnet_down_blocks\.(\d+)", r"zero_convs.\1.0", name)
        elif name.startswith("controlnet_mid_block."):
            name = name.replace("controlnet_mid_block", "middle_block_out.0")
        else:
            name = formats.ldm_unet_name(name, layers=net.config.layers_per_block)
        tensors[prefix + name] = tensor
    formats.save(tensors, path)
    return tensors


def with_file(model, key: str, path):
    return replace(model, entry=replace(model.entry, **{key: path}))


def assert_same_control(given, wanted, size=(6, 10)):
    """Asserts that both give the same residuals for the same condition."""
    latents, text = torch.randn(1, 4, FRAMES, *size), torch.randn(FRAMES, 32, 16)
    for ours, theirs in zip(given(latents, 500, text)[0], wanted(latents, 500, text)[0], strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("kind", ["image", "sketch"])
@pytest.mark.parametrize("form", ["ckpt", "safetensors"])
def test_sparse_control_as_a_single_file_is_the_folder_s(model, tmp_path, kind, form):
    key = CONTROL_OF[kind]
    net = SparseControlNetModel.from_pretrained(getattr(model.entry, key))
    path = tmp_path / f"v3 sparse.{form}"
    if form == "ckpt":
        sparse_file(net, path)
    else:
        formats.save(formats.original_motion(net), path)
    (wanted,), (given,) = load(model, kind), load(with_file(model, key, path), kind)
    assert_same_control(given, wanted)


def published_controlnet(model, folder):
    """A ControlNet with as many embedding layers as published ones and no zero layers; also saved as a folder."""
    config = ControlNetModel.load_config(model.entry.depth_control)
    net = ControlNetModel.from_config(config, conditioning_embedding_out_channels=(4, 8, 8, 8))
    for name, tensor in net.named_parameters():
        if name.startswith("controlnet_"):
            torch.nn.init.normal_(tensor, std=0.2)
    net.save_pretrained(folder)
    return net


@pytest.mark.parametrize("form", ["pth", "safetensors", "diffusers", "bare"])
def test_a_controlnet_as_a_single_file_is_the_folder_s(model, tmp_path, form):
    net = published_controlnet(model, tmp_path / "folder")
    path = tmp_path / ("depth.pth" if form == "pth" else "depth.safetensors")
    if form == "diffusers":
        formats.save(net.state_dict(), path)
    else:
        whole = controlnet_file(net, path, "" if form == "bare" else "control_model.")
        if form == "pth":  # the first ones published hold the base model too
            formats.save(whole | {"model.diffusion_model.out.2.bias": torch.ones(4)}, path)
    (wanted,) = load(with_file(model, "depth_control", tmp_path / "folder"), "depth")
    (given,) = load(with_file(model, "depth_control", path), "depth")
    assert_same_control(given, wanted, (3, 5))


def test_other_files_as_controls_are_refused_by_name(model, tmp_path):
    net = published_controlnet(model, tmp_path / "folder")
    sparse = SparseControlNetModel.from_pretrained(model.entry.sparse_rgb)
    whole = controlnet_file(net, tmp_path / "depth.safetensors")
    sparse_file(sparse, tmp_path / "rgb.ckpt")
    formats.save(whole | {"difference": torch.zeros(1)}, tmp_path / "difference.safetensors")
    formats.save(whole | {"control_model.strange.weight": torch.zeros(1)}, tmp_path / "strange.safetensors")
    formats.save({k: v for k, v in whole.items() if "zero_convs.1" not in k}, tmp_path / "half.safetensors")
    formats.save({"body.0.in_conv.weight": torch.zeros(1)}, tmp_path / "t2i.safetensors")
    (tmp_path / "page.pth").write_text("<!DOCTYPE html><html>")
    sparse_file(sparse, tmp_path / "strange.ckpt", **{"strange.weight": torch.zeros(1)})
    for kind, name, words in (
        ("depth", "rgb.ckpt", "is a SparseCtrl model. It must be a ControlNet"),
        ("image", "depth.safetensors", "is a ControlNet. It must be a SparseCtrl"),
        ("sketch", "rgb.ckpt", "mixed up"),
        ("depth", "difference.safetensors", "is a ControlNet of differences"),
        ("depth", "strange.safetensors", "unknown to the model, such as control_model.strange.weight"),
        ("depth", "half.safetensors", "lacks 2 of the model's"),
        ("depth", "t2i.safetensors", "is a T2I-Adapter"),
        ("depth", "page.pth", "is a web page"),
        ("image", "strange.ckpt", "unknown to the model, such as strange.weight"),
    ):
        with pytest.raises(Problem, match=re.escape(words)):
            load(with_file(model, CONTROL_OF[kind], tmp_path / name), kind)


def test_a_surplus_tensor_in_a_control_s_folder_is_refused(model):
    path = model.entry.sparse_rgb / WEIGHTS
    save_file(load_file(path) | {"strange.weight": torch.ones(2)}, path)
    with pytest.raises(Problem, match="sparse_rgb: .* unknown to the model, such as strange.weight"):
        load(model, "image")
