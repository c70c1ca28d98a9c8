"""Words and pictures to what the UNet reads, and back."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import JobError
from .components import Components
from .device import working_on


@torch.no_grad()
def embed_text(model: Components, text: str) -> Tensor:
    """-> [1, L, C]. JobError when the text has more tokens than the encoder reads: nothing is cut silently."""
    longest = model.tokenizer.model_max_length
    count = len(model.tokenizer(text).input_ids)
    if count > longest:
        raise JobError(
            f"The prompt has {count - 2} tokens; this model reads at most {longest - 2}.",
            f"Shorten it by about {count - longest} words. It begins: {text[:60]!r}.",
        )
    tokens = model.tokenizer(text, padding="max_length", max_length=longest, return_tensors="pt")
    with working_on(model.unet.device, model.text_encoder):
        return model.text_encoder(tokens.input_ids.to(model.text_encoder.device))[0]


def token_places(model: Components, text: str, words: str, where: str) -> list[int]:
    """Where `words` stand among the tokens of `text`, counted from 0, the token of the beginning.

    JobError when they do not; `where` tells which text that is.
    """
    wanted = model.tokenizer(words, add_special_tokens=False).input_ids
    tokens = model.tokenizer(text).input_ids
    for start in range(len(tokens) - len(wanted) + 1):
        if tokens[start : start + len(wanted)] == wanted:
            return list(range(start, start + len(wanted)))
    raise JobError(
        f"The object {words!r} is not in the {where}, {text!r}.",
        f"Use a word of the {where} as it is written there, or leave the object out.",
    )


@torch.no_grad()
def encode_pixels(model: Components, pixels: Tensor) -> Tensor:
    """[F, 3, H, W] in -1..1 to latents [1, 4, F, h, w]: the posterior's mean, frame by frame."""
    with working_on(model.unet.device, model.vae) as vae:
        parts = [vae.encode(frame[None].to(vae.device, vae.dtype)).latent_dist.mean for frame in pixels]
    return (torch.cat(parts) * model.vae.config.scaling_factor).float().transpose(0, 1)[None]


@torch.no_grad()
def decode_latents(model: Components, latents: Tensor, after_frame: Callable[[], None]) -> Tensor:
    """Latents [1, 4, F, h, w] to [F, 3, H, W] in -1..1, frame by frame."""
    frames = []
    with working_on(model.unet.device, model.vae) as vae:
        for latent in (latents[0] / vae.config.scaling_factor).transpose(0, 1):
            frames.append(vae.decode(latent[None].to(vae.device, vae.dtype)).sample.float().clamp(-1, 1))
            after_frame()
    return torch.cat(frames)
