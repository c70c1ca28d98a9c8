"""What a model's tokenizer makes of prompts: whether they are short enough, and where words stand in them."""

from __future__ import annotations

import transformers
from transformers import CLIPTokenizer

from ..errors import JobError
from .entry import ModelEntry
from .vocabulary import tokenizer_folder
from .weights.sources import LOCAL

transformers.utils.logging.disable_progress_bar()


def load_tokenizer(entry: ModelEntry) -> CLIPTokenizer:
    """JobError when there is none or it cannot be read."""
    folder = tokenizer_folder(entry)
    try:
        return CLIPTokenizer.from_pretrained(folder, **LOCAL)
    except Exception as error:  # its reader is written in Rust and names its errors as it likes
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise JobError(
            f"The tokenizer in {folder} cannot be loaded: {reason}",
            "Its files may be incomplete: fetch or copy them again.",
        ) from error


def check_length(tokenizer: CLIPTokenizer, text: str) -> None:
    """JobError when the text has more tokens than the encoder reads: nothing is cut silently."""
    longest = tokenizer.model_max_length
    count = len(tokenizer(text).input_ids)
    if count > longest:
        raise JobError(
            f"The prompt has {count - 2} tokens; this model reads at most {longest - 2}.",
            f"Shorten it by about {count - longest} words. It begins: {text[:60]!r}.",
        )


def token_places(tokenizer: CLIPTokenizer, text: str, words: str, where: str) -> list[int]:
    """Where `words` stand among the tokens of `text`, counted from 0, the token of the beginning.

    JobError when they do not; `where` tells which text that is.
    """
    wanted = tokenizer(words, add_special_tokens=False).input_ids
    tokens = tokenizer(text).input_ids
    for start in range(len(tokens) - len(wanted) + 1):
        if tokens[start : start + len(wanted)] == wanted:
            return list(range(start, start + len(wanted)))
    raise JobError(
        f"The object {words!r} is not in the {where}, {text!r}.",
        f"Use a word of the {where} as it is written there, or leave the object out.",
    )
