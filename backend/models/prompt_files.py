"""Finds the files that the prompts of a job name: LoRAs and textual inversions, in folders among the user's models."""

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
    """Parses a prompt. Raises JobError for invalid syntax."""
    try:
        return parse_prompt(text)
    except PromptError as error:
        raise JobError(error.message, error.hint) from None


def notes_on(texts: Iterable[str]) -> list[str]:
    """Returns notes for the user about how the syntax of these prompts is read."""
    return [note for text in texts for note in parsed(text).notes]


def with_prompt_files(entry: ModelEntry, prompt: str, others: Iterable[str]) -> ModelEntry:
    """Returns the entry with the LoRAs that `prompt` names, and with the textual inversions of all prompts.

    others: the negative and the inversion prompt. Raises JobError if a file is missing.
    """
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
    for lora in entry.loras:
        if _plain(lora.file.name) == _plain(name):
            raise JobError(
                f"The model {entry.name!r} has the LoRA {name!r} already, with the strength {lora.strength:g}.",
                f"Remove <lora:{name}:{strength:g}> from the prompt, or the LoRA from {entry.source}.",
            )
    hint = f"Copy its file there, or name it under loras in {entry.source} and remove <lora:{name}:{strength:g}>."
    return LoraFile(file=_file(name, "loras", hint), strength=strength)


def _file(name: str, subfolder: str, hint: str) -> Path:
    """Returns the file of this name, with or without its extension. Raises JobError unless there is exactly one.

    subfolder: of the user's models, "loras" or "embeddings".
    """
    folder = user_entries_folder() / subfolder
    files = sorted(path for path in files_in(folder, subfolder) if path.suffix.lower() in ENDINGS and path.is_file())
    found = [path for path in files if _plain(path.name) == _plain(name)]
    kind = "LoRA" if subfolder == "loras" else "textual inversion"
    if not found:
        near = nearest(name, [path.stem for path in files])
        raise JobError(f"There is no {kind} {name!r} in {folder}{near}", hint)
    if len(found) > 1:
        raise JobError(f"{found[0]} and {found[1]} are both the {kind} {name!r}.", "Rename one of them.")
    return found[0]


def _plain(name: str) -> str:
    """Returns the name in lower case, without folders and without the extension of a weight file."""
    name = name.replace("\\", "/").rpartition("/")[2].lower()
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)
