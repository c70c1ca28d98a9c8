"""One UNet pass equals that of AnimateDiff's official code, which normalizes each frame alone."""

import torch

from backend.backbones.animatediff.frame_norm import normalize_all_frames, normalize_each_frame

from .vectors import FOLDER, read


@torch.no_grad()
def test_noise_prediction_with_per_frame_norm(denoiser):
    tensors, metadata = read(FOLDER / "forward.safetensors")
    predicted = denoiser(tensors["latents"], int(metadata["timestep"]), tensors["prompt_embeds"])
    assert (predicted - tensors["noise_pred"]).abs().max() < 2e-5


@torch.no_grad()
def test_the_adaptation_can_be_taken_back(unet, denoiser):
    tensors, metadata = read(FOLDER / "forward.safetensors")
    names = set(unet.state_dict())

    def predict():
        return denoiser(tensors["latents"], int(metadata["timestep"]), tensors["prompt_embeds"])

    adapted = predict()
    normalize_all_frames(unet)
    try:
        assert set(unet.state_dict()) == names
        assert (predict() - adapted).abs().max() > 0.1  # the trap is real: diffusers alone differs
    finally:
        normalize_each_frame(unet)
    assert torch.equal(predict(), adapted)
