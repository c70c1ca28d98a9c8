"""Controls: each condition has an effect, and the same as in diffusers' pipelines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import AnimateDiffControlNetPipeline, AnimateDiffSparseControlNetPipeline, DDIMScheduler
from PIL import Image

from backend.backbones.animatediff import controls
from backend.backbones.animatediff.backbone import load_animatediff
from backend.backbones.animatediff.denoise import Denoiser
from backend.backbones.animatediff.frame_norm import PerFrameGroupNorm, normalize_all_frames
from backend.controls.conditions import CONTROL_OF, Condition
from backend.job.take import Take, generate, initial_noise
from backend.job_folder.families import resolve
from backend.models.entry import find_entry
from backend.motion.guidance import MotionGuidance
from backend.motion.representation import extract_motion
from backend.sampling.schedule import Step

FRAMES, SIZE = 8, (24, 40)
KINDS = list(CONTROL_OF)


@pytest.fixture
def model(model):
    return replace(model, entry=find_entry("tiny-controls"))


@pytest.fixture
def take(model):
    chosen = {"frames": FRAMES, "steps": 4, "guided_steps": 0, "cfg_scale": 1.0}
    return Take(
        frames=FRAMES,
        size=SIZE,
        seed=5,
        settings=resolve(model.entry.settings, chosen),
        negative=model.embed([""])[0],
        positive=model.embed(["a red ball"])[0],
    )


def condition(kind: str, *frame_indices: int) -> dict[str, Condition]:
    frame_indices = tuple(range(FRAMES)) if kind == "depth" else frame_indices or (2, 7)
    pictures = np.random.default_rng(0).integers(0, 255, (len(frame_indices), *SIZE, 3), dtype=np.uint8)
    return {kind: Condition(pictures, frame_indices)}


def told(model, take: Take, conditions: dict[str, Condition], **changes) -> Take:
    """Returns the take with these conditions and settings."""
    settings = replace(take.settings, **changes)
    return replace(take, settings=settings, controls=model.load_controls(conditions, FRAMES, settings))


def sampled(model, take: Take) -> torch.Tensor:
    return generate(model, take, None, lambda: None)


def inputs(take: Take, timestep: int) -> tuple[torch.Tensor, int, torch.Tensor]:
    return torch.randn(1, 4, FRAMES, 6, 10, generator=torch.Generator().manual_seed(1)), timestep, take.positive


@pytest.mark.parametrize("kind", KINDS)
def test_zero_strength_equals_absence_bit_for_bit(model, take, kind):
    mute = told(model, take, condition(kind), **{f"{kind}_strength": 0.0})
    assert torch.equal(sampled(model, mute), sampled(model, take))


def test_a_strength_without_a_picture_does_nothing(model, take):
    assert told(model, take, {}, image_strength=2.0, depth_strength=2.0).controls == ()


@pytest.mark.parametrize("kind", KINDS)
def test_a_condition_changes_the_take_by_its_strength(model, take, kind):
    results = [sampled(model, told(model, take, condition(kind), **{f"{kind}_strength": s})) for s in (0.01, 0.5, 1.0)]
    near, half, full = ((result - sampled(model, take)).norm() for result in results)
    assert 0 < near < 0.1 * full and near < half
    assert not torch.allclose(results[1], results[2])


@pytest.mark.parametrize("kind", ["image", "sketch"])
def test_the_frame_of_a_picture_matters(model, take, kind):
    first, last = (sampled(model, told(model, take, condition(kind, place))) for place in (0, 7))
    assert not torch.allclose(first, last)


def test_depth_lets_go_where_its_end_says(model, take):
    free = Denoiser(model.unet)
    held = Denoiser(model.unet, told(model, take, condition("depth"), depth_end=0.3).controls)
    assert not torch.allclose(held(*inputs(take, 700)), free(*inputs(take, 700)))
    assert torch.equal(held(*inputs(take, 699)), free(*inputs(take, 699)))
    assert told(model, take, condition("depth"), depth_end=0.0).controls == ()
    whole = Denoiser(model.unet, told(model, take, condition("depth"), depth_end=1.0).controls)
    assert not torch.allclose(whole(*inputs(take, 0)), free(*inputs(take, 0)))


def test_several_conditions_add_up(model, take):
    conditions = condition("image") | condition("sketch") | condition("depth")
    controls = told(model, take, conditions).controls
    latents, timestep, text = inputs(take, 500)
    per_frame = text.repeat_interleave(FRAMES, 0)
    downs = [control(latents, timestep, per_frame)[0] for control in controls]
    added = Denoiser(model.unet, controls)._residuals(latents, timestep, per_frame)
    assert len(downs) == 3 and len(downs[0]) == 4
    for parts, total in zip(zip(*downs), added["down_block_additional_residuals"], strict=True):
        torch.testing.assert_close(sum(parts), total)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pair_equals_its_two_halves_and_the_condition_is_embedded_once(model, take, kind):
    controls = told(model, take, condition(kind)).controls
    calls = []
    controls[0].embedding.embedding.register_forward_hook(lambda *_: calls.append(1))
    denoise = Denoiser(model.unet, controls)
    latents, timestep, positive = inputs(take, 500)
    with torch.no_grad():
        negative_half, positive_half = denoise.pair(latents, timestep, take.negative, positive)
        torch.testing.assert_close(denoise(latents, timestep, take.negative), negative_half, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(denoise(latents, timestep, positive), positive_half, rtol=1e-4, atol=1e-5)
    assert len(calls) == 1


def test_guidance_works_beside_controls_and_motion_is_read_without(model, take):
    reference = torch.randn(1, 4, FRAMES, 6, 10, generator=torch.Generator().manual_seed(2))
    settings = replace(take.settings, guided_steps=2, motion_weight=200.0)
    reading = {"timestep": 400, "empty_text": take.negative, "blocks": ["up_blocks.1"]}
    motion = extract_motion(model, model.denoiser(), reference, torch.zeros_like(reference), **reading)
    controlled = told(model, replace(take, settings=settings), condition("image") | condition("depth"))
    guided = generate(model, controlled, motion, lambda: None)
    assert not torch.allclose(guided, generate(model, controlled, None, lambda: None))
    guide = MotionGuidance(model, Denoiser(model.unet, controlled.controls), take.positive, motion)
    latents, timestep, text = inputs(take, 700)
    predicted = guide(latents, Step(index=0, timestep=timestep, next_timestep=-1, ramp=1.0))[0]
    torch.testing.assert_close(predicted, Denoiser(model.unet, controlled.controls)(latents, timestep, text))


class NextInList(DDIMScheduler):
    """DDIM to the next timestep of the list, as the one-step method needs it; diffusers' own steps by 1000 // n."""

    def step(self, eps, t, z, **_):
        listed = [*self.timesteps.tolist(), None]
        following = listed[listed.index(int(t)) + 1]
        alpha = self.alphas_cumprod[int(t)]
        beyond = self.alphas_cumprod[following] if following is not None else torch.tensor(1.0)
        result = super().step(eps, int(t), z)
        clean = result.pred_original_sample
        noise = (z - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        result.prev_sample = beyond.sqrt() * clean + (1 - beyond).sqrt() * noise
        return result


@pytest.mark.parametrize("kind", KINDS)
def test_equals_diffusers_own_pipeline(model, take, kind):
    with torch.no_grad():  # diffusers draws the picture's latents from the posterior, we take its mean: make them one
        model.vae.quant_conv.weight[4:] = 0
        model.vae.quant_conv.bias[4:] = -60
    given = condition(kind)
    ours = told(model, take, given, **{f"{kind}_strength": 0.8})
    normalize_all_frames(model.unet)
    (control,) = ours.controls
    normalize_all_frames(control.model)
    parts = {name: getattr(model, name) for name in ("vae", "text_encoder", "tokenizer", "unet")}
    scheduler = NextInList.from_config(
        {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "linear"},
        clip_sample=False,
        timestep_spacing="linspace",
    )
    net = type(control.model).from_pretrained(getattr(model.entry, CONTROL_OF[kind]))
    sparse = {"controlnet_frame_indices": list(given[kind].frame_indices)} if kind != "depth" else {}
    kind_of = AnimateDiffControlNetPipeline if kind == "depth" else AnimateDiffSparseControlNetPipeline
    pipeline = kind_of(motion_adapter=None, controlnet=net, scheduler=scheduler, **parts)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt_embeds=take.positive,
        latents=initial_noise(model, take),
        num_frames=FRAMES,
        height=SIZE[0],
        width=SIZE[1],
        num_inference_steps=take.settings.steps,
        guidance_scale=1.0,
        conditioning_frames=[Image.fromarray(picture) for picture in given[kind].pictures],
        controlnet_conditioning_scale=0.8,
        output_type="latent",
        **sparse,
    ).frames
    torch.testing.assert_close(sampled(model, ours), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["image", "sketch"])
def test_sparse_control_normalises_each_frame_alone(model, take, kind):
    """SparseCtrl has motion modules of its own, trained like AnimateDiff's."""
    (control,) = told(model, take, condition(kind)).controls
    norms = [module.norm for name, module in control.model.named_modules() if name.endswith("motion_modules.0")]
    assert norms and all(isinstance(norm, PerFrameGroupNorm) for norm in norms)
    latents, timestep, text = inputs(take, 500)
    per_frame = text.repeat_interleave(FRAMES, 0)
    alone = control(latents, timestep, per_frame)[1]
    normalize_all_frames(control.model)
    assert not torch.allclose(alone, control(latents, timestep, per_frame)[1], atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_controls_work_in_the_unet_s_precision(tiny, take, kind):
    half = load_animatediff(find_entry("tiny-controls"), torch.device("cpu"), torch.bfloat16)
    controlled = told(half, take, condition(kind))
    assert controlled.controls[0].model.dtype == torch.bfloat16
    result = sampled(half, controlled)
    assert result.isfinite().all() and not torch.allclose(result, sampled(half, take), atol=0.01)


def test_takes_share_a_control_model_and_each_keeps_its_own_pictures(model, take, monkeypatch):
    loaded, true = [], controls._load

    def load(model, kind, folder):
        loaded.append(kind)
        return true(model, kind, folder)

    monkeypatch.setattr(controls, "_load", load)
    first, second = told(model, take, condition("image", 2)), told(model, take, condition("image", 5))
    assert loaded == ["image"] and first.controls[0].model is second.controls[0].model
    alone = sampled(model, first)
    assert not torch.equal(sampled(model, second), alone) and torch.equal(sampled(model, first), alone)
    told(model, take, condition("depth"))
    assert loaded == ["image", "depth"] and list(model.loaded_controls) == ["depth"], "one that is not used goes"
    config = model.entry.depth_control / "config.json"
    config.write_text(config.read_text() + "\n")
    told(model, take, condition("depth"))
    assert loaded == ["image", "depth", "depth"], "other files are read anew"
    told(model, take, {})
    assert model.loaded_controls == {}
