"""Captions name looks, never motion: what moves how must come from guidance."""

from __future__ import annotations

import numpy as np

from .world import Look

EMPTY_SHARE = 0.12  # of the captions in training: teaches the unconditional prediction, and the reading of references
OTHER_SHARE = 0.15  # of the captions: shorter or turned round, so that prompts need not be worded one way


def training_caption(look: Look, rng: np.random.Generator) -> str:
    chance = rng.random()
    if chance < EMPTY_SHARE:
        return ""
    if chance > EMPTY_SHARE + OTHER_SHARE:
        return look.caption
    name = f"{look.subject} {look.shape}"
    forms = (
        f"{name}, {look.ground} ground, {look.sky} sky",
        f"a {name} on {look.ground} ground",
        f"a {name} under a {look.sky} sky",
        f"a {name}",
    )
    return str(rng.choice(forms))
