"""Prompts as artists paste them: the meaning of each sign, and the syntax of other tools that is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.job_folder.prompt import PromptError, parse_prompt
from backend.job_folder.tokens import read_tokenizer
from backend.models.vocabulary import CLIP

DEMO = Path(__file__).parents[2] / "backend" / "models" / "demo" / "tokenizer"


def pieces(text: str) -> list[list[tuple[str, float]]]:
    return [[(p.text or p.embedding, round(p.weight, 4)) for p in part] for part in parse_prompt(text).parts]


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("a red ball", [[("a red ball", 1)]]),
        ("", [[("", 1)]]),
        ("a (red:1.4) ball", [[("a ", 1), ("red", 1.4), (" ball", 1)]]),
        ("(red) ball", [[("red", 1.1), (" ball", 1)]]),
        ("((red)) ball", [[("red", 1.21), (" ball", 1)]]),
        ("[red] ball", [[("red", 0.9091), (" ball", 1)]]),
        ("(a (b:1.2) c) d", [[("a ", 1.1), ("b", 1.32), (" c", 1.1), (" d", 1)]]),
        ("(red)(ball)", [[("red", 1.1), ("ball", 1.1)]]),
        ("( red : .5 )", [[(" red ", 0.5)]]),
        ("a BREAK b BREAK", [[("a ", 1)], [(" b ", 1)]]),
        ("(a BREAK b:1.3) c", [[("a ", 1.3)], [(" b", 1.3), (" c", 1)]]),
        ("a (b BREAK c BREAK d:2) e", [[("a ", 1), ("b ", 2)], [(" c ", 2)], [(" d", 2), (" e", 1)]]),
        ("a (b) BREAK c (d) e", [[("a ", 1), ("b", 1.1), (" ", 1)], [(" c ", 1), ("d", 1.1), (" e", 1)]]),
        (r"a \(red\) ball, 24\: night", [[("a (red) ball, 24: night", 1)]]),
        ("embedding:easy.pt, x", [[("easy.pt", 1), (", x", 1)]]),
        ("(embedding:easy:1.3).", [[("easy", 1.3), (".", 1)]]),
        ("time: night, 16:9, a <3 b | c, Breaking Elephant's bread", None),
        ("BREAKFAST, sAND, a - b -- c, x_y, back\\slash", None),
    ],
)
def test_what_signs_mean(text, wanted):
    assert pieces(text) == (wanted or [[(text, 1)]])


def test_loras_are_no_text():
    prompt = parse_prompt("a ball <lora:my__style:0.8>, <lora:other> x <lora:minus:-.5>")
    assert prompt.loras == {"my__style": 0.8, "other": 1.0, "minus": -0.5}
    assert "".join(piece.text for piece in prompt.parts[0]) == "a ball ,  x "


@pytest.mark.parametrize(
    "text, words",
    [
        ("24: night falls", "a prompt for a frame, '24:'"),
        ("0: day\n24 : night", "a prompt for a frame, '0:'"),
        ('"0": "day", "24": "night"', "a prompt for a frame"),
        ("day, 24-48: night", "a prompt for a frame, '24-48:'"),
        ("a ball AND a cube", "joined by AND"),
        ("a [red:blue:0.5] ball", "change during sampling, '[red:blue:0.5]'"),
        ("a [red|blue] ball", "alternating words, '[red|blue]'"),
        ("a {red|blue} ball", "braces"),
        ("a __colour__ ball", "a wildcard, '__colour__'"),
        ("ball::2 cube::1", "two colons"),
        ("a ball --ar 16:9", "an option, '--ar'"),
        ("a (red)1.3 ball", "behind a parenthesis"),
        ("a red++ ball", "plus signs"),
        ("a <cat-toy>", "angle brackets, '<cat-toy>'"),
        ("<hypernet:x:1>", "<hypernet:x:1>, which is not supported"),
        ("<lora:x:1:0.5>", "not a LoRA's name and strength"),
        ("<lora::1>", "not a LoRA's name and strength"),
        ("<lora:x:strong>", "not a LoRA's name and strength"),
        ("<lora:x:11>", "the strength 11; the maximum is 10"),
        ("<lora:x><lora:x:1>", "'x' twice"),
        ("(red:1,3)", "the weight '1,3'"),
        ("(red:9)", "the weight '9'"),
        ("(red:-1)", "the weight '-1'"),
        ("(red:dark)", "the weight 'dark'"),
        ("(red:1.3", "the weight '1.3'"),
        ("(red", "an unmatched ("),
        ("red) ball on green ground under a blue sky", "an unmatched ) at 'red)'."),
        ("a red ball on the green ground) x", "an unmatched ) at ' on the green ground)'."),
        ("[red)", "an unmatched )"),
        ("smile :)", r"write \) to use it as text"),
    ],
)
def test_nothing_is_taken_for_text_silently(text, words):
    with pytest.raises(PromptError) as error:
        parse_prompt(text)
    assert words in str(error.value) and error.value.hint


def test_any_text_is_a_prompt_or_refused_in_words():
    signs = ["(", ")", "[", "]", ":", "|", "\\", "<", ">", "1.2", "a", " ", "BREAK", "embedding:", "<lora:", "\n", "{"]
    state = 1
    for _ in range(5000):
        text = ""
        for _ in range(8):
            state = state * 1103515245 + 12345 & 0x7FFFFFFF
            text += signs[(state >> 16) % len(signs)]
        try:
            assert parse_prompt(text).parts
        except PromptError as error:
            assert error.message and error.hint


def test_signs_are_not_counted_as_tokens():
    tokenizer = read_tokenizer(CLIP)
    plain = tokenizer.count("a red ball on grass")
    assert tokenizer.count("a (red:1.4) ((ball)) [on] grass <lora:x:1>") == plain == 5
    assert tokenizer.count("a red ball BREAK on grass") == 3, "the longest part"
    assert tokenizer.count("a (red") == 3, "half written"
    assert read_tokenizer(DEMO).unknown_words("(astronaut:1.2) <lora:style:1> embedding:easy red") == ["astronaut"]


def test_a_note_says_how_signs_are_followed():
    assert parse_prompt("a red ball").notes == []
    assert parse_prompt("a (red:1.4) BREAK ball").notes == [
        "The weights in the prompt are used: 'red' 1.4.",
        "BREAK divides the prompt into 2 parts.",
    ]
    assert parse_prompt("(a) (b) (c) (d) (e)").notes[0].endswith("among them 'a' 1.1, 'b' 1.1, 'c' 1.1.")
