"""The one-step method equals the official code: representation, losses, gradients, latents, timesteps."""

import pytest
import torch

from backend.job.take import predictors
from backend.motion.guidance import MotionGuidance
from backend.motion.representation import extract_motion
from backend.sampling.guided import GuidanceOptions, sample
from backend.sampling.schedule import plan_steps, uneven_timesteps

from .vectors import files, read, settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=files("v2_*.safetensors"))
def recorded(request):
    tensors, metadata = read(request.param)
    return tensors, settings(metadata)


def extracted(recorded, model, denoiser, top_k=1):
    tensors, chosen = recorded
    t = chosen["representation_timestep"]
    return extract_motion(
        model,
        denoiser,
        tensors["reference_latents"],
        tensors["representation_noise"],
        timestep=t,
        empty_text=tensors["empty_embeds"],
        blocks=chosen["guidance_blocks"],
        top_k=top_k,
    )


@pytest.fixture(scope="module")
def representation(recorded, model, denoiser):
    return extracted(recorded, model, denoiser)


@pytest.fixture(scope="module")
def run(recorded, representation, model, denoiser):
    """Returns the latents after each step, and the raw scores and losses of guided steps."""
    tensors, chosen = recorded
    timesteps = uneven_timesteps(chosen["steps"], chosen["guided_steps"], chosen["guided_range"])
    steps = plan_steps(timesteps, chosen["guided_steps"], chosen["warm_up_steps"], chosen["cool_down_steps"])
    negative, positive = tensors["negative_embeds"], tensors["prompt_embeds"]
    guide = MotionGuidance(model, denoiser, positive, representation)
    heard = {"latents": {}, "gradients": [], "losses": []}

    def listen(step, z, score, loss):
        heard["latents"][step.index] = z
        if score is not None:
            heard["gradients"].append(score / model.schedule.noise(step.timestep))
            heard["losses"].append(chosen["motion_weight"] * step.ramp * loss)

    sample(
        tensors["initial_latents"],
        steps,
        model.schedule,
        GuidanceOptions(chosen["cfg_scale"], "paper", chosen["motion_weight"], "raw"),
        predictors(denoiser, negative, positive),
        guide,
        listen,
    )
    return heard


def test_timesteps(recorded):
    tensors, chosen = recorded
    ours = uneven_timesteps(chosen["steps"], chosen["guided_steps"], chosen["guided_range"])
    assert ours == tensors["timesteps"].tolist()


def test_representation(recorded, representation, model, denoiser):
    tensors, _ = recorded
    two_largest = extracted(recorded, model, denoiser, top_k=2).values
    prefix = "representation."
    stored = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    ours = representation.tensors()
    assert set(ours) == set(stored)
    for layer in representation.layers:
        value, index = stored[f"{layer}.value"], stored[f"{layer}.index"]
        assert (ours[f"{layer}.value"] - value).abs().max() < 2e-5
        untied = -two_largest[layer].diff(dim=-1) > 1e-5
        assert torch.equal(ours[f"{layer}.index"].long()[untied], index.long()[untied])


def test_losses(recorded, run):
    tensors, _ = recorded
    torch.testing.assert_close(torch.tensor(run["losses"]), tensors["loss_per_guided_step"], rtol=1e-4, atol=0)


@pytest.mark.parametrize("which, place", [("first", 0), ("last", -1)])
def test_gradients(recorded, run, which, place):
    expected = recorded[0][f"gradient_{which}_step"]
    assert (run["gradients"][place] - expected).abs().max() < 1e-3 * expected.abs().max()


def test_latents(recorded, run):
    prefix = "latents_after_step."
    for name, expected in recorded[0].items():
        if name.startswith(prefix):
            ours = run["latents"][int(name.removeprefix(prefix))]
            assert (ours - expected).abs().max() < 1e-3 * expected.std(), name
