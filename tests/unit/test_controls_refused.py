"""Control models that cannot be used are refused in words."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import SparseControlNetModel
from safetensors.torch import load_file, save_file

from backend.conditions import CONTROL_OF, Condition
from backend.errors import JobError
from backend.models.components import load_components
from backend.models.controls import load_controls
from backend.models.entry import find_entry
from backend.wire.settings import Settings

FRAMES = 8
KINDS = list(CONTROL_OF)
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def model(tiny):
    return load_components(find_entry("tiny-controls"), torch.device("cpu"), torch.float32)


def load(model, kind: str):
    places = tuple(range(FRAMES)) if kind == "depth" else (0,)
    given = {kind: Condition(np.zeros((len(places), 24, 40, 3), np.uint8), places)}
    return load_controls(model, given, FRAMES, Settings())


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
        (lambda f: change_config(f, _class_name="AutoencoderKL"), "SparseControlNetModel; it holds AutoencoderKL"),
        (lambda f: (f / "config.json").write_text("["), "holds no config.json that can be read"),
        (lambda f: (f / WEIGHTS).unlink(), "cannot be loaded"),
        (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:999]), "cannot be loaded"),
        (rename_tensors, "tensors are missing"),
        (forget_frames, "knows 4 frames; the setting frames is 8"),
    ],
)
def test_a_control_model_that_is_not_right_is_refused_in_words(model, damage, words):
    folder = model.entry.sparse_rgb
    damage(folder)
    with pytest.raises(JobError, match=words):
        load(model, "image")


def test_control_models_mixed_up_or_of_another_architecture(model):
    entry = model.entry
    swapped = replace(model, entry=replace(entry, sparse_rgb=entry.sparse_scribble, sparse_scribble=entry.sparse_rgb))
    for kind in ("image", "sketch"):
        with pytest.raises(JobError, match="mixed up"):
            load(swapped, kind)
    model.unet.register_to_config(cross_attention_dim=768)
    for kind in KINDS:
        with pytest.raises(JobError, match="another architecture: its cross_attention_dim is 16, the model's 768"):
            load(model, kind)
