"""Prompts along time: how they are written, and which text each frame of the model's clip gets."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from backend.job.prompts import embedded_prompts
from backend.job.take import generate
from backend.job_folder.moments import MAX_MOMENTS, Moment, moments, shares
from backend.job_folder.problem import Problem
from backend.job_folder.prompt import PromptError
from backend.models.prompt_files import notes_on
from tests.tiny_takes import nothing, with_settings


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a street at dusk", [(0, "a street at dusk")]),
        ("0: dusk | 48: night falls", [(0, "dusk"), (48, "night falls")]),
        (" 0 :dusk|7:  (night:1.3), a\\|b | c ", [(0, "dusk"), (7, "(night:1.3), a\\|b | c")]),
        ("0: dusk", [(0, "dusk")]),
        ("16:9 picture of a ball", [(0, "16:9 picture of a ball")]),
        ("", [(0, "")]),
        ("0: | 5: snow", [(0, ""), (5, "snow")]),
    ],
)
def test_they_are_written_with_bars(text, expected):
    assert moments(text) == tuple(Moment(frame, words) for frame, words in expected)


@pytest.mark.parametrize(
    "text, words",
    [
        ("24: night", "begin at frame 24"),
        ("0: day | 24: night | 24: day", "frame 24 follows frame 24"),
        ("0: day | 24: night | 12: day", "frame 12 follows frame 24"),
        (" | ".join(f"{n}: day" for n in range(MAX_MOMENTS + 1)), "maximum is 100"),
    ],
)
def test_frames_must_be_in_order(text, words):
    with pytest.raises(PromptError, match=words):
        moments(text)


def test_each_prompt_fades_into_the_next_and_the_last_stays():
    along = moments("0: day | 10: dusk | 14: night")
    assert shares(along, 0) == [(0, 1.0), (1, 0.0)]
    assert shares(along, 2.5) == [(0, 0.75), (1, 0.25)]
    assert shares(along, 13) == [(1, 0.25), (2, 0.75)]
    assert shares(along, 14) == shares(along, 500) == [(2, 1.0)]


def job(prompt: str, frames: int):
    return SimpleNamespace(prompt=prompt, negative_prompt="gray", shot=SimpleNamespace(frames=frames))


def test_frames_of_the_shot_are_mapped_to_the_models(model):
    """Eight frames of the model stand for 15 of the shot, so its frame 2 is the shot's frame 4."""
    negative, text = embedded_prompts(model, job("0: a red ball | 8: a blue cube", 15), 8, 1)
    plain, red, blue = model.embed(["gray", "a red ball", "a blue cube"])
    assert torch.equal(negative, plain) and text.shape == (1, 8, *red.shape[1:])
    torch.testing.assert_close(text[0, 0], red[0])
    torch.testing.assert_close(text[0, 2], (red[0] + blue[0]) / 2)
    assert all(torch.equal(text[0, frame], blue[0]) for frame in range(4, 8))


def test_an_ordinary_prompt_is_embedded_as_ever(model):
    assert torch.equal(embedded_prompts(model, job("a red ball", 15), 8, 1)[1], model.embed(["gray", "a red ball"])[1])


@pytest.mark.parametrize("contexts", [{}, {"context_length": 4, "context_overlap": 2}])
def test_one_prompt_twice_is_that_prompt_and_another_changes_its_frames(model, take, motion, contexts):
    def made(prompt):
        text = embedded_prompts(model, job(prompt, 8), 8, 1)[1]
        chosen = with_settings(replace(take, positive=text), motion_weight=0.0, cfg_scale=3.0, **contexts)
        return generate(model, chosen, None, nothing)

    plain, twice, other = map(made, ("a red ball", "0: a red ball | 4: a red ball", "0: a red ball | 4: a blue cube"))
    torch.testing.assert_close(plain, twice, atol=1e-4, rtol=1e-4)
    change = (other - plain).abs().mean((0, 1, 3, 4))
    assert change[4:].mean() > 1e-3 and change[4:].mean() > change[0]


def test_guidance_follows_each_frames_prompt(model, take, motion):
    text = embedded_prompts(model, job("0: a red ball | 7: a blue cube", 8), 8, 1)[1]
    chosen = with_settings(replace(take, positive=text), motion_weight=0.3, score_form="relative")
    assert torch.isfinite(generate(model, chosen, motion, nothing)).all()


def test_a_model_of_one_text_says_so(model):
    single = SimpleNamespace(text_per_frame=False)
    with pytest.raises(Problem, match="does not support prompts along time"):
        embedded_prompts(single, job("0: day | 4: night", 8), 8, 1)


def test_notes_name_each_prompts_signs_once():
    assert notes_on("0: (day:1.3) | 4: night | 6: (day:1.3)", "(gray)") == [
        "The weights in the prompt are used: 'day' 1.3.",
        "The weights in the prompt are used: 'gray' 1.1.",
    ]
