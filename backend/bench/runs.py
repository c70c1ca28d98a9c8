"""Ways to generate clips that a benchmark compares."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import JobError
from ..job_folder.declared import SettingError, parse_assignment
from ..models.entry import ModelEntry


@dataclass(frozen=True)
class Run:
    """Named settings. settings: None means the true render, the ceiling; masked: guided with the true mask; given:
    'image' for the true render's first frame, 'depth' for its depth; prompted: whether the prompt is used."""

    name: str
    settings: dict[str, str] | None
    masked: bool = False
    given: tuple[str, ...] = ()
    prompted: bool = True


def named_run(text: str, entry: ModelEntry) -> Run:
    """Parses 'name:key=value key=value', as typed after --compare. Raises JobError when the entry does not accept
    it."""
    name, _, assignments = text.partition(":")
    try:
        settings = dict(parse_assignment(part) for part in assignments.split())
        entry.settings_for(settings)
    except SettingError as error:
        raise JobError(f"--compare {text!r}: {error}", "It takes 'name:key=value key=value'.") from None
    return Run(name, settings)
