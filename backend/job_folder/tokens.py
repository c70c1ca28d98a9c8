"""A CLIP tokenizer that counts a prompt's tokens while the user types. Standard library only.

It produces exactly the tokens that the text encoder reads (a test compares them), without loading torch or
transformers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .moments import moments
from .prompt import PromptError, parse_prompt
from .reading import read_json, read_text

MAX_BYTES = 20_000_000  # per file; CLIP's vocabulary has less than a million
CLIP_LENGTH = 77  # tokens that CLIP reads at once, start and end tokens included
CLOSED = 5000  # a vocabulary with fewer tokens has whole words only and spells all others by letter
SPECIAL = re.compile(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d")
RUN = re.compile("L+|N|P+")
END = "</w>"  # marks the last token of a word


class TokenizerError(ValueError):
    """A folder without a valid CLIP tokenizer. The text is for the user."""


@dataclass(frozen=True)
class Tokenizer:
    """A byte-pair encoder. vocabulary: token to number; ranks: pairs of tokens to join, lowest rank first; longest: the
    most tokens of text that the encoder reads at once."""

    vocabulary: Mapping[str, int]
    ranks: Mapping[tuple[str, str], int]
    longest: int
    _words: dict[str, list[str]] = field(default_factory=dict, repr=False, compare=False)

    def tokens(self, text: str) -> list[str]:
        """Splits text into tokens, without start and end tokens."""
        return [token for word in words(text) for token in self._of_word(word)]

    def count(self, prompt: str) -> int:
        """The number of tokens in the longest part of a prompt. More than `longest` cannot be read.

        Signs such as (word:1.3) do not count, and a textual inversion counts as one. A prompt with a syntax error is
        counted as plain text.
        """
        return max(sum(map(len, map(self.tokens, texts))) for texts in _texts(prompt, "x"))

    def unknown_words(self, prompt: str) -> list[str]:
        """The words of the prompt that a small model was not trained on, in order and without duplicates.

        Empty for a full vocabulary such as CLIP's, which composes rare words from parts.
        """
        if len(self.vocabulary) >= CLOSED:
            return []
        typed = [word for texts in _texts(prompt, "") for text in texts for word in words(text)]
        found = [word for word in typed if word[0].isalnum() and len(self._of_word(word)) > 1]
        return list(dict.fromkeys(found))

    def _of_word(self, word: str) -> list[str]:
        if word not in self._words:
            self._words[word] = [word] if word in self.vocabulary and word.startswith("<|") else self._merged(word)
        return self._words[word]

    def _merged(self, word: str) -> list[str]:
        """Byte-pair encoding: starting with single bytes, joins the pair with the lowest rank until no known pair is
        left."""
        parts = [BYTES[byte] for byte in word.encode()]
        parts[-1] += END
        while pairs := [pair for pair in zip(parts, parts[1:]) if pair in self.ranks]:
            best, joined = min(pairs, key=self.ranks.__getitem__), []
            while parts:
                step = 2 if tuple(parts[:2]) == best else 1
                joined.append("".join(parts[:step]))
                parts = parts[step:]
            parts = joined
        return parts


def _texts(prompt: str, embedding: str) -> list[list[str]]:
    """The texts of a prompt's parts, of all prompts along time. `embedding` replaces each textual inversion."""
    try:
        parts = [part for moment in moments(prompt) for part in parse_prompt(moment.text).parts]
    except PromptError:
        return [[prompt]]
    return [[embedding if piece.embedding else piece.text for piece in part] for part in parts]


def words(text: str) -> Iterator[str]:
    """Yields the units that are encoded separately: runs of letters, single digits, runs of other signs, and endings
    such as 's."""
    text = unicodedata.normalize("NFC", text).lower()
    kinds = "".join(map(_kind, text))
    position = 0
    while position < len(text):
        if match := SPECIAL.match(text, position) or RUN.match(kinds, position):
            yield text[position : match.end()]
        position = match.end() if match else position + 1


def read_tokenizer(folder: Path) -> Tokenizer:
    """Reads tokenizer.json, or vocab.json with merges.txt. Raises TokenizerError."""
    try:
        if (folder / "tokenizer.json").is_file():
            model = read_json(folder / "tokenizer.json", MAX_BYTES)["model"]
            vocabulary, merges = model["vocab"], model["merges"]
        else:
            vocabulary = read_json(folder / "vocab.json", MAX_BYTES)
            merges = read_text(folder / "merges.txt", MAX_BYTES).splitlines()[1:]
        pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in merges if pair)
        ranks = {(first, second): rank for rank, (first, second) in enumerate(pairs)}
        return Tokenizer(dict(vocabulary), ranks, _length(folder) - 2)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TokenizerError(f"The tokenizer in {folder} cannot be read: {error!r}") from None


def _length(folder: Path) -> int:
    path = folder / "tokenizer_config.json"
    length = read_json(path, MAX_BYTES).get("model_max_length", CLIP_LENGTH) if path.is_file() else CLIP_LENGTH
    return length if isinstance(length, int) and 2 < length <= 10_000 else CLIP_LENGTH  # 1e30 stands for "not said"


def _kind(character: str) -> str:
    category = unicodedata.category(character)[0]
    return " " if character.isspace() else category if category in "LN" else "P"


def _byte_letters() -> list[str]:
    """The printable character for each byte in CLIP's vocabulary."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


BYTES = _byte_letters()
