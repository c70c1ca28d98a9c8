"""LoRAs in every layout: the weights become W + strength * alpha / rank * up @ down, and nothing else changes."""

from __future__ import annotations

import json

import pytest
import torch

from backend.backbones.animatediff.backbone import AnimateDiff, load_animatediff
from backend.job_folder.problem import Problem
from backend.models.entry import read_entry
from tests import lora_formats
from tests import weight_formats as formats

CROSS = "down_blocks.0.attentions.0.transformer_blocks.0.attn2"
LAYERS = [
    f"{CROSS}.to_q",
    f"{CROSS}.to_k",
    f"{CROSS}.to_out.0",
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_v",
]
TEMPORAL = "up_blocks.1.motion_modules.0.transformer_blocks.0"
MOTION_LAYERS = [f"{TEMPORAL}.attn1.to_q", f"{TEMPORAL}.attn2.to_out.0"]
TEXT_LAYERS = ["encoder.layers.1.self_attn.k_proj", "encoder.layers.1.self_attn.out_proj"]
RANK = 3


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loras")
    return folder, formats.build(folder, blocks=2)


def load(folder, lines: str, dtype=torch.float32) -> AnimateDiff:
    text = f'base = "base"\nmotion_module = "v2"\n{lines}'
    return load_animatediff(read_entry(formats.write_entry(folder, text)), torch.device("cpu"), dtype)


def assert_changed(module, source, halves: dict[str, tuple], factor: float, tolerance: float = 1e-5) -> None:
    """Asserts that exactly the layers of `halves` changed, by factor * up @ down."""
    given = module.state_dict()
    for name, wanted in source.state_dict().items():
        up, down = halves.get(name.removesuffix(".weight"), (None, None))
        if up is None:
            torch.testing.assert_close(given[name], wanted.to(given[name].dtype), rtol=0, atol=0, msg=name)
        else:
            change = factor * torch.einsum("or,ri->oi", up.flatten(1), down.flatten(1)).reshape(wanted.shape)
            assert change.abs().max() > 0.01
            torch.testing.assert_close(given[name].float(), wanted + change, rtol=tolerance, atol=tolerance, msg=name)


LAYOUTS = {
    "kohya": lambda halves: lora_formats.kohya("lora_unet_", halves),
    "diffusers": lambda halves: lora_formats.peft("unet.", halves),
    "PEFT": lambda halves: lora_formats.peft("base_model.model.", halves),
    "diffusers, old": lambda halves: lora_formats.attention_processors("unet.", halves),
    "first diffusers": lambda halves: lora_formats.attention_processors("", halves),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_a_lora(models, layout):
    folder, parts = models
    source = parts.motion_unet("v2")
    halves = lora_formats.random_lora(source, LAYERS)
    formats.save(LAYOUTS[layout](halves), folder / "style.safetensors")
    model = load(folder, 'loras = [{file = "style.safetensors", strength = 0.5}]')
    assert_changed(model.unet, source, halves, 0.5)
    assert_changed(model.text_encoder, parts.text_encoder, {}, 0)


def test_alpha_scales_the_change_and_convolutions_change_too(models):
    folder, parts = models
    source = parts.motion_unet("v2")
    halves = lora_formats.random_lora(
        source, [*LAYERS, "down_blocks.0.resnets.0.conv1", "down_blocks.0.attentions.0.proj_in"]
    )
    formats.save(lora_formats.kohya("lora_unet_", halves, alpha=1.5), folder / "conv.safetensors")
    assert_changed(load(folder, 'loras = ["conv.safetensors"]').unet, source, halves, 1.5 / RANK)


def test_alpha_from_the_file_s_metadata(models):
    folder, parts = models
    source = parts.motion_unet("v2")
    halves = lora_formats.random_lora(source, LAYERS)
    notes = {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 6, "unet.r": RANK})}
    formats.save(lora_formats.peft("unet.", halves), folder / "noted.safetensors", notes)
    assert_changed(load(folder, 'loras = ["noted.safetensors"]').unet, source, halves, 2)


@pytest.mark.parametrize("layout", ["kohya", "kohya te1", "diffusers", "diffusers, old"])
def test_the_text_encoder_s_part(models, layout):
    folder, parts = models
    halves = lora_formats.random_lora(parts.text_encoder, TEXT_LAYERS)
    start = "text_encoder.text_model."
    old = lora_formats.attention_processors(start, halves)
    names = {"k_proj_lora": "to_k_lora", "out_proj_lora": "to_out_lora", ".processor": ""}
    for theirs, ours in names.items():
        old = {name.replace(theirs, ours): tensor for name, tensor in old.items()}
    tensors = {
        "kohya": lora_formats.kohya("lora_te_text_model_", halves),
        "kohya te1": lora_formats.kohya("lora_te1_text_model_", halves),
        "diffusers": lora_formats.peft(start, halves),
        "diffusers, old": old,
    }
    formats.save(tensors[layout], folder / "words.safetensors")
    model = load(folder, 'loras = ["words.safetensors"]')
    assert_changed(model.text_encoder, parts.text_encoder, halves, 1)
    assert_changed(model.unet, parts.motion_unet("v2"), {}, 0)


@pytest.mark.parametrize("name", ["pan.ckpt", "pan.safetensors", "diffusers.safetensors", "peft.safetensors"])
def test_motion_loras(models, name):
    folder, parts = models
    source = parts.motion_unet("v2")
    halves = lora_formats.random_lora(source, MOTION_LAYERS)
    tensors = lora_formats.original_motion_lora(halves)
    if name.startswith("diffusers"):
        tensors = lora_formats.attention_processors("unet.", halves)
    if name.startswith("peft"):
        tensors = lora_formats.peft("unet.", halves)
    formats.save(tensors, folder / name)
    model = load(folder, f'motion_loras = [{{file = "{name}", strength = -0.8}}]')
    assert_changed(model.unet, source, halves, -0.8)


def test_v3_s_domain_adapter(models):
    folder, parts = models
    source = parts.motion_unet("v2")
    halves = lora_formats.random_lora(source, LAYERS)
    wrapped = {"animatediff_config": {"rank": 4}, "state_dict": lora_formats.attention_processors("module.", halves)}
    torch.save(wrapped, folder / "v3_sd15_adapter.ckpt")
    model = load(folder, 'domain_adapter = {file = "v3_sd15_adapter.ckpt", strength = 0.7}')
    assert_changed(model.unet, source, halves, 0.7)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.01), (torch.float16, 2e-3)])
def test_several_loras_add_up_and_round_once(models, dtype, tolerance):
    folder, parts = models
    source = parts.motion_unet("v2")
    lines, total = [], {}
    for seed in (1, 2, 3):
        halves = lora_formats.random_lora(source, LAYERS, seed=seed)
        formats.save(lora_formats.kohya("lora_unet_", halves), folder / f"{seed}.safetensors")
        lines.append(f'{{file = "{seed}.safetensors", strength = {seed / 4}}}')
        for layer, (up, down) in halves.items():
            total.setdefault(layer, []).append((seed / 4 * up, down))
    joined = {k: (torch.cat([u for u, _ in v], 1), torch.cat([d for _, d in v])) for k, v in total.items()}
    model = load(folder, f"loras = [{', '.join(lines)}]", dtype)
    assert_changed(model.unet, source, joined, 1, tolerance)


def test_strength_zero_equals_absence_bit_for_bit(models):
    folder, parts = models
    source = parts.motion_unet("v2")
    looks = lora_formats.kohya("lora_unet_", lora_formats.random_lora(source, LAYERS))
    motion = lora_formats.original_motion_lora(lora_formats.random_lora(source, MOTION_LAYERS))
    formats.save(looks, folder / "off.safetensors")
    formats.save(motion, folder / "still.ckpt")
    model = load(
        folder,
        'loras = [{file = "off.safetensors", strength = 0}]\nmotion_loras = [{file = "still.ckpt", strength = 0.0}]',
    )
    assert_changed(model.unet, source, {}, 0)


def refusal(models, tensors, lines: str) -> str:
    folder, _ = models
    formats.save(tensors, folder / "x.safetensors")
    with pytest.raises(Problem) as error:
        load(folder, lines.replace("X", "x.safetensors"))
    assert str(folder / "x.safetensors") in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "start", ["lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k", "lora_te2_text_model_q_proj"]
)
def test_a_lora_for_sdxl_is_refused(models, start):
    tensors = {f"{start}.lora_down.weight": torch.ones(4, 2048), f"{start}.lora_up.weight": torch.ones(640, 4)}
    assert "loras[0]" in (text := refusal(models, tensors, 'loras = ["X"]'))
    assert "is an SDXL LoRA. It must be a LoRA for SD1.5" in text


def test_a_lora_for_sd2_or_flux_is_refused(models):
    name = "lora_unet_" + CROSS.replace(".", "_") + "_to_k"
    tensors = {f"{name}.lora_down.weight": torch.ones(4, 1024), f"{name}.lora_up.weight": torch.ones(16, 4)}
    assert "is an SD2.x LoRA" in refusal(models, tensors, 'loras = ["X"]')
    name = "lora_unet_double_blocks_0_img_attn_proj"
    tensors = {f"{name}.lora_down.weight": torch.ones(4, 32), f"{name}.lora_up.weight": torch.ones(32, 4)}
    assert "is a Flux LoRA" in refusal(models, tensors, 'loras = ["X"]')


def test_a_lora_of_other_sizes_is_refused(models):
    name = "lora_unet_" + CROSS.replace(".", "_") + "_to_q"
    tensors = {f"{name}.lora_down.weight": torch.ones(4, 20), f"{name}.lora_up.weight": torch.ones(20, 4)}
    assert f"its {CROSS}.to_q is 20 x 20, this model's is 32 x 32" in refusal(models, tensors, 'loras = ["X"]')


def test_a_lora_with_half_a_layer_or_an_unknown_one_is_refused(models):
    name = "lora_unet_" + CROSS.replace(".", "_") + "_to_q"
    assert "has only its down" in refusal(models, {f"{name}.lora_down.weight": torch.ones(4, 16)}, 'loras = ["X"]')
    tensors = {"lora_unet_something_else.lora_down.weight": torch.ones(4, 16)}
    assert "changes lora_unet_something_else.lora_down.weight" in refusal(models, tensors, 'loras = ["X"]')


RELATIVES = {
    "hada_w1_a": "is a LoHa.",
    "lokr_w1": "is a LoKr.",
    "dora_scale": "is a DoRA.",
    "lora_magnitude_vector.weight": "is a DoRA.",
    "oft_blocks": "is an OFT.",
    "lora_mid.weight": "is a LoCon with a Tucker core.",
    "diff": "is a LyCORIS file of whole differences.",
    "a1.weight": "is a GLoRA.",
    "on_input": "is an IA3.",
}


@pytest.mark.parametrize("part", RELATIVES)
def test_relatives_of_loras_are_refused_by_name(models, part):
    name = "lora_unet_" + CROSS.replace(".", "_") + "_to_q"
    halves = lora_formats.kohya("lora_unet_", lora_formats.random_lora(models[1].unet, LAYERS[:1]))
    assert RELATIVES[part] in refusal(models, halves | {f"{name}.{part}": torch.ones(4, 16)}, 'loras = ["X"]')


STABLE = {"unet.lora_alpha": 6, "unet.r": RANK, "unet.use_rslora": True}


def test_a_rank_stabilized_lora_counts_by_the_root_of_its_rank(models):
    folder, parts = models
    source = parts.motion_unet("v2")
    halves = lora_formats.random_lora(source, LAYERS)
    notes = {"lora_adapter_metadata": json.dumps(STABLE)}
    formats.save(lora_formats.peft("unet.", halves), folder / "stable.safetensors", notes)
    assert_changed(load(folder, 'loras = ["stable.safetensors"]').unet, source, halves, 6 / RANK**0.5)


def test_alphas_by_pattern_are_found_by_the_end_of_a_layer_s_name(models):
    folder, parts = models
    source = parts.motion_unet("v2")
    halves = lora_formats.random_lora(source, LAYERS[:1])
    facts = {"unet.lora_alpha": 6, "unet.alpha_pattern": {"attn1.to_q": 1, "attn2.to_q": 12}}
    notes = {"lora_adapter_metadata": json.dumps(facts)}
    formats.save(lora_formats.peft("unet.", halves), folder / "pattern.safetensors", notes)
    assert_changed(load(folder, 'loras = ["pattern.safetensors"]').unet, source, halves, 12 / RANK)


def test_alpha_from_the_config_beside_a_peft_adapter(models, tmp_path):
    folder, parts = models
    source = parts.motion_unet("v2")
    halves = lora_formats.random_lora(source, LAYERS)
    path = tmp_path / "adapter_model.safetensors"
    formats.save(lora_formats.peft("base_model.model.", halves), path)
    lines = f'loras = ["{path.as_posix()}"]'
    model = load(folder, lines)
    assert "does not contain its alpha" in model.notes[0]
    assert_changed(model.unet, source, halves, 1)
    config = {"peft_type": "LORA", "lora_alpha": 6, "r": RANK, "use_rslora": True, "bias": "none"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"init_lora_weights": True}))
    model = load(folder, lines)
    assert_changed(model.unet, source, halves, 6 / RANK**0.5)
    assert model.notes == ()


@pytest.mark.parametrize(
    "facts, words",
    [
        ({"unet.use_dora": True}, "is a DoRA by its metadata"),
        ({"unet.init_lora_weights": "pissa_niter_4"}, "began as pissa_niter_4, which changes the base model too"),
        ({"peft_type": "LOHA"}, "is a LOHA by its metadata"),
        ({"unet.lora_bias": True}, "trains biases too"),
        ([], "unreadable metadata about its scale"),
    ],
)
def test_metadata_that_cannot_be_followed_is_refused(models, facts, words):
    folder, parts = models
    halves = lora_formats.peft("unet.", lora_formats.random_lora(parts.motion_unet("v2"), LAYERS))
    formats.save(halves, folder / "facts.safetensors", {"lora_adapter_metadata": json.dumps(facts)})
    with pytest.raises(Problem, match=words):
        load(folder, 'loras = ["facts.safetensors"]')


def test_a_kohya_lora_that_says_rank_stabilized_is_noted(models):
    folder, parts = models
    source = parts.motion_unet("v2")
    halves = lora_formats.random_lora(source, LAYERS)
    tensors = lora_formats.kohya("lora_unet_", halves, alpha=1.5)
    formats.save(tensors, folder / "kohya.safetensors", {"ss_network_args": '{"rs_lora": "True"}'})
    model = load(folder, 'loras = ["kohya.safetensors"]')
    assert_changed(model.unet, source, halves, 1.5 / RANK)
    assert "kohya.safetensors was trained rank-stabilized" in model.notes[0]


def test_a_bundled_embedding_is_noted_and_the_lora_loads(models):
    folder, parts = models
    source = parts.motion_unet("v2")
    halves = lora_formats.random_lora(source, LAYERS)
    bundle = {"bundle_emb.mystyle.string_to_param.*": torch.zeros(2, 768)}
    formats.save(lora_formats.kohya("lora_unet_", halves) | bundle, folder / "bundle.safetensors")
    model = load(folder, 'loras = ["bundle.safetensors"]')
    assert_changed(model.unet, source, halves, 1)
    assert model.notes == ("bundle.safetensors also contains the textual inversion mystyle, which is not used.",)


def test_an_unknown_tensor_of_a_known_layer_is_named(models):
    name = "lora_unet_" + CROSS.replace(".", "_") + "_to_q"
    halves = lora_formats.kohya("lora_unet_", lora_formats.random_lora(models[1].unet, LAYERS[:1]))
    text = refusal(models, halves | {f"{name}.scalar": torch.ones(1)}, 'loras = ["X"]')
    assert "scalar, which does not belong to a plain LoRA" in text and "architecture" not in text


def test_loras_in_each_other_s_place_are_refused(models):
    _, parts = models
    source = parts.motion_unet("v2")
    motion = lora_formats.original_motion_lora(lora_formats.random_lora(source, MOTION_LAYERS))
    looks = lora_formats.kohya("lora_unet_", lora_formats.random_lora(source, LAYERS))
    assert "is a motion LoRA. It must be a LoRA" in refusal(models, motion, 'loras = ["X"]')
    assert "is a LoRA. It must be a motion LoRA" in refusal(models, looks, 'motion_loras = ["X"]')
    assert "is a motion LoRA. It must be AnimateDiff v3's" in refusal(models, motion, 'domain_adapter = "X"')


def test_a_motion_lora_of_v2_s_middle_block_does_not_fit_v3(models):
    folder, parts = models
    layer = "mid_block.motion_modules.0.transformer_blocks.0.attn1.to_q"
    halves = lora_formats.random_lora(parts.motion_unet("v2"), [layer])
    formats.save(lora_formats.original_motion_lora(halves), folder / "v2_pan.ckpt")
    entry = formats.write_entry(folder, 'base = "base"\nmotion_module = "v3"\nmotion_loras = ["v2_pan.ckpt"]')
    with pytest.raises(Problem, match=r"mid_block.*which this model does not have.*v2"):
        load_animatediff(read_entry(entry), torch.device("cpu"), torch.float32)
