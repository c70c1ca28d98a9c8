"""Names that users type, and what they probably meant. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MOST_CHARACTERS = 80  # of a name that was typed: to compare longer ones takes long


def nearest(name: str, known: Iterable[str]) -> str:
    """ ". Did you mean 'steps'?" for 'step'; a mere full stop when no known name is near. It ends a sentence."""
    match = get_close_matches(name[:MOST_CHARACTERS], list(known), n=1, cutoff=0.5)
    return f". Did you mean {match[0]!r}?" if match else "."
