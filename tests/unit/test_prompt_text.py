"""Text embeddings: the same as diffusers', and for emphasis the same as a plain reimplementation of common tools."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from backend.__main__ import main
from backend.backbones.animatediff.backbone import load_animatediff
from backend.backbones.animatediff.text import MIN_MEAN, weighted
from backend.job_folder.problem import Problem
from backend.models.entry import find_entry, read_entry
from backend.models.prompt_files import with_prompt_files
from tests import lora_formats
from tests import weight_formats as formats

CPU = torch.device("cpu")
PLAIN = "a red ball on green ground"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A small model whose text encoder has four different layers and a mean that is not zero."""
    folder = tmp_path_factory.mktemp("Wörter")
    parts = formats.build(folder, blocks=2)
    config = parts.text_encoder.config
    config.num_hidden_layers = 4
    torch.manual_seed(3)
    encoder = type(parts.text_encoder)(config)
    torch.nn.init.normal_(encoder.final_layer_norm.bias, mean=0.3)
    encoder.save_pretrained(folder / "base" / "text_encoder")
    return folder


@pytest.fixture(scope="module")
def model(built):
    return load_animatediff(
        read_entry(formats.write_entry(built, 'base = "base"\nmotion_module = "v3"')), CPU, torch.float32
    )


@pytest.fixture
def pipeline(built):
    pipeline = StableDiffusionPipeline.from_pretrained(built / "base", safety_checker=None)
    # This diffusers looks for the final norm below a name that this transformers no longer has.
    pipeline.text_encoder.__dict__["text_model"] = pipeline.text_encoder
    return pipeline


def diffusers_text(pipeline, text: str, clip_skip: int | None = None) -> torch.Tensor:
    return pipeline.encode_prompt(text, CPU, 1, False, clip_skip=clip_skip)[0]


def test_a_plain_prompt_is_bit_for_bit_what_diffusers_reads(model, pipeline):
    assert torch.equal(model.embed([PLAIN])[0], diffusers_text(pipeline, PLAIN))
    assert torch.equal(model.embed([""])[0], diffusers_text(pipeline, ""))
    assert torch.equal(model.embed([f"({PLAIN}:1)"])[0], diffusers_text(pipeline, PLAIN))


@pytest.mark.parametrize("skip", [2, 3, 4])
def test_clip_skip_is_diffusers_own_counted_from_one(model, pipeline, skip):
    torch.testing.assert_close(model.embed([PLAIN], skip)[0], diffusers_text(pipeline, PLAIN, skip - 1))
    assert not torch.allclose(model.embed([PLAIN], skip)[0], model.embed([PLAIN])[0])


def test_more_layers_than_there_are_cannot_be_skipped(model):
    with pytest.raises(Problem, match="clip_skip is 5; the model's text encoder has 4 layers"):
        model.embed([PLAIN], 5)[0]


def test_weights_scale_the_words_and_the_mean_stays(model):
    """The formula of the common tools in plain numbers."""
    plain = model.embed([PLAIN])[0].numpy()
    factors = np.ones(plain.shape[1])
    factors[2], factors[3] = 1.4, 1 / 1.1  # after the beginning: a red ball
    scaled = plain * factors[None, :, None]
    wanted = scaled * (plain.mean() / scaled.mean())
    given = model.embed(["a (red:1.4) [ball] on green ground"])[0].numpy()
    np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(given.mean(), plain.mean(), rtol=1e-4)


def test_without_a_mean_there_is_nothing_to_normalize_by(model):
    """A mean near zero would scale the whole prompt up."""
    states = torch.tensor([[[1.0, -1.0], [2.0, -2.0 + MIN_MEAN / 10]]])
    assert torch.equal(weighted(states, [1.0, 2.0]), states * torch.tensor([1.0, 2.0])[None, :, None])


def test_parts_are_read_apart_and_texts_have_one_length(model):
    both = model.embed(["a red ball BREAK on green ground"])[0]
    assert torch.equal(both, torch.cat([model.embed(["a red ball"])[0], model.embed(["on green ground"])[0]], 1))
    negative, positive = model.embed(["grey", "a BREAK b BREAK c"])
    assert negative.shape == positive.shape
    assert torch.equal(negative, torch.cat([model.embed([text])[0] for text in ("grey", "", "")], 1))


def test_a_part_that_is_too_long_says_what_to_do(model):
    with pytest.raises(Problem, match="divide it with BREAK"):
        model.embed(["red " * 40])[0]
    assert model.embed(["red " * 20 + "BREAK" + " blue" * 20])[0].shape[1] == 2 * model.tokenizer.model_max_length


def inversion(path, width: int = formats.TEXT_WIDTH, count: int = 3, name: str = "emb_params"):
    path.parent.mkdir(parents=True, exist_ok=True)
    vectors = torch.randn(count, width, generator=torch.Generator().manual_seed(7))
    if path.suffix == ".pt":
        torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "easy", "step": 9}, path)
    else:
        save_file({name: vectors}, path)
    return vectors


def load_with(built, prompt: str, *others: str):
    entry = read_entry(formats.write_entry(built, 'base = "base"\nmotion_module = "v3"'))
    return load_animatediff(with_prompt_files(entry, prompt, others), CPU, torch.float32)


@pytest.mark.parametrize("file", ["easy.pt", "sub folder/Easy.safetensors"])
def test_a_textual_inversion_stands_where_the_prompt_names_it(built, pipeline, data_folder, file):
    vectors = inversion(data_folder / "models" / "embeddings" / file)
    pipeline.load_textual_inversion({"easy": vectors}, token="easy")
    text = "a red ball, embedding:easy, on green ground"
    model = load_with(built, text)
    wanted = diffusers_text(pipeline, text.replace("embedding:", ""))
    torch.testing.assert_close(model.embed([text])[0], wanted)
    assert not torch.allclose(model.embed(["a red ball, on green ground"])[0], wanted)
    assert any(name.startswith("embedding:easy/") for name in model.entry.weight_files())
    assert model.token_indices(text, "green ground", "prompt") == [10, 11]


def test_textual_inversions_count_as_many_tokens_as_they_have(built, data_folder):
    inversion(data_folder / "models" / "embeddings" / "long.pt", count=31)
    with pytest.raises(Problem, match="has 31 tokens; this model reads at most 30"):
        load_with(built, "embedding:long").embed(["embedding:long"])


def test_textual_inversions_that_cannot_be_used(built, data_folder):
    folder = data_folder / "models" / "embeddings"
    with pytest.raises(Problem, match="no textual inversion 'easy' in .*embeddings"):
        load_with(built, "a ball", "embedding:easy")
    inversion(folder / "wide.safetensors", width=768)
    with pytest.raises(Problem, match=r"embedding:wide: .* width 768 \(SD1.5\); the model's text encoder has 16"):
        load_with(built, "embedding:wide")
    save_file({"clip_l": torch.zeros(2, 768), "clip_g": torch.zeros(2, 1280)}, folder / "xl.safetensors")
    with pytest.raises(Problem, match="embedding:xl: .* is an SDXL textual inversion"):
        load_with(built, "embedding:xl")
    (folder / "cut.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(Problem, match="embedding:cut: .* damaged"):
        load_with(built, "embedding:cut")
    save_file({"emb_params": torch.full((1, 16), torch.nan)}, folder / "nan.safetensors")
    with pytest.raises(Problem, match="embedding:nan: .* contains no usable vectors"):
        load_with(built, "embedding:nan")
    inversion(folder / "a" / "two.pt"), inversion(folder / "b" / "two.safetensors")
    with pytest.raises(Problem, match="are both the textual inversion 'two'"):
        load_with(built, "embedding:two")
    with pytest.raises(Problem, match=r"'wyde' in .*Did you mean 'wide'\?"):
        load_with(built, "embedding:wyde")


def test_a_lora_named_in_the_prompt_is_loaded_or_it_is_said_how(built, data_folder):
    layer = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q"
    plain = load_with(built, "a ball").unet.get_submodule(layer).weight
    halves = lora_formats.random_lora(load_with(built, "a ball").unet, [layer])
    path = formats.save(
        lora_formats.kohya("lora_unet_", halves), data_folder / "models" / "loras" / "Style.safetensors"
    )
    model = load_with(built, "a ball <lora:style:0.8>")
    (up, down) = halves[layer]
    torch.testing.assert_close(model.unet.get_submodule(layer).weight, plain + 0.8 * up @ down)
    assert "loras[0] Style.safetensors x 0.8" in model.entry.weight_files()
    with pytest.raises(Problem, match="no LoRA 'stile' in .*add it to loras in .*own.toml and remove <lora:stile:1>"):
        load_with(built, "a ball <lora:stile>")
    with pytest.raises(Problem, match="named in a negative"):
        load_with(built, "a ball", "<lora:style:1>")
    entry = formats.write_entry(built, f'base = "base"\nmotion_module = "v3"\nloras = ["{path.as_posix()}"]')
    with pytest.raises(Problem, match="already has the LoRA 'style', with the strength 1"):
        with_prompt_files(read_entry(entry), "<lora:style:0.8>", ())


def clone(clip, folder, *arguments: str) -> tuple[int, dict]:
    code = main(["clone", str(clip), "--model", "tiny", "--set", "motion_weight=0", "--job", str(folder), *arguments])
    return code, json.loads((folder / "result.json").read_text("utf-8")) if code == 0 else {}


def test_signs_and_clip_skip_reach_the_clip_and_its_notes(tiny, moving_clip, tmp_path, capsys):
    found = {}
    for name, prompt in (("plain", "a red ball"), ("strong", "a (red:1.9) ball"), ("parts", "a red BREAK ball")):
        code, found[name] = clone(moving_clip, tmp_path / name, "--prompt", prompt)
        assert code == 0, capsys.readouterr().err
    pictures = {name: (tmp_path / name / "result" / "0003.png").read_bytes() for name in found}
    assert len(set(pictures.values())) == 3 and found["plain"]["notes"] == []
    assert "'red' 1.9" in found["strong"]["notes"][0] and "2 parts" in found["parts"]["notes"][0]
    code, _ = clone(moving_clip, tmp_path / "skip", "--prompt", "a red ball", "--set", "clip_skip=2")
    assert code == 1 and "has 1 layers" in capsys.readouterr().err


@pytest.mark.parametrize("prompt", ["24: night falls", "a [red|blue] ball", "a ball <lora:style:1>", "embedding:easy"])
def test_what_cannot_be_followed_is_said_before_a_job_is_made(tiny, moving_clip, tmp_path, capsys, prompt):
    code, _ = clone(moving_clip, tmp_path / "job", "--prompt", prompt)
    assert code == 1 and not (tmp_path / "job").exists() and find_entry("tiny").embeddings == {}
    assert "Traceback" not in capsys.readouterr().err
