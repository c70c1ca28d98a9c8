"""What a model's tokenizer makes of prompts: their tokens and weights, and where words stand in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import transformers
from torch import Tensor
from transformers import CLIPTokenizer

from ...errors import JobError
from ...job_folder.tokens import read_tokenizer
from ...models.entry import ModelEntry
from ...models.prompt_files import parsed
from ...models.vocabulary import tokenizer_folder
from .weights.embeddings import load_embeddings
from .weights.sources import LOCAL

transformers.utils.logging.disable_progress_bar()


@dataclass
class TokenPart:
    """A part of a prompt as the encoder reads it, padded to its length. ids, weights: of each token; vectors: what
    stands in the place of tokens, by their index."""

    ids: list[int]
    weights: list[float]
    vectors: dict[int, Tensor] = field(default_factory=dict)


def load_tokenizer(entry: ModelEntry) -> CLIPTokenizer:
    """JobError when there is none or it cannot be read."""
    folder = tokenizer_folder(entry)
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, **LOCAL)
        tokenizer.model_max_length = read_tokenizer(folder).longest + 2  # transformers has 1e30 where none is said
        return tokenizer
    except Exception as error:  # its reader is written in Rust and names its errors as it likes
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise JobError(
            f"The tokenizer in {folder} cannot be loaded: {reason}",
            "Its files may be incomplete: fetch or copy them again.",
        ) from error


def token_parts(tokenizer: CLIPTokenizer, text: str, embeddings: Mapping[str, Tensor]) -> list[TokenPart]:
    """The prompt's parts, one unless it says BREAK; embeddings: the vectors [n, C] of its textual inversions by name.

    JobError when a part has more tokens than the encoder reads: nothing is cut silently.
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
            raise JobError(
                f"The prompt has {count - 2} tokens; this model reads at most {longest - 2}.",
                f"Shorten it by about {count - longest} words, or divide it with BREAK. It begins: {text[:60]!r}.",
            )
        part.ids += [tokenizer.eos_token_id] + [tokenizer.pad_token_id] * (longest - count)
        part.weights += [1.0] * (longest - len(part.weights))
        parts.append(part)
    return parts


def check_prompts(entry: ModelEntry, texts: Sequence[str]) -> None:
    """JobError when one has more tokens than the encoder reads, or a file that it names cannot be read."""
    tokenizer, embeddings = load_tokenizer(entry), load_embeddings(entry.embeddings)
    for text in texts:
        token_parts(tokenizer, text, embeddings)


def token_indices(
    tokenizer: CLIPTokenizer, text: str, words: str, where: str, embeddings: Mapping[str, Tensor]
) -> list[int]:
    """Where `words` stand among the tokens of `text`, counted from 0, the token of the beginning.

    JobError when they do not; `where` tells which text that is.
    """
    wanted = tokenizer(words, add_special_tokens=False).input_ids
    tokens = [token for part in token_parts(tokenizer, text, embeddings) for token in part.ids]
    for start in range(len(tokens) - len(wanted) + 1):
        if tokens[start : start + len(wanted)] == wanted:
            return list(range(start, start + len(wanted)))
    raise JobError(
        f"The object {words!r} is not in the {where}, {text!r}.",
        f"Use a word of the {where} as it is written there, or leave the object out.",
    )
