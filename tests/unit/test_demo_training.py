"""Training of the demo model, tried for seconds on a CPU: it learns, resumes, cools down and exports."""

import itertools
import json
import math

import pytest
import torch
from diffusers import AnimateDiffPipeline, AutoencoderKL
from torch import nn
from transformers import CLIPTokenizer

from backend.demo_training import architecture, autoencoder, denoiser, export
from backend.demo_training import trainer as trainer_module
from backend.demo_training.__main__ import main
from backend.demo_training.feeding import Batches
from backend.demo_training.trainer import Run, Trainer, has_state, load_average
from backend.demo_training.world import draw

CPU = torch.device("cpu")
STATE_LIMIT = 16 * 2**20  # bytes of a file that comes back from a borrowed machine


class Line(nn.Module):
    """Learns that y = 3 x + 1."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def loss(self, x):
        error = (self.layer(x) - (3 * x + 1)).pow(2).mean()
        return error, {"error": error}


def trainer(model, state, seconds=2.0, cool_down=0.0, name="line"):
    run = Run(state, seconds / 60, CPU, cool_down)
    return Trainer(name, [model], run, rate=0.05, decay=0.0, averaging=0.9)


def numbers():
    while True:
        yield (torch.randn(16, 1),)


def lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_it_learns_and_says_so(tmp_path, capsys):
    model = Line()
    one = trainer(model, tmp_path)
    one.run(numbers(), model.loss, 16)
    said = lines(capsys.readouterr().out)
    assert said[0]["error"] > 2 * said[-1]["error"]
    assert said[-1]["clips"] == 16 * said[-1]["step"] and said[-1]["per_second"] > 0
    one.use_average()
    assert model.layer.weight.item() == pytest.approx(3, abs=0.05)


def test_it_resumes_from_half_precision(tmp_path):
    model = Line()
    first = trainer(model, tmp_path, 1.0)
    first.run(numbers(), model.loss, 16)
    again = Line()
    second = trainer(again, tmp_path)
    assert (second.done_steps, second.done_clips) == (first.done_steps, first.done_clips)
    assert again.layer.weight.item() == pytest.approx(model.layer.weight.item(), rel=1e-3)
    assert second.optimiser.state_dict()["state"]
    (tmp_path / "line-optimiser.pt").unlink()  # it need not have come back with the weights
    third = trainer(Line(), tmp_path)
    assert third.done_steps == first.done_steps and not third.optimiser.state_dict()["state"]
    smoothed = Line()
    load_average(tmp_path, "line", [smoothed])
    assert smoothed.layer.weight.item() == pytest.approx(first.average[0].item(), rel=1e-3)


def test_the_rate_warms_up_and_falls(tmp_path):
    one = trainer(Line(), tmp_path, cool_down=0.5)
    rates = {}
    for steps, share in ((0, 0.0), (99, 0.2), (99, 0.5), (99, 0.75), (99, 0.999)):
        one.run_steps = steps
        one._set_rate(share)
        rates[steps, share] = one.optimiser.param_groups[0]["lr"] / one.rate
    assert list(rates.values()) == pytest.approx([0.01, 1, 1, 0.505, 0.01], abs=0.01)


def test_a_gradient_that_is_not_finite_changes_nothing(tmp_path, monkeypatch):
    model = Line()
    one = trainer(model, tmp_path)
    monkeypatch.setattr(trainer_module.time, "monotonic", itertools.count().__next__)
    before = model.layer.weight.item()
    one.run(numbers(), lambda x: (model.layer(x).sum() * math.nan, {}), 16)
    assert model.layer.weight.item() == before and one.done_steps > 0


def test_the_autoencoder_learns_and_is_whitened(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(autoencoder, "WHITENED_FRAMES", 24)
    monkeypatch.setattr(trainer_module.time, "monotonic", itertools.count().__next__)  # so many steps on any machine
    autoencoder.train(Run(tmp_path, 1, CPU, batch=2))
    said = lines(capsys.readouterr().out)
    assert said[-1]["psnr"] > said[0]["psnr"] + 1
    vae = AutoencoderKL.from_pretrained(tmp_path / "vae", low_cpu_mem_usage=False)
    batch = next(iter(Batches(77, 24, frames=1, shapes=False)))
    with torch.no_grad():
        latents = vae.encode(autoencoder.to_pixels(draw(batch.scenes, batch.size))).latent_dist.mean
    assert latents.shape == (24, 4, 16, 16)
    assert latents.mean((0, 2, 3)).tolist() == pytest.approx([0] * 4, abs=0.02)
    assert latents.std((0, 2, 3)).tolist() == pytest.approx([1] * 4, abs=0.02)


@pytest.fixture
def whole_state(tmp_path):
    """A state as the stages leave it, without their hours: random weights."""
    architecture.autoencoder().save_pretrained(tmp_path / "vae")
    for stage in ("frames", "clips"):
        denoiser.train(stage, Run(tmp_path, 0.01, CPU, batch=2))
    return tmp_path


def test_stages_follow_each_other_and_export_a_stock_pipeline(whole_state, tmp_path):
    assert has_state(whole_state, "frames") and has_state(whole_state, "clips")
    files = [path for path in whole_state.glob("*.safetensors")]
    assert len(files) == 4 and all(path.stat().st_size < STATE_LIMIT for path in files)
    export.export(whole_state, tmp_path / "model")
    pipeline = AnimateDiffPipeline.from_pretrained(tmp_path / "model", motion_adapter=None)
    assert pipeline.unet.config.sample_size == 16 and pipeline.vae.config.sample_size == 128
    assert pipeline.tokenizer.tokenize("grass") == ["grass</w>"]


@pytest.mark.parametrize("option", [["--cool-down", "2"], ["--minutes", "x"]])
def test_wrong_options_are_refused(option, capsys, tmp_path):
    with pytest.raises(SystemExit):
        main_with(["clips", "--state", str(tmp_path), *option])
    assert option[0] in capsys.readouterr().err


def main_with(arguments):
    import sys

    before, sys.argv = sys.argv, ["demo_training", *arguments]
    try:
        return main()
    finally:
        sys.argv = before


def test_an_earlier_world_is_no_start(tmp_path):
    """The shipped text encoder and this tokenizer know the same words, or training says what to do first."""
    model = denoiser.Denoiser(Run(tmp_path, 0.01, CPU))
    words = CLIPTokenizer.from_pretrained(denoiser.SHIPPED / "tokenizer")
    if words.get_vocab() == model.tokenizer.get_vocab():
        model.load_shipped()
    else:
        with pytest.raises(SystemExit, match="Train the stages autoencoder and frames first"):
            model.load_shipped()
