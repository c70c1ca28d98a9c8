"""Parses the prompt syntax that artists paste from other tools. Standard library only.

`(word)` has weight 1.1, `((word))` 1.21, `[word]` 1 / 1.1 and `(word:1.3)` 1.3. `BREAK` starts a part that is encoded
separately. `embedding:name` inserts a textual inversion, and `<lora:name:0.8>` loads a LoRA. A backslash makes a sign
plain text. Syntax of other tools that is not supported here is an error that names it, so nothing is silently treated
as text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from .problem import Problem, Sentence

EMPHASIS = 1.1
MAX_WEIGHT = 5
MAX_STRENGTH = 10
MAX_QUOTED, MAX_NOTED = 30, 3


class PromptError(Problem, ValueError):
    """A sign in a prompt that is not supported or wrong. `message` and `hint` are for the user."""


@dataclass(frozen=True)
class Piece:
    """Text with one weight. If `embedding` is set, it names a textual inversion instead."""

    text: str
    weight: float = 1.0
    embedding: str = ""


@dataclass(frozen=True)
class Prompt:
    """A parsed prompt. parts: separated by BREAK and encoded separately; loras: strength by name."""

    parts: tuple[tuple[Piece, ...], ...]
    loras: dict[str, float] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """How the signs in the prompt are applied, in sentences for the user."""
        pieces = [(p.embedding or p.text.strip(), p.weight) for part in self.parts for p in part if p.weight != 1]
        weighted = [f"{text[:MAX_QUOTED]!r} {weight:.3g}" for text, weight in pieces if text]
        listed, notes = ", ".join(weighted[:MAX_NOTED]), []
        if len(weighted) > MAX_NOTED:
            notes.append(Sentence("The weights in the prompt are used, among them {listed}.", listed=listed))
        elif weighted:
            notes.append(Sentence("The weights in the prompt are used: {listed}.", listed=listed))
        if len(self.parts) > 1:
            notes.append(Sentence("BREAK divides the prompt into {count} parts.", count=len(self.parts)))
        return notes

    @property
    def embeddings(self) -> list[str]:
        """The names of the textual inversions, without duplicates."""
        return list(dict.fromkeys(piece.embedding for part in self.parts for piece in part if piece.embedding))


SIGN = re.compile(
    r"\\(?P<escaped>[()\[\]{}<>:|\\])"
    r"|<(?P<kind>[A-Za-z]\w*):(?P<arguments>[^<>]*)>"
    r"|\b(?i:embedding):(?P<embedding>[^\s,;!?()\[\]<>:|]*[^\s,;!?()\[\]<>:|.])"
    r"|\b(?P<break>BREAK)\b"
    r"|(?P<bracket>[()\[\]])"
    r"|(?P<colon>:)"
    r"|(?P<bar>\|)"
    r"|(?P<text>[^\\<()\[\]:|BEe]+|.)",
    re.DOTALL,
)
SUPPORTED = re.compile(r"\\[()\[\]{}<>:|\\]|<[A-Za-z]\w*:[^<>]*>|\b(?i:embedding):[^\s,]+")
CLOSING = re.compile(r":([^()\[\]]*)\)")
PAIRS = {")": "(", "]": "["}
TEXT = "Put a backslash before a sign to use it as text."
# Syntax of other tools: a pattern, what it is, and what to write instead.
UNSUPPORTED = (
    (
        r"(?:^|[\n,;|])\s*[\"']?\d+(?:\s*-\s*\d+)?[\"']?\s*:(?!\d)",
        "a prompt for a frame",
        f"Write 0: first words | 48: later words, as the whole prompt. {TEXT}",
    ),
    (r"\bAND\b", "several prompts joined by AND", "Write and, in small letters, or a comma."),
    (r"\bADD(?:COL|ROW|COMM|BASE)\b", "a prompt for regions", "Describe the whole picture in one prompt."),
    (r"[{}]", "braces", f"Choose one of the words in them, and write emphasis as (word:1.1). {TEXT}"),
    (r"__[\w/-]+__", "a wildcard", "Replace it with a word."),
    (r"::", "a weight with two colons", f"Write (word:1.3). {TEXT}"),
    (r"(?:^|\s)--[A-Za-z]\w*", "an option", "Leave it out; what to avoid belongs in the negative prompt."),
    (r"\)(?:\d|[+-]+(?=[\s,.)]|$))", "a weight behind a parenthesis", "Write (word:1.3)."),
    (r"\w\+\+", "a weight of plus signs", "Write (word:1.2)."),
    (r"<[A-Za-z][\w.-]*>", "a name in angle brackets", f"Write embedding:name for a textual inversion. {TEXT}"),
)


def parse_prompt(text: str) -> Prompt:
    """Parses a prompt. Raises PromptError, which names the unsupported sign and what to write instead."""
    _check_unsupported(text)
    reading = _Reading(text)
    for match in SIGN.finditer(text):
        if match.start() >= reading.skip_to:
            reading.take(match)
    return reading.prompt()


def _check_unsupported(text: str) -> None:
    hidden = SUPPORTED.sub(lambda match: "x" * len(match[0]), text)
    for pattern, what, instead in UNSUPPORTED:
        if match := re.search(pattern, hidden):
            found = text[match.start() : match.end()].strip(" \n,;|")
            raise PromptError("The prompt contains {what}, {found}, which is not supported.", instead).about(
                what=what, found=repr(found)
            )


class _Reading:
    """The state of one pass over a prompt."""

    def __init__(self, text: str):
        self.text, self.skip_to = text, 0
        self.parts: list[list[Piece]] = [[]]
        self.apart = True  # whether the next text starts a new piece
        self.open: list[tuple[str, int, int, int]] = []  # bracket, its position, its first part and piece
        self.loras: dict[str, float] = {}

    def take(self, match: re.Match[str]) -> None:
        kind = match.lastgroup or "text"
        if kind in ("colon", "bar") and self.open and not (kind == "bar" and self.open[-1][0] == "("):
            return self._in_bracket(kind, match.start())
        if kind in ("text", "escaped", "colon", "bar"):
            return self._text(match["escaped"] or match[0])
        self.apart = True
        if kind == "arguments":
            self._tag(match["kind"].lower(), match["arguments"], match[0])
        elif kind == "embedding":
            self.parts[-1].append(Piece("", embedding=match["embedding"]))
        elif kind == "break":
            self.parts.append([])
        else:
            self._bracket(match[0], match.start())

    def prompt(self) -> Prompt:
        if self.open:
            bracket, position, *_ = self.open[-1]
            raise _unpaired(bracket, self.text[position:])
        parts = tuple(tuple(part) for part in self.parts if any(p.embedding or p.text.strip() for p in part))
        return Prompt(parts or ((Piece(""),),), self.loras)

    def _text(self, text: str) -> None:
        part = self.parts[-1]
        if self.apart:
            part.append(Piece(text))
        else:
            part[-1] = replace(part[-1], text=part[-1].text + text)
        self.apart = False

    def _bracket(self, bracket: str, position: int) -> None:
        if bracket in "([":
            self.open.append((bracket, position, len(self.parts) - 1, len(self.parts[-1])))
        else:
            self._close(bracket, position, EMPHASIS if bracket == ")" else 1 / EMPHASIS)

    def _close(self, bracket: str, position: int, weight: float) -> None:
        if not self.open or self.open[-1][0] != PAIRS[bracket]:
            raise _unpaired(bracket, self.text[max(0, position - 20) : position + 1])
        _, _, part, piece = self.open.pop()
        for i in range(part, len(self.parts)):
            for j in range(piece if i == part else 0, len(self.parts[i])):
                one = self.parts[i][j]
                self.parts[i][j] = replace(one, weight=one.weight * weight)

    def _in_bracket(self, kind: str, position: int) -> None:
        """Handles a colon with a weight in parentheses. In square brackets, a colon or bar means words that change
        during sampling."""
        if self.open[-1][0] == "[":
            what = "words that change during sampling" if kind == "colon" else "alternating words"
            found = self.text[self.open[-1][1] :].partition("]")[0] + "]"
            raise PromptError(
                "The prompt contains {what}, {found}, which is not supported.", f"Choose one. {TEXT}"
            ).about(what=what, found=repr(found))
        match = CLOSING.match(self.text, position)
        number = match[1].strip() if match else self.text[position + 1 : position + 20].strip()
        if not match or not re.fullmatch(r"\d+(\.\d*)?|\.\d+", number) or (weight := float(number)) > MAX_WEIGHT:
            raise PromptError(
                "The prompt contains the weight {weight}; it must be a number from 0 to {most_weight}.",
                f"Write a number with a point and a closing parenthesis, as in (word:1.3). {TEXT}",
            ).about(weight=repr(number), most_weight=MAX_WEIGHT)
        self.skip_to, self.apart = match.end(), True
        self._close(")", position, weight)

    def _tag(self, kind: str, arguments: str, tag: str) -> None:
        if kind not in ("lora", "lyco"):
            raise PromptError("The prompt contains {tag}, which is not supported.", f"Remove it. {TEXT}").about(tag=tag)
        name, *strengths = (part.strip() for part in arguments.split(":"))
        if not name or len(strengths) > 1 or not re.fullmatch(r"-?(\d+(\.\d*)?|\.\d+)", (strengths or ["1"])[0]):
            raise PromptError(
                "The prompt contains {tag}, which is not a LoRA's name and strength.", "Write <lora:name:0.8>."
            ).about(tag=tag)
        if name in self.loras:
            raise PromptError("The prompt names the LoRA {name} twice.", "Remove one of them.").about(name=repr(name))
        self.loras[name] = float((strengths or ["1"])[0])
        if abs(self.loras[name]) > MAX_STRENGTH:
            raise PromptError(
                "The prompt gives the LoRA {name} the strength {strength}; the maximum is {most_strength}.",
                "Most LoRAs are made for a strength of up to 1.",
            ).about(name=repr(name), strength=f"{self.loras[name]:g}", most_strength=MAX_STRENGTH)


def _unpaired(bracket: str, near: str) -> PromptError:
    return PromptError(
        "The prompt has an unmatched {bracket} at {near}.", "Remove it, or write \\{bracket} to use it as text."
    ).about(bracket=bracket, near=repr(near[:30]))
