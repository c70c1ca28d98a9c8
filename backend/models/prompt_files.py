"""Finds the files that the prompts of a job name: LoRAs and textual inversions, in folders among the user's models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ..job_folder.moments import Moment, moments
from ..job_folder.names import nearest
from ..job_folder.problem import Problem, Sentence
from ..job_folder.prompt import Prompt, PromptError, parse_prompt
from .entry import user_entries_folder
from .entry_files import files_in
from .model_entry import LoraFile, ModelEntry

ENDINGS = (".safetensors", ".pt", ".ckpt", ".pth", ".bin")


def parsed(text: str) -> Prompt:
    """Parses a prompt. Raises Problem for invalid syntax."""
    try:
        return parse_prompt(text)
    except PromptError as error:
        raise Problem(error.message, error.hint) from None


def parsed_moments(prompt: str) -> tuple[Moment, ...]:
    """Returns the prompts along time. Raises Problem for invalid syntax."""
    try:
        return moments(prompt)
    except PromptError as error:
        raise Problem(error.message, error.hint) from None


def notes_on(prompt: str, negative_prompt: str) -> list[str]:
    """Returns notes for the user about how the syntax of these prompts is read."""
    texts = [*(moment.text for moment in parsed_moments(prompt)), negative_prompt]
    return list(dict.fromkeys(note for text in texts for note in parsed(text).notes))


def with_prompt_files(entry: ModelEntry, prompt: str, others: Iterable[str]) -> ModelEntry:
    """Returns the entry with the LoRAs that `prompt` names, and with the textual inversions of all prompts.

    others: the negative and the inversion prompt. Raises Problem if a file is missing.
    """
    asked = [parsed(moment.text) for moment in parsed_moments(prompt)]
    rest = [parsed(text) for text in others]
    for name in (name for one in rest for name in one.loras):
        raise Problem(
            "The LoRA {name} is named in a negative or inversion prompt.",
            "It changes the whole model: write it into the prompt.",
        ).about(name=repr(name))
    loras: dict[str, float] = {}
    for name, strength in (lora for one in asked for lora in one.loras.items()):
        if loras.setdefault(name, strength) != strength:
            raise Problem(
                "The prompts along time give the LoRA {name} two strengths.",
                "It changes the whole model: write the same strength, or name it once.",
            ).about(name=repr(name))
    added = [_lora(entry, name, strength) for name, strength in loras.items()]
    names = dict.fromkeys(name for one in (*asked, *rest) for name in one.embeddings)
    embeddings = {
        name: _file(name, "embeddings", Sentence("Copy its file there, or remove embedding:{name}.", name=name))
        for name in names
    }
    return replace(entry, loras=(*entry.loras, *added), embeddings=embeddings)


def _lora(entry: ModelEntry, name: str, strength: float) -> LoraFile:
    for lora in entry.loras:
        if _plain(lora.file.name) == _plain(name):
            raise Problem(
                "The model {entry} already has the LoRA {name}, with the strength {strength}.",
                "Remove <lora:{written_name}:{written_strength}> from the prompt, or the LoRA from {source}.",
            ).about(
                entry=repr(entry.name),
                name=repr(name),
                strength=f"{lora.strength:g}",
                written_name=name,
                written_strength=f"{strength:g}",
                source=entry.source,
            )
    hint = Sentence(
        "Copy its file there, or add it to loras in {source} and remove <lora:{name}:{strength}>.",
        source=entry.source,
        name=name,
        strength=f"{strength:g}",
    )
    return LoraFile(file=_file(name, "loras", hint), strength=strength)


def _file(name: str, subfolder: str, hint: str) -> Path:
    """Returns the file of this name, with or without its extension. Raises Problem unless there is exactly one.

    subfolder: of the user's models, "loras" or "embeddings".
    """
    folder = user_entries_folder() / subfolder
    files = sorted(path for path in files_in(folder, subfolder) if path.suffix.lower() in ENDINGS and path.is_file())
    found = [path for path in files if _plain(path.name) == _plain(name)]
    kind = "LoRA" if subfolder == "loras" else "textual inversion"
    if not found:
        near = nearest(name, [path.stem for path in files])
        raise Problem("There is no {kind} {name} in {folder}{near}", hint).about(
            kind=kind, name=repr(name), folder=folder, near=near
        )
    if len(found) > 1:
        raise Problem("{first} and {second} are both the {kind} {name}.", "Rename one of them.").about(
            first=found[0], second=found[1], kind=kind, name=repr(name)
        )
    return found[0]


def _plain(name: str) -> str:
    """Returns the name in lower case, without folders and without the extension of a weight file."""
    name = name.replace("\\", "/").rpartition("/")[2].lower()
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)
