"""Counting tokens without transformers gives the same tokens as its tokenizer, for CLIP's vocabulary and the demo's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from backend.__main__ import main
from backend.job_folder.tokens import TokenizerError, read_tokenizer
from backend.models.vocabulary import CLIP
from tests import weight_formats

DEMO = Path(__file__).parents[2] / "backend" / "models" / "demo" / "tokenizer"
TEXTS = [
    "",
    "a red ball on green ground under a blue sky",
    "Cinematic PHOTO of an astronaut's  helmet,\n8k, (masterpiece:1.2), f/2.8; it'll rain!?",
    "grüner Würfel, naïve café — 木の箱, Кубик № ½ ²",
    "cafe\u0301 e\u0301le\u0300ve \U0001f600\U0001f3fd snake_case don't !'s ''ll",
    "12 345 x2 3d <|endoftext|> <lora:x:1>",
    "supercalifragilisticexpialidocious " * 5,
]


@pytest.mark.parametrize("folder", [CLIP, DEMO], ids=["CLIP", "demo"])
@pytest.mark.parametrize("text", TEXTS)
def test_the_tokens_are_those_that_the_encoder_gets(folder, text):
    ours, theirs = read_tokenizer(folder), CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    wanted = theirs(text, add_special_tokens=False).input_ids
    assert [ours.vocabulary[token] for token in ours.tokens(text)] == wanted
    assert ours.longest == theirs.model_max_length - 2 and len(ours.vocabulary) == len(theirs)


def test_clip_s_tokenizer_is_the_published_one():
    """The numbers are from CLIP's own documentation and the examples of transformers."""
    tokenizer = read_tokenizer(CLIP)
    tokens = [tokenizer.vocabulary[token] for token in tokenizer.tokens("a photo of a cat")]
    assert tokens == [320, 1125, 539, 320, 2368] and len(tokenizer.vocabulary) == 49408


def test_words_that_the_demo_model_does_not_know():
    said = "A red astronaut on green ground, an Astronaut, 3 cubes & a ball"
    assert read_tokenizer(DEMO).unknown_words(said) == ["astronaut", "cubes"]
    assert read_tokenizer(CLIP).unknown_words("a xqzzyphon") == []


def test_a_tokenizer_of_two_files_is_the_same(tmp_path):
    built = weight_formats.tokenizer.build(tmp_path / "words ü")
    both = read_tokenizer(tmp_path / "words ü")
    (tmp_path / "words ü" / "tokenizer.json").unlink()
    assert (tmp_path / "words ü" / "vocab.json").is_file() or built.save_vocabulary(str(tmp_path / "words ü"))
    assert read_tokenizer(tmp_path / "words ü") == both


WRONG = ["", "[]", "{}", '{"model": {"vocab": {}}}', '{"model": {"vocab": 3, "merges": []}}']


@pytest.mark.parametrize("content", WRONG)
def test_a_damaged_tokenizer_is_an_error_with_its_folder(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(TokenizerError, match="cannot be read"):
        read_tokenizer(tmp_path)
    shutil.rmtree(tmp_path)
    with pytest.raises(TokenizerError, match=tmp_path.name):
        read_tokenizer(tmp_path)


def test_the_model_list_names_each_tokenizer(data_folder, capsys):
    folder = data_folder / "models"
    folder.mkdir()
    (folder / "sd.safetensors").write_bytes(b"x")
    weight_formats.write_entry(folder, 'base = "sd.safetensors"\nmotion_module = "v3.safetensors"')
    assert main(["models", "--json"]) == 0
    rows = {row["name"]: row["tokenizer"] for row in json.loads(capsys.readouterr().out)}
    assert rows == {"demo": str(DEMO), "own": str(CLIP)}
