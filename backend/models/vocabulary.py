"""Finds the tokenizer of a model without importing torch, so that the model list can name it."""

from __future__ import annotations

from pathlib import Path

from ..job_folder.problem import Problem
from .model_entry import ModelEntry

CLIP = Path(__file__).parent / "clip_tokenizer"  # of SD1.5, for single files, which contain none
FILES = ("tokenizer.json", "vocab.json")


def tokenizer_folder(entry: ModelEntry) -> Path:
    """Returns the folder of the model's tokenizer. Raises Problem if its diffusers folder has none."""
    given = entry.config or entry.folder or entry.base
    if given.is_file() and not entry.config:
        return CLIP
    for folder in (given / "tokenizer", given):
        if any((folder / name).is_file() for name in FILES):
            return folder
    key = "config" if entry.config else "base" if entry.base else "folder"
    raise Problem(
        "{key}: {given} contains no tokenizer folder.",
        "Download or copy the folder again; an SD1.5 model in a single file needs no config.",
    ).about(key=key, given=given)


def tokenizer_path(entry: ModelEntry) -> str | None:
    """Returns `tokenizer_folder` as text for the model list, None if there is none."""
    try:
        return str(tokenizer_folder(entry))
    except Problem:
        return None
