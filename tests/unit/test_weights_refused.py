"""Wrong, damaged and dangerous files: one error that names the setting, the file and what it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from diffusers import ControlNetModel

from backend.backbones.animatediff.backbone import load_animatediff
from backend.job_folder.problem import Problem
from backend.models.entry import read_entry
from tests import weight_formats as formats

GOOD = {"base": "sd.safetensors", "config": "base", "motion_module": "v3.safetensors"}
UNET = "model.diffusion_model."
FIRST = f"{UNET}input_blocks.0.0.weight"
CROSS = f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    parts = formats.build(folder, blocks=2)
    formats.save(formats.checkpoint(parts), folder / "sd.safetensors")
    formats.save(formats.original_motion(parts.adapters["v3"]), folder / "v3.safetensors")
    return folder, parts


def refused(folder: Path, frames: int = 24, **parts: str) -> str:
    """Returns the error. It must name each wrong file and its setting."""
    lines = "\n".join(f'{key} = "{name}"' for key, name in (GOOD | parts).items() if name)
    entry = read_entry(formats.write_entry(folder, lines, frames))
    with pytest.raises(Problem) as error:
        load_animatediff(entry, torch.device("cpu"), torch.float32)
    (key, name), *_ = parts.items()
    assert error.value.message.startswith(f"{key}: {folder / name}") and error.value.hint
    return str(error.value)


WRONG_BASES = {
    "an SDXL checkpoint": {FIRST: (8, 4, 3, 3), CROSS: (8, 2048), "conditioner.embedders.0.transformer.x": (1,)},
    "an SD2.x checkpoint": {FIRST: (8, 4, 3, 3), CROSS: (8, 1024), "cond_stage_model.model.ln_final.bias": (1,)},
    "an inpainting SD1.5 checkpoint": {FIRST: (8, 9, 3, 3), CROSS: (8, 768)},
    "an SD3 checkpoint": {f"{UNET}joint_blocks.0.x_block.attn.qkv.weight": (8, 8)},
    "a Flux checkpoint": {"double_blocks.0.img_attn.qkv.weight": (8, 8)},
    "a VAE": {"first_stage_model.decoder.conv_in.weight": (8, 4, 3, 3)},
    "a 16-channel VAE": {"decoder.conv_in.weight": (8, 16, 3, 3)},
    "a LoRA": {"lora_unet_mid_block.lora_down.weight": (4, 8)},
    "a ControlNet": {"control_model.zero_convs.0.0.weight": (8, 8)},
    "a motion module": {"down_blocks.0.motion_modules.0.temporal_transformer.norm.weight": (8,)},
    "a textual inversion": {"emb_params": (2, 768)},
    "an SD1.5 diffusers UNet": {
        "conv_in.weight": (8, 4, 3, 3),
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (8, 768),
    },
    "a UNet without text encoder and VAE": {"input_blocks.0.0.weight": (8, 4, 3, 3)},
    "a file of unknown kind": {"layer.weight": (2, 2)},
}


@pytest.mark.parametrize("found", WRONG_BASES)
def test_another_file_as_base_is_refused_by_its_name(models, found):
    folder, _ = models
    formats.save({name: torch.zeros(shape) for name, shape in WRONG_BASES[found].items()}, folder / "x.safetensors")
    assert f"is {found}. It must be SD1.5" in refused(folder, base="x.safetensors")


def test_other_folders_as_base_are_refused(models):
    folder, parts = models
    assert "is the folder of a MotionAdapter" in refused(folder, base="v3")
    (folder / "empty").mkdir()
    assert "is not a diffusers folder" in refused(folder, base="empty")
    parts.motion_unet("v3").save_pretrained(folder / "complete" / "unet")
    lines = 'base = "complete"\nmotion_module = "v3"'
    with pytest.raises(Problem, match="Use folder instead of base"):
        load_animatediff(read_entry(formats.write_entry(folder, lines)), torch.device("cpu"), torch.float32)


@pytest.mark.parametrize(
    ("change", "found"), [({"in_channels": 9}, "an inpainting UNet"), ({"cross_attention_dim": 1024}, "an SD2.x UNet")]
)
def test_folders_of_another_architecture_are_refused(models, tmp_path, change, found):
    folder, parts = models
    config = dict(parts.unet.config) | change
    unet = type(parts.unet).from_config({key: value for key, value in config.items() if key[0] != "_"})
    unet.save_pretrained(tmp_path / "other" / "unet")
    lines = f'base = "{(tmp_path / "other").as_posix()}"\nmotion_module = "v3"'
    with pytest.raises(Problem, match=f"is {found}"):
        load_animatediff(read_entry(formats.write_entry(folder, lines)), torch.device("cpu"), torch.float32)


WRONG_MOTION = {
    "an SD1.5 checkpoint": {CROSS: (8, 768)},
    "a motion LoRA": {"down_blocks.0.motion_modules.0.attention_blocks.0.processor.to_q_lora.down.weight": (4, 8)},
    "a VAE": {"decoder.conv_in.weight": (8, 4, 3, 3)},
    "a SparseCtrl model": {
        "down_blocks.0.motion_modules.0.norm.weight": (8,),
        "controlnet_cond_embedding.conv_in.weight": (8, 4, 3, 3),
    },
    "a PIA motion module": {"down_blocks.0.motion_modules.0.norm.weight": (8,), "conv_in.weight": (8, 9, 3, 3)},
}


@pytest.mark.parametrize("found", WRONG_MOTION)
@pytest.mark.parametrize("ending", ["safetensors", "ckpt"])
def test_another_file_as_motion_module_is_refused(models, found, ending):
    folder, _ = models
    formats.save({n: torch.zeros(shape) for n, shape in WRONG_MOTION[found].items()}, folder / f"m.{ending}")
    assert f"is {found}. It must be an AnimateDiff" in refused(folder, motion_module=f"m.{ending}")


def test_a_motion_module_for_another_unet_is_refused(models):
    folder, parts = models
    original = formats.original_motion(parts.adapters["v3"])
    third = {name.replace("blocks.0.", "blocks.2."): tensor for name, tensor in original.items()}
    formats.save(original | third, folder / "xl.safetensors")
    assert "a UNet of 3 blocks, such as SDXL" in refused(folder, motion_module="xl.safetensors")
    half = {name: tensor for name, tensor in original.items() if not name.startswith("down_blocks.0")}
    formats.save(half, folder / "half.safetensors")
    assert "incomplete motion module" in refused(folder, motion_module="half.safetensors")
    assert "is the folder of a UNet2DConditionModel" in refused(folder, motion_module="base/unet")


def test_v1_s_24_positions_bound_the_frames(models):
    folder, _ = models
    text = refused(folder, frames=32, motion_module="v1")
    assert "supports 24 frames; the entry's most_frames is 32. Set most_frames to 24 or less." in text


@pytest.mark.parametrize(
    ("found", "shapes"),
    [
        ("a 16-channel VAE", {"decoder.conv_in.weight": (8, 16, 3, 3)}),
        ("a LoRA", {"lora_unet_x.lora_down.weight": (4, 8)}),
        ("an SD1.5 checkpoint", {CROSS: (8, 768)}),
    ],
)
def test_another_file_as_vae_is_refused(models, found, shapes):
    folder, _ = models
    formats.save({name: torch.zeros(shape) for name, shape in shapes.items()}, folder / "w.safetensors")
    assert f"is {found}. It must be a VAE" in refused(folder, vae="w.safetensors")


def test_a_controlnet_s_weights_are_recognised_in_diffusers_names_too(models):
    folder, _ = models
    net = ControlNetModel(
        block_out_channels=(16, 32), down_block_types=("DownBlock2D",) * 2, norm_num_groups=4, cross_attention_dim=768
    )
    formats.save(net.state_dict(), folder / "cn.safetensors")
    assert "is an SD1.5 ControlNet" in refused(folder, base="cn.safetensors")


def test_checkpoints_without_all_parts_are_refused(models):
    folder, parts = models
    whole = formats.checkpoint(parts)
    for start, found in {
        "cond_stage_model.": "contains no text encoder",
        "first_stage_model.": "contains no VAE",
    }.items():
        formats.save({k: v for k, v in whole.items() if not k.startswith(start)}, folder / "part.safetensors")
        assert found in refused(folder, base="part.safetensors")
    renamed = {name.replace("in_layers", "inner_layers"): tensor for name, tensor in whole.items()}
    formats.save(renamed, folder / "renamed.safetensors")
    assert "of the model's" in (text := refused(folder, base="renamed.safetensors")) and "lacks" in text


def test_cut_off_and_renamed_files_are_refused(models):
    folder, _ = models
    whole = (folder / "sd.safetensors").read_bytes()
    wrong = {
        "is truncated: ": whole[:-5000],
        "is truncated inside its header": whole[:200],
        "is too long": whole + b"more",
        "has a damaged safetensors header": whole[:8] + b"{" + b"x" * (len(whole) - 9),
        "is a web page, not weights": b"<!DOCTYPE html><html>Sign in</html>",
        "is only a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:1",
        "is a GGUF file": b"GGUF" + b"\0" * 60,
        "is not a safetensors file": b"",
    }
    for found, content in wrong.items():
        (folder / "wrong.safetensors").write_bytes(content)
        assert found in refused(folder, base="wrong.safetensors")
    torch.save({"x": torch.zeros(2)}, folder / "renamed.safetensors")
    assert "is a PyTorch file with another name" in refused(folder, base="renamed.safetensors")
    torch.save({"x": torch.zeros(2)}, folder / "old.safetensors", _use_new_zipfile_serialization=False)
    assert "is a pickled PyTorch file with another name" in refused(folder, base="old.safetensors")


def test_a_safetensors_file_named_ckpt_is_read_as_what_it_is(models):
    folder, parts = models
    (folder / "really.ckpt").write_bytes((folder / "v3.safetensors").read_bytes())
    lines = "\n".join(f'{key} = "{name}"' for key, name in (GOOD | {"motion_module": "really.ckpt"}).items())
    model = load_animatediff(read_entry(formats.write_entry(folder, lines)), torch.device("cpu"), torch.float32)
    assert model.unet.state_dict().keys() == parts.motion_unet("v3").state_dict().keys()


class Payload:
    """What a malicious checkpoint contains: unpickling it would run a command of the attacker."""

    def __init__(self, victim: Path):
        self.victim = victim

    def __reduce__(self):
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("place", ["motion_module", "base", "vae"])
def test_a_ckpt_with_code_in_it_is_refused_without_running_it(models, tmp_path, new_format, place):
    folder, parts = models
    victim = tmp_path / "the payload ran"
    content = {"state_dict": formats.original_motion(parts.adapters["v3"]), "callbacks": Payload(victim)}
    torch.save(content, folder / "evil.ckpt", _use_new_zipfile_serialization=new_format)
    text = refused(folder, **{place: "evil.ckpt"})
    assert not victim.exists()
    assert "contains pickled code besides its weights, and was not opened. Convert it to .safetensors" in text
    torch.load(folder / "evil.ckpt", weights_only=False)  # the payload is a real one
    assert victim.exists()


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04 cut off", b"\x80\x02 cut off"])
def test_a_damaged_ckpt_is_refused(models, content):
    folder, _ = models
    (folder / "bad.ckpt").write_bytes(content)
    text = refused(folder, motion_module="bad.ckpt")
    assert "is a damaged PyTorch file" in text or "is damaged or contains more than weights" in text


def test_a_ckpt_without_tensors_is_refused(models):
    folder, _ = models
    torch.save({"state_dict": {"epoch": 3}}, folder / "notes.ckpt")
    assert "contains no tensors" in refused(folder, motion_module="notes.ckpt")
    torch.save([torch.zeros(2)], folder / "list.ckpt")
    assert "contains no tensors" in refused(folder, motion_module="list.ckpt")
