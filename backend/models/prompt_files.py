"""The files that a job's prompts name: LoRAs and textual inversions, each in a folder among the user's models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ..errors import JobError
from ..job_folder.names import nearest
from ..job_folder.prompt import Prompt, PromptError, parse_prompt
from .entry import LoraFile, ModelEntry, user_entries_folder
from .entry_files import files_in

ENDINGS = (".safetensors", ".pt", ".ckpt", ".pth", ".bin")


def parsed(text: str) -> Prompt:
    """JobError for a sign in the prompt that cannot be followed."""
    try:
        return parse_prompt(text)
    except PromptError as error:
        raise JobError(error.message, error.hint) from None


def notes_on(texts: Iterable[str]) -> list[str]:
    """How the signs in these prompts are followed, for the user."""
    return [note for text in texts for note in parsed(text).notes]


def with_prompt_files(entry: ModelEntry, prompt: str, others: Iterable[str]) -> ModelEntry:
    """The entry with the LoRAs that `prompt` names and the textual inversions of all prompts; others: the negative and
    the inversion prompt. JobError when one is not there."""
    asked, rest = parsed(prompt), [parsed(text) for text in others]
    for name in (name for one in rest for name in one.loras):
        raise JobError(
            f"The LoRA {name!r} is named in a negative or inversion prompt.",
            "It changes the whole model: name it in the prompt.",
        )
    added = [_lora(entry, name, strength) for name, strength in asked.loras.items()]
    names = dict.fromkeys(name for one in (asked, *rest) for name in one.embeddings)
    embeddings = {
        name: _file(name, "embeddings", f"Copy its file there, or remove embedding:{name}.") for name in names
    }
    return replace(entry, loras=(*entry.loras, *added), embeddings=embeddings)


def _lora(entry: ModelEntry, name: str, strength: float) -> LoraFile:
    for add_on in entry.loras:
        if _plain(add_on.file.name) == _plain(name):
            raise JobError(
                f"The model {entry.name!r} has the LoRA {name!r} already, with the strength {add_on.strength:g}.",
                f"Remove <lora:{name}:{strength:g}> from the prompt, or the LoRA from {entry.source}.",
            )
    hint = f"Copy its file there, or name it under loras in {entry.source} and remove <lora:{name}:{strength:g}>."
    return LoraFile(file=_file(name, "loras", hint), strength=strength)


def _file(name: str, room: str, hint: str) -> Path:
    """The one file of this name, with or without its ending, anywhere in the folder."""
    folder = user_entries_folder() / room
    files = sorted(path for path in files_in(folder, room) if path.suffix.lower() in ENDINGS and path.is_file())
    found = [path for path in files if _plain(path.name) == _plain(name)]
    kind = "LoRA" if room == "loras" else "textual inversion"
    if not found:
        near = nearest(name, [path.stem for path in files])
        raise JobError(f"There is no {kind} {name!r} in {folder}{near}", hint)
    if len(found) > 1:
        raise JobError(f"{found[0]} and {found[1]} are both the {kind} {name!r}.", "Rename one of them.")
    return found[0]


def _plain(name: str) -> str:
    """Without a folder, without the ending of a file of weights, in small letters."""
    name = name.replace("\\", "/").rpartition("/")[2].lower()
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)
