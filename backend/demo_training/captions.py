"""Captions describe the look and never the motion, which must come from guidance."""

from __future__ import annotations

import numpy as np

from .world import Look

EMPTY_SHARE = 0.12  # of the training captions: for the unconditional prediction and for reading references
OTHER_SHARE = 0.3  # of the captions: shorter, reordered or with synonyms, so that prompts may vary
OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "ball": ("sphere", "orb"),
    "cube": ("box", "block"),
    "cone": ("pyramid",),
    "red": ("crimson",),
    "yellow": ("golden",),
    "purple": ("violet",),
}
GROUNDS: dict[str, tuple[str, ...]] = {
    "green": ("grass", "a meadow", "a lawn"),
    "brown": ("earth", "soil", "mud"),
    "white": ("snow", "ice"),
    "purple": ("heather", "a violet floor"),
}
SKIES: dict[str, tuple[str, ...]] = {
    "blue": ("a clear sky", "a bright sky"),
    "orange": ("a sunset", "a sunset sky"),
    "black": ("a night sky", "a dark sky"),
    "pink": ("a dawn sky", "a rosy sky"),
}


def training_caption(look: Look, rng: np.random.Generator) -> str:
    chance = rng.random()
    if chance < EMPTY_SHARE:
        return ""
    if chance > EMPTY_SHARE + OTHER_SHARE or look.subject == "grey":
        return look.caption

    def word(name: str) -> str:
        return str(rng.choice([name, name, *OTHER_NAMES.get(name, ())]))

    subject = f"{word(look.subject)} {word(look.shape)}"
    ground = str(rng.choice([f"{word(look.ground)} ground", f"{word(look.ground)} floor", *GROUNDS[look.ground]]))
    sky = str(rng.choice([f"a {look.sky} sky", *SKIES[look.sky]]))
    forms = (
        f"{subject}, {ground}, {sky}",
        f"a {subject} on {ground}",
        f"a {subject} under {sky}",
        f"a {subject}",
        f"a {subject} on {ground} under {sky}",
        f"under {sky}, a {subject} on {ground}",
    )
    return str(rng.choice(forms))


def words() -> set[str]:
    """Every word in training captions besides the names in `world`."""
    texts = [text for names in (OTHER_NAMES, GROUNDS, SKIES) for every in names.values() for text in every]
    return {word for text in texts for word in text.split()}
