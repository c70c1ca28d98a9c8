"""The inversion method equals the official code: inverted latents, masks, losses, gradients, both trajectories."""

import pytest
import torch

from backend.job.take import predictors
from backend.motion.inversion import inversion_timesteps, invert
from backend.motion.inversion_guidance import InversionGuidance, LossTerms, Texts
from backend.motion.loss_terms import layer_weights
from backend.sampling.guided import GuidanceOptions, combine, sample
from backend.sampling.schedule import even_timesteps, plan_steps
from backend.sampling.solvers import ddim

from .vectors import files, read, settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=files("v1_*.safetensors"))
def recorded(request):
    tensors, metadata = read(request.param)
    return tensors, settings(metadata)


@pytest.fixture(scope="module")
def inverted(recorded, denoiser, model):
    tensors, chosen = recorded
    kept = {}
    invert(
        denoiser,
        tensors["reference_latents"],
        tensors["inversion_embeds"],
        model.schedule,
        chosen["inversion_steps"],
        kept.__setitem__,
        lambda: None,
    )
    return kept


def terms_of(model, chosen):
    tokens = chosen["object_tokens"]
    return LossTerms(
        motion=layer_weights(model, chosen["motion_blocks"], chosen["motion_weights"], "temp"),
        semantic=layer_weights(model, chosen["semantic_blocks"], chosen["semantic_weights"], chosen["semantic_keys"]),
        key_kind=chosen["semantic_keys"],
        objects=tuple([place] for place in tokens) if tokens else None,
        thresholds=tuple(chosen["mask_thresholds"]),
        motion_steps=chosen["guided_steps"] - chosen["cool_down_steps"] + 1,
    )


@pytest.fixture(scope="module")
def run(recorded, inverted, model, denoiser):
    """Returns what happens in each step: latents of both trajectories, regions, losses, unscaled gradients."""
    tensors, chosen = recorded
    steps = plan_steps(
        even_timesteps(chosen["steps"]), chosen["guided_steps"], chosen["warm_up_steps"], 0, 1000 // chosen["steps"]
    )
    texts = Texts(
        negative=tensors["negative_embeds"], positive=tensors["prompt_embeds"], inversion=tensors["inversion_embeds"]
    )
    strength = GuidanceOptions(
        chosen["cfg_scale"], "paper", chosen["score_scale"], "raw", score_clamp=chosen["score_clamp"]
    )
    heard = {"latents": [], "unguided": [], "gradients": [], "losses": [], "regions": []}

    def advance(z, eps_u, eps_c, step):
        estimate = model.schedule.estimate(z, combine(eps_u, eps_c, strength), step.timestep)
        after = ddim(model.schedule)(z, estimate, step)
        heard["unguided"].append(after)
        return after

    guide = InversionGuidance(model, denoiser, texts, terms_of(model, chosen), inverted.__getitem__, denoiser, advance)

    def guidance(z, step):
        eps, gradient, loss = guide(z, step)
        heard["gradients"].append(step.ramp * gradient)
        heard["losses"].append(step.ramp * loss)
        heard["regions"].append(guide.object_regions)
        return eps, gradient, loss

    sample(
        tensors["initial_latents"],
        steps,
        model.schedule,
        strength,
        predictors(denoiser, texts.negative, texts.positive),
        guidance,
        lambda step, z, score, loss: heard["latents"].append(z),
    )
    return heard


def test_timesteps(recorded):
    tensors, chosen = recorded
    assert even_timesteps(chosen["steps"]) == tensors["timesteps"].tolist()
    assert sorted(inversion_timesteps(chosen["inversion_steps"])) == sorted(tensors["inversion_timesteps"].tolist())


def stored(recorded, prefix):
    return {name.removeprefix(prefix): t for name, t in recorded[0].items() if name.startswith(prefix)}


def test_inverted_latents(recorded, inverted):
    for t, expected in stored(recorded, "inversion_latents.").items():
        assert (inverted[int(t)] - expected).abs().max() < 1e-3 * expected.std(), t


def test_masks(recorded, run):
    masks = stored(recorded, "mask_first_step.")
    assert bool(masks) == (recorded[1]["object_tokens"] is not None)
    for name, expected in masks.items():
        block, which = name.rsplit(".", 1)
        layer = next(layer for layer in run["regions"][0] if layer.startswith(block))
        of_unguided, of_reference = run["regions"][0][layer]
        regions = of_reference if which.startswith("reference") else of_unguided
        ours = regions.foreground if which.endswith("foreground") else regions.background
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5, msg=name)


def test_losses(recorded, run):
    torch.testing.assert_close(
        torch.tensor(run["losses"]), recorded[0]["loss_total_per_guided_step"], rtol=1e-3, atol=0
    )


@pytest.mark.parametrize("which, place", [("first", 0), ("last", -1)])
def test_gradients(recorded, run, which, place):
    expected = recorded[0][f"gradient_{which}_step"]
    assert (run["gradients"][place] - expected).abs().max() < 2e-2 * expected.abs().max()


@pytest.mark.parametrize("trajectory, prefix", [("latents", "latents"), ("unguided", "unguided_latents")])
def test_latents(recorded, run, trajectory, prefix):
    for index, expected in stored(recorded, f"{prefix}_after_step.").items():
        assert (run[trajectory][int(index)] - expected).abs().max() < 5e-3 * expected.std(), index
