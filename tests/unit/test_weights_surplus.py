"""Unknown keys are never ignored silently: whatever a file contains besides its weights is used, noted or refused."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.backbones.animatediff.backbone import load_animatediff
from backend.job_folder.problem import Problem
from backend.models.entry import read_entry
from tests import weight_formats as formats

GOOD = {"base": "sd.safetensors", "config": "base", "motion_module": "v3.safetensors"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("Gewichte")
    parts = formats.build(folder, blocks=2)
    formats.save(formats.checkpoint(parts), folder / "sd.safetensors")
    formats.save(formats.original_motion(parts.adapters["v3"]), folder / "v3.safetensors")
    return folder, parts


def load(folder, lines: str = "", **parts: str):
    named = "\n".join(f'{key} = "{name}"' for key, name in (GOOD | parts).items() if name)
    entry = read_entry(formats.write_entry(folder, f"{named}\n{lines}"))
    return load_animatediff(entry, torch.device("cpu"), torch.float32)


def refused(folder, **parts: str) -> str:
    with pytest.raises(Problem) as error:
        load(folder, **parts)
    assert error.value.hint
    return str(error.value)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"prediction_type": "v_prediction"}, "says prediction_type v_prediction"),
        ({"prediction_type": "sample"}, "says prediction_type sample"),
        ({"rescale_betas_zero_snr": True}, "zero terminal SNR"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "is for flow matching"),
        ({"num_train_timesteps": 2000}, "num_train_timesteps 2000"),
    ],
)
@pytest.mark.parametrize("key", ["base", "config"])
def test_a_scheduler_of_another_prediction_is_refused(models, tmp_path, change, words, key):
    folder, _ = models
    shutil.copytree(folder / "base", tmp_path / "other")
    path = tmp_path / "other" / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    given = {key: (tmp_path / "other").as_posix()} | ({"config": ""} if key == "base" else {})
    assert words in (text := refused(folder, **given)) and f"{key}: {path}" in text


MARKS = [
    ({"v_pred": ()}, {}, "is for v-prediction (it says v_pred)"),
    ({"v_pred": (0,), "ztsnr": (0,)}, {}, "is for v-prediction with zero terminal SNR (it says v_pred, ztsnr)"),
    ({}, {"modelspec.prediction_type": "v"}, "is for v-prediction (it says prediction_type v)"),
    ({"scaled_fp8": (2,)}, {}, "holds 8-bit weights with separate scales, such as scaled_fp8"),
]


@pytest.mark.parametrize("tensors, metadata, words", MARKS)
@pytest.mark.parametrize("key", ["base", "motion_module"])
def test_marks_that_change_the_meaning_of_all_weights(models, key, tensors, metadata, words):
    folder, _ = models
    whole = load_file(folder / GOOD[key]) | {name: torch.zeros(shape) for name, shape in tensors.items()}
    save_file(whole, folder / "marked.safetensors", metadata or None)
    assert words in refused(folder, **{key: "marked.safetensors"})


def test_a_file_that_says_epsilon_loads(models):
    folder, _ = models
    save_file(
        load_file(folder / "sd.safetensors"), folder / "eps.safetensors", {"modelspec.prediction_type": "epsilon"}
    )
    assert load(folder, base="eps.safetensors").notes == ()


def test_eight_bit_weights_load_as_they_are_and_with_scales_are_refused(models):
    folder, parts = models
    plain, scaled = {}, {}
    for name, tensor in formats.checkpoint(parts).items():
        if name.startswith("model.diffusion_model.") and tensor.ndim >= 2:
            scale = tensor.abs().max() / 400
            plain[name] = tensor.to(torch.float8_e4m3fn)
            scaled[name] = (tensor / scale).to(torch.float8_e4m3fn)
            scaled[name.replace(".weight", ".scale_weight")] = scale
        else:
            plain[name] = scaled[name] = tensor
    formats.save(plain, folder / "f8.safetensors")
    formats.save(scaled, folder / "f8s.safetensors")
    weight = load(folder, base="f8.safetensors").unet.conv_in.weight
    torch.testing.assert_close(weight, parts.unet.conv_in.weight, rtol=0.1, atol=0.01)
    assert "8-bit weights with separate scales" in refused(folder, base="f8s.safetensors")
    whole = {name: t.to(torch.int8) if "out.2.weight" in name else t for name, t in plain.items()}
    formats.save(whole, folder / "int8.safetensors")
    assert "weights that are quantized to integers" in refused(folder, base="int8.safetensors")


EXTRAS = {
    "model.diffusion_model.label_emb.0.0.weight": "base",
    "model.diffusion_model.input_blocks.1.0.strange.weight": "base",
    "cond_stage_model.transformer.text_model.encoder.layers.9.mlp.fc1.weight": "base",
    "first_stage_model.encoder.strange.weight": "base",
    "strange.weight": "base",
    "down_blocks.0.motion_modules.0.temporal_transformer.strange.weight": "motion_module",
    "img_encoder.conv.weight": "motion_module",
    "encoder.strange": "vae",
}


@pytest.mark.parametrize("name", EXTRAS)
@pytest.mark.parametrize("ending", ["safetensors", "ckpt"])
def test_a_surplus_tensor_that_nobody_knows_is_refused(models, name, ending):
    folder, parts = models
    key = EXTRAS[name]
    formats.save(formats.ldm_vae(parts.vae), folder / "vae.safetensors")
    given = load_file(folder / (GOOD | {"vae": "vae.safetensors"})[key])
    formats.save(given | {name: torch.ones(3, 3)}, folder / f"extra.{ending}")
    text = refused(folder, **{key: f"extra.{ending}"})
    assert f"{key}: {folder / f'extra.{ending}'} holds a tensor, unknown to the model, such as {name}" in text


@pytest.mark.parametrize("part", ["text_encoder", "vae", "unet"])
def test_folders_are_looked_at_too(models, tmp_path, part):
    folder, _ = models
    shutil.copytree(folder / "base", tmp_path / "base")
    (path,) = (tmp_path / "base" / part).glob("*.safetensors")
    tensors = load_file(path)
    save_file(tensors | {"strange.weight": torch.ones(2)}, path, {"format": "pt"})
    base = {"base": (tmp_path / "base").as_posix(), "config": ""}
    assert "unknown to the model, such as strange.weight" in refused(folder, **base)
    name = next(name for name in tensors if name.endswith("weight"))
    del tensors[name]
    save_file(tensors, path, {"format": "pt"})
    assert "lacks 1" in refused(folder, **base)


def test_what_is_harmless_loads_without_a_word_and_other_parts_are_noted(models):
    folder, parts = models
    harmless = {
        "model_ema.decay": (),
        "model_ema.diffusion_modelinput_blocks00weight": (4,),
        "betas": (1000,),
        "posterior_variance": (1000,),
        "cond_stage_model.logit_scale": (),
        "cond_stage_model.transformer.text_projection.weight": (4, 4),
        "first_stage_model.loss.logvar": (),
    }
    whole = formats.checkpoint(parts) | {name: torch.ones(shape) for name, shape in harmless.items()}
    formats.save(whole, folder / "full.safetensors")
    assert load(folder, base="full.safetensors").notes == ()
    motion = formats.original_motion(parts.adapters["v3"]) | {"conv_in.weight": torch.ones(16, 4, 3, 3)}
    formats.save(motion, folder / "with unet.ckpt")
    assert load(folder, motion_module="with unet.ckpt").notes == (
        "with unet.ckpt also contains 1 tensors of a UNet, which motion_module does not use.",
    )


def test_files_are_called_what_they_are(models):
    folder, parts = models
    averaged = {
        "model_ema." + name.removeprefix("model.").replace(".", "") if name.startswith("model.diff") else name: tensor
        for name, tensor in formats.checkpoint(parts).items()
    }
    formats.save(averaged, folder / "ema.safetensors")
    assert "is a checkpoint of averaged (EMA) weights only. Choose the version" in refused(
        folder, base="ema.safetensors"
    )
    original = formats.original_motion(parts.adapters["v3"])
    hotshot = {name.replace("motion_modules", "temporal_attentions"): tensor for name, tensor in original.items()}
    formats.save(hotshot, folder / "hs.safetensors")
    assert "is a Hotshot-XL motion module" in refused(folder, motion_module="hs.safetensors")


def test_a_tokenizer_of_another_size_is_refused(models, tmp_path):
    """It would number the tokens differently: the demo's tokenizer reads English by letter."""
    from backend.models.vocabulary import CLIP

    folder, _ = models
    shutil.copytree(folder / "base", tmp_path / "base")
    shutil.rmtree(tmp_path / "base" / "tokenizer")
    shutil.copytree(CLIP, tmp_path / "base" / "tokenizer")
    text = refused(folder, config=(tmp_path / "base").as_posix())
    assert "has 49408 tokens; the text encoder of" in text and "remove config for SD1.5" in text
