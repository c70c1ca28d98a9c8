"""Weights in every format: the loaded model is the one that the files were written from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from transformers import CLIPTextConfig, CLIPTextModel

from backend.backbones.animatediff.backbone import AnimateDiff, load_animatediff
from backend.backbones.animatediff.frame_norm import PerFrameGroupNorm, normalize_each_frame
from backend.backbones.animatediff.weights import sd15
from backend.backbones.animatediff.weights.recognize import recognize
from backend.job_folder.problem import Problem
from backend.models.entry import read_entry
from tests import weight_formats as formats

CPU = torch.device("cpu")
FILE = 'base = "sd.safetensors"\nconfig = "base"\n'


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> tuple[Path, formats.Parts]:
    folder = tmp_path_factory.mktemp("Gewichte ü")
    parts = formats.build(folder)
    formats.save(formats.checkpoint(parts), folder / "sd.safetensors")
    for version, adapter in parts.adapters.items():
        original = formats.original_motion(adapter)
        formats.save(original, folder / f"{version}.safetensors")
        wrapped = {f"module.{name}": tensor for name, tensor in original.items()}
        torch.save({"epoch": 3, "global_step": 10, "state_dict": wrapped}, folder / f"{version}.ckpt")
    return folder, parts


def load(folder: Path, lines: str, dtype: torch.dtype = torch.float32, frames: int = 24) -> AnimateDiff:
    return load_animatediff(read_entry(formats.write_entry(folder, lines, frames)), CPU, dtype)


def assert_same(module: torch.nn.Module, source: torch.nn.Module) -> None:
    given, wanted = module.state_dict(), source.state_dict()
    assert given.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(given[name], tensor, rtol=0, atol=0, msg=name)


@torch.no_grad()
def noise_of(unet: torch.nn.Module, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(1, 4, 4, 8, 8, generator=generator)
    text = torch.randn(4, 7, formats.TEXT_WIDTH, generator=generator)
    return unet(latents.to(dtype), 500, text.to(dtype), return_dict=False)[0].float()


@pytest.mark.parametrize("base", ['base = "base"\n', FILE], ids=["folder", "file"])
@pytest.mark.parametrize(
    ("version", "form"), [("v1", ".ckpt"), ("v2", ""), ("v2", ".ckpt"), ("v3", ".safetensors"), ("v3", ".ckpt")]
)
def test_base_and_motion_module(models, base, version, form):
    """v1: 24 positions. v2: motion in the mid block. v3: neither. diffusers' folders and AnimateDiff's files."""
    folder, parts = models
    model = load(folder, f'{base}motion_module = "{version}{form}"')
    source = parts.motion_unet(version)
    assert_same(model.unet, source)
    assert_same(model.text_encoder, parts.text_encoder)
    assert_same(model.vae, parts.vae)
    normalize_each_frame(source)
    torch.testing.assert_close(noise_of(model.unet), noise_of(source), rtol=0, atol=1e-6)
    assert any(isinstance(module, PerFrameGroupNorm) for module in model.unet.modules())
    assert not any(p.requires_grad or p.is_meta for p in model.unet.parameters())
    assert not any(module.training for module in (model.unet, model.vae, model.text_encoder))


def test_the_loaded_parts_do_what_the_source_s_do(models):
    folder, parts = models
    model = load(folder, FILE + 'motion_module = "v3.ckpt"')
    tokens = model.tokenizer("a red ball on green ground", return_tensors="pt").input_ids
    picture = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(model.text_encoder(tokens)[0], parts.text_encoder(tokens)[0])
        torch.testing.assert_close(model.vae(picture).sample, parts.vae(picture).sample)


def test_the_noise_schedule_is_animatediff_s_not_the_base_s(models):
    model = load(models[0], 'base = "base"\nmotion_module = "v3"')
    betas = torch.linspace(0.00085, 0.012, 1000)
    torch.testing.assert_close(model.alphas, torch.cumprod(1 - betas, 0))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("base", ['base = "base"\n', FILE], ids=["folder", "file"])
def test_weights_come_in_the_precision_asked_for(models, base, dtype):
    folder, parts = models
    model = load(folder, base + 'motion_module = "v2.safetensors"', dtype)
    assert {p.dtype for p in model.unet.parameters()} == {dtype}
    assert_same(model.unet, parts.motion_unet("v2").to(dtype))


def test_half_precision_files_and_several_files_load(models, tmp_path):
    folder, parts = models
    shutil.copytree(folder / "base", tmp_path / "base")
    shutil.rmtree(tmp_path / "base" / "unet")
    parts.unet.save_pretrained(tmp_path / "base" / "unet", max_shard_size="200KB")
    assert len(list((tmp_path / "base" / "unet").glob("*.safetensors"))) > 1
    for part, stem in (("vae", "diffusion_pytorch_model"), ("text_encoder", "model")):
        inside = tmp_path / "base" / part
        (inside / f"{stem}.safetensors").rename(inside / f"{stem}.fp16.safetensors")
    adapter = shutil.copytree(folder / "v3", tmp_path / "v3")
    name = "diffusion_pytorch_model"
    (adapter / f"{name}.safetensors").rename(adapter / f"{name}.fp16.safetensors")
    model = load(tmp_path, 'base = "base"\nmotion_module = "v3"')
    assert_same(model.unet, parts.motion_unet("v3"))
    assert_same(model.vae, parts.vae)


@pytest.mark.parametrize("form", ["folder", "original.safetensors", "original.ckpt", "prefixed.safetensors"])
@pytest.mark.parametrize("base", ['base = "base"\n', FILE], ids=["base folder", "base file"])
def test_an_external_vae_takes_the_base_s_place(models, tmp_path, base, form):
    folder, _ = models
    torch.manual_seed(5)
    other = formats.small_vae()
    if form == "folder":
        other.save_pretrained(tmp_path / form)
    else:
        start = "first_stage_model." if form.startswith("prefixed") else ""
        formats.save({start + name: t for name, t in formats.ldm_vae(other).items()}, tmp_path / form)
    config = "" if "config" in base else 'config = "base"\n'
    lines = f'{base}{config}motion_module = "v3"\nvae = "{(tmp_path / form).as_posix()}"'
    assert_same(load(folder, lines).vae, other)


def test_a_motion_module_without_stored_positions_gets_them_computed(models):
    folder, parts = models
    original = formats.original_motion(parts.adapters["v3"])
    formats.save({k: v for k, v in original.items() if "pos_encoder" not in k}, folder / "plain.safetensors")
    assert_same(load(folder, FILE + 'motion_module = "plain.safetensors"').unet, parts.motion_unet("v3"))


def test_a_single_file_in_diffusers_names_is_a_motion_module_too(models):
    folder, parts = models
    formats.save(parts.adapters["v2"].state_dict(), folder / "lightning.safetensors")
    assert_same(load(folder, FILE + 'motion_module = "lightning.safetensors"').unet, parts.motion_unet("v2"))


def test_the_file_may_go_once_the_model_is_loaded(models, tmp_path):
    folder, parts = models
    shutil.copy(folder / "sd.safetensors", tmp_path / "sd.safetensors")
    lines = f'base = "sd.safetensors"\nconfig = "{(folder / "base").as_posix()}"\n'
    model = load(tmp_path, lines + f'motion_module = "{(folder / "v3.ckpt").as_posix()}"')
    (tmp_path / "sd.safetensors").write_bytes(b"")
    assert_same(model.unet, parts.motion_unet("v3"))


def test_a_single_file_needs_no_config(tmp_path, monkeypatch):
    """With the (here small) sizes of SD1.5 and the vocabulary of CLIP, whose tokenizer is included."""
    parts = formats.build(tmp_path, blocks=2)
    config = parts.text_encoder.config
    config.vocab_size, config.max_position_embeddings = 49408, 77
    config.bos_token_id, config.eos_token_id, config.pad_token_id = 49406, 49407, 49407
    parts.text_encoder = CLIPTextModel(config).eval()
    sizes = {"unet": dict(parts.unet.config), "vae": dict(parts.vae.config), "text_encoder": config.to_dict()}
    monkeypatch.setattr(sd15, "CONFIGS", sizes)
    formats.save(formats.checkpoint(parts), tmp_path / "sd.safetensors")
    formats.save(formats.original_motion(parts.adapters["v3"]), tmp_path / "v3.ckpt")
    model = load(tmp_path, 'base = "sd.safetensors"\nmotion_module = "v3.ckpt"')
    assert_same(model.text_encoder, parts.text_encoder)
    ids = model.tokenizer("a photo of a cat").input_ids
    assert ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    tokens = torch.tensor([ids + [49407] * (77 - len(ids))])
    with torch.no_grad():
        assert torch.equal(model.embed(["a photo of a cat"])[0], parts.text_encoder(tokens)[0])
    with pytest.raises(Problem, match=r"has \d+ tokens; the text encoder of .* has 49408. Set config"):
        load(tmp_path, 'base = "sd.safetensors"\nconfig = "base/tokenizer"\nmotion_module = "v3.ckpt"')


def test_the_built_in_sizes_are_sd15_s():
    """The published numbers of parameters, and every tensor of a checkpoint of that size is used."""
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(sd15.UNET)
        vae = AutoencoderKL.from_config(sd15.VAE)
        text_encoder = CLIPTextModel(CLIPTextConfig(**sd15.TEXT_ENCODER))
    counts = [sum(p.numel() for p in module.parameters()) for module in (unet, vae, text_encoder)]
    assert counts == [859_520_964, 83_653_863, 123_060_480]
    whole = formats.checkpoint(formats.Parts(unet, vae, text_encoder, {}))
    assert convert_ldm_unet_checkpoint(whole, sd15.UNET).keys() == unet.state_dict().keys()
    first_stage = {name: t for name, t in whole.items() if name.startswith("first_stage_model.")}
    assert convert_ldm_vae_checkpoint(first_stage, sd15.VAE).keys() == vae.state_dict().keys()
    assert str(recognize({name: tuple(t.shape) for name, t in whole.items()})) == "an SD1.5 checkpoint"


def test_a_tokenizer_folder_is_config_enough(models, tmp_path):
    """The sizes are then those of SD1.5. This small model has others: the error names the sizes, not the config."""
    folder, _ = models
    shutil.copytree(folder / "base" / "tokenizer", tmp_path / "words")
    lines = f'base = "{(folder / "sd.safetensors").as_posix()}"\nconfig = "words"\n'
    with pytest.raises(Exception, match="reads text embeddings of width 16; the configs expect 768"):
        load(tmp_path, lines + f'motion_module = "{(folder / "v3").as_posix()}"')
