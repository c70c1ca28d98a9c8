"""A prompt's length for a model, and the words that the model does not know, found before anything is captured.

Without bpy. Reading a tokenizer takes a moment, so a thread does it for the panels.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backend.job_folder.moments import moments
from ..backend.job_folder.problem import Problem
from ..backend.job_folder.prompt import PromptError, parse_prompt
from ..backend.job_folder.tokens import Tokenizer, TokenizerError, read_tokenizer

MAX = 5000  # in characters; panels check it repeatedly, and a .blend can contain any length

_read: dict[Path, Tokenizer | None] = {}  # by folder; None for one that cannot be read
_reading: dict[Path, threading.Thread] = {}


@dataclass(frozen=True)
class PromptWords:
    """tokens: of the prompt; longest: how many the model reads; unknown: words that the model was not trained with."""

    tokens: int
    longest: int
    unknown: tuple[str, ...] = ()


def words_of(prompt: str, model: dict[str, Any], wait: bool = False) -> PromptWords | None:
    """None while the tokenizer is being read (wait: waits for it), or when there is none on this machine.

    model: an entry from `python -m backend models --json`.
    """
    tokenizer = _tokenizer(model, wait)
    if tokenizer is None:
        return None
    prompt = prompt[:MAX]
    return PromptWords(tokenizer.count(prompt), tokenizer.longest, tuple(tokenizer.unknown_words(prompt)))


def check_prompts(prompts: Iterable[str], negative_prompt: str, model: dict[str, Any], wait: bool = False) -> None:
    """Problem for the first prompt with invalid syntax, or that is too long for the model. Lengths are checked once
    the tokenizer is read."""
    try:
        texts = [*(moment.text for prompt in prompts for moment in moments(prompt)), negative_prompt]
        for text in texts:
            parse_prompt(text)
    except PromptError as error:
        raise Problem(error.message, error.hint) from None
    for text in texts:
        words = words_of(text, model, wait)
        if words and words.tokens > words.longest:
            raise Problem(
                "The prompt has {count} tokens; this model reads at most {longest}.",
                "Shorten it by about {excess} words, or divide it with BREAK. It begins: {text}.",
            ).about(
                count=words.tokens, longest=words.longest, excess=words.tokens - words.longest, text=repr(text[:60])
            )


def forget() -> None:
    """Models may have changed on disk."""
    _read.clear()


def _tokenizer(model: dict[str, Any], wait: bool) -> Tokenizer | None:
    if not (named := model.get("tokenizer")) or not (folder := Path(named)).is_dir():  # a remote one
        return None
    if folder not in _read and folder not in _reading:
        _reading[folder] = threading.Thread(target=_take_up, args=(folder,), name="tokenizer", daemon=True)
        _reading[folder].start()
    if wait and (thread := _reading.get(folder)):
        thread.join()
    return _read.get(folder)


def _take_up(folder: Path) -> None:
    try:
        _read[folder] = read_tokenizer(folder)
    except TokenizerError:  # the worker reports what is wrong with it
        _read[folder] = None
    finally:
        _reading.pop(folder, None)
