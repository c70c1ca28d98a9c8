"""What the doctor's checks report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    id: the kind of finding; text: a sentence that describes it; hint: what to do; fix: the arguments of `python3 -m
    install` that fix it, if any.
    """

    id: str
    level: Literal["ok", "warning", "problem"]
    text: str
    hint: str = ""
    fix: tuple[str, ...] = ()
