"""Suggests the name that a user probably meant. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MAX_CHARACTERS = 80  # of a typed name, because comparing longer ones is slow


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence: '. Did you mean 'steps'?' for 'step', or only a period when no known name is similar."""
    match = get_close_matches(name[:MAX_CHARACTERS], list(known), n=1, cutoff=0.5)
    return f". Did you mean {match[0]!r}?" if match else "."
