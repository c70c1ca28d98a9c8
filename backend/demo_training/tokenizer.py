"""A CLIP tokenizer for the demo world. Every known word is one token; other text is split into letters."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from transformers import CLIPTokenizer

from . import captions
from .architecture import TEXT_LENGTH
from .world import COLORS, SHAPES

OTHER_WORDS = "a an on in of and the with under over ground floor sky , . blockout moving rolling toy"
START, END = "<|startoftext|>", "<|endoftext|>"


def build(folder: Path) -> CLIPTokenizer:
    """Writes vocab.json and merges.txt of a byte-level BPE to `folder` and loads them."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = _byte_letters()
    merges = _merges(sorted({*COLORS, *SHAPES, *captions.words(), *OTHER_WORDS.split()}))
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges), START, END]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    tokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=TEXT_LENGTH)
    tokenizer.save_pretrained(folder)
    return tokenizer


def _byte_letters() -> list[str]:
    """The 256 printable characters that represent bytes in GPT-2's and CLIP's vocabularies."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [256 + i for i in range(256 - len(printable))]
    return [chr(code) for code in printable + rest]


def _merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, the most frequent pair first, until each word is one token."""
    corpus = {(*word[:-1], word[-1] + "</w>") for word in words}
    merges = []
    while pairs := Counter(pair for word in sorted(corpus) for pair in zip(word, word[1:])):
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        corpus = {_merged(word, best) for word in corpus}
    return merges


def _merged(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    i = 0
    while i < len(word):
        step = 2 if word[i : i + 2] == pair else 1
        out.append("".join(word[i : i + step]))
        i += step
    return tuple(out)
