"""Tokenizes prompts: the tokens and their weights, and the indices of words among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import transformers
from torch import Tensor
from transformers import CLIPTokenizer

from ...job_folder.problem import Problem
from ...job_folder.tokens import read_tokenizer
from ...models.model_entry import ModelEntry
from ...models.prompt_files import parsed
from ...models.vocabulary import tokenizer_folder
from .weights.embeddings import load_embeddings
from .weights.sources import LOCAL

transformers.utils.logging.disable_progress_bar()


@dataclass
class TokenPart:
    """A part of a prompt, padded to the length that the text encoder reads.

    ids, weights: of each token. vectors: embeddings that replace tokens, by the index of the token.
    """

    ids: list[int]
    weights: list[float]
    vectors: dict[int, Tensor] = field(default_factory=dict)


def load_tokenizer(entry: ModelEntry) -> CLIPTokenizer:
    """Loads the tokenizer of a model. Raises Problem if it has none or if it cannot be read."""
    folder = tokenizer_folder(entry)
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, **LOCAL)
        tokenizer.model_max_length = read_tokenizer(folder).longest + 2  # transformers uses 1e30 if the files give none
        return tokenizer
    except Exception as error:  # the Rust tokenizer raises errors of many types
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise Problem(
            "The tokenizer in {folder} cannot be loaded: {reason}",
            "Its files may be incomplete: download or copy them again.",
        ).about(folder=folder, reason=reason) from error


def token_parts(tokenizer: CLIPTokenizer, text: str, embeddings: Mapping[str, Tensor]) -> list[TokenPart]:
    """Returns the parts of a prompt: one, and one more for each BREAK.

    embeddings: the vectors [n, C] of its textual inversions, by name. Raises Problem if a part has more tokens than
    the text encoder reads; nothing is truncated silently.
    """
    longest = tokenizer.model_max_length
    parts = []
    for pieces in parsed(text).parts:
        part = TokenPart([tokenizer.bos_token_id], [1.0])
        for piece in pieces:
            ids = tokenizer(piece.text, add_special_tokens=False).input_ids
            if piece.embedding:
                ids = [0] * len(embeddings[piece.embedding])
                part.vectors |= dict(enumerate(embeddings[piece.embedding], len(part.ids)))
            part.ids += ids
            part.weights += [piece.weight] * len(ids)
        if (count := len(part.ids) + 1) > longest:
            raise Problem(
                "The prompt has {count} tokens; this model reads at most {longest}.",
                "Shorten it by about {excess} words, or divide it with BREAK. It begins: {text}.",
            ).about(count=count - 2, longest=longest - 2, excess=count - longest, text=repr(text[:60]))
        part.ids += [tokenizer.eos_token_id] + [tokenizer.pad_token_id] * (longest - count)
        part.weights += [1.0] * (longest - len(part.weights))
        parts.append(part)
    return parts


def check_prompts(entry: ModelEntry, texts: Sequence[str]) -> None:
    """Raises Problem if a text has too many tokens or names a file that cannot be read."""
    tokenizer, embeddings = load_tokenizer(entry), load_embeddings(entry.embeddings)
    for text in texts:
        token_parts(tokenizer, text, embeddings)


def token_indices(
    tokenizer: CLIPTokenizer, text: str, words: str, where: str, embeddings: Mapping[str, Tensor]
) -> list[int]:
    """Returns the indices of the tokens of `words` in `text`. Index 0 is the start token.

    where: the name of that text for the error. Raises Problem if the text does not contain the words.
    """
    wanted = tokenizer(words, add_special_tokens=False).input_ids
    tokens = [token for part in token_parts(tokenizer, text, embeddings) for token in part.ids]
    for start in range(len(tokens) - len(wanted) + 1):
        if tokens[start : start + len(wanted)] == wanted:
            return list(range(start, start + len(wanted)))
    raise Problem(
        "The object {words} is not in the {where}, {text}.",
        "Use a word exactly as it is written in the {where}, or remove the object.",
    ).about(words=repr(words), where=where, text=repr(text))
