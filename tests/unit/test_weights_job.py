"""A whole job with a model of separate files: its result names them all, its motion is read by them."""

import json

import pytest

from backend.__main__ import main
from backend.models.entry import find_entry
from tests import lora_formats
from tests import weight_formats as formats


@pytest.fixture
def own(data_folder):
    """Makes the user's model "own" of a single file, a .ckpt motion module and a LoRA of the strength given."""
    folder = data_folder / "models"
    parts = formats.build(folder, blocks=2)
    formats.save(formats.checkpoint(parts), folder / "sd.safetensors")
    formats.save(formats.original_motion(parts.adapters["v3"]), folder / "v3.ckpt")
    layers = ["down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"]
    halves = lora_formats.random_lora(parts.unet, layers)
    formats.save(lora_formats.kohya("lora_unet_", halves), folder / "style.safetensors")

    def write(strength: float) -> None:
        lora = f'loras = [{{file = "style.safetensors", strength = {strength}}}]'
        lines = f'base = "sd.safetensors"\nconfig = "base"\nmotion_module = "v3.ckpt"\n{lora}'
        formats.write_entry(folder, lines)

    return write


def test_a_job_with_a_model_of_separate_files(own, moving_clip, tmp_path, data_folder, capsys):
    job = tmp_path / "job"
    command = ["clone", str(moving_clip), "--prompt", "a red ball", "--model", "own", "--job", str(job)]
    for setting in ("steps=2", "guided_steps=1", "warm_up_steps=1", "cool_down_steps=0"):
        command += ["--set", setting]
    hashes = []
    for strength in (0.5, 0.5, 1.0):
        own(strength)
        assert main(["run", str(job)] if job.exists() else command) == 0, capsys.readouterr().err
        result = json.loads((job / "result.json").read_text(encoding="utf-8"))
        hashes.append(result["model_hashes"])
        assert result["model_hashes"].keys() == find_entry("own").weight_files().keys()
    assert hashes[0] == hashes[1] != hashes[2]
    assert len(list((data_folder / "motion").iterdir())) == 2
