"""Ways to generate clips that a benchmark compares."""

from __future__ import annotations

from dataclasses import dataclass

from ..job_folder.declared import SettingError, parse_assignment
from ..job_folder.problem import Problem
from ..models.model_entry import ModelEntry


@dataclass(frozen=True)
class Run:
    """Named settings. settings: None means the true render, the ceiling; masked: guided with the true mask; given:
    'image' for the true render's first frame, 'depth' for its depth; prompted: whether the prompt is used; frames: the
    length of the shots, None for the cases' own."""

    name: str
    settings: dict[str, str] | None
    masked: bool = False
    given: tuple[str, ...] = ()
    prompted: bool = True
    frames: int | None = None


def named_run(text: str, entry: ModelEntry) -> Run:
    """Parses 'name:key=value key=value', as typed after --compare. Raises Problem when the entry does not accept
    it."""
    name, _, assignments = text.partition(":")
    try:
        settings = dict(parse_assignment(part) for part in assignments.split())
        entry.settings_for(settings)
    except SettingError as error:
        raise Problem("--compare {text}: {reason}", "It takes 'name:key=value key=value'.").about(
            text=repr(text), reason=error
        ) from None
    return Run(name, settings)
