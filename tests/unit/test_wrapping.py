"""Sentences in a narrow sidebar: nothing is lost, nothing is cut off."""

from __future__ import annotations

import pytest

from tests.extension import part

wrapping = part("wrapping")
PATH = "/home/künstlerin/Aufträge 猫/a-very-long-folder-name-without-any-space/job.json"


@pytest.mark.parametrize("width", [1, 7, 12, 40, 1000])
@pytest.mark.parametrize("text", ["", "word", f"There is no job folder {PATH}.", "猫" * 50, "a  b\n c\t\td"])
def test_every_line_fits_and_every_letter_is_there(text, width):
    lines = wrapping.wrap(text, width, len)
    assert all(0 < len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_line_holds_as_many_words_as_fit():
    assert wrapping.wrap("one two three four", 9, len) == ["one two", "three", "four"]


def test_a_word_is_broken_only_where_it_has_no_line_of_its_own():
    assert wrapping.wrap("a longword b", 8, len) == ["a", "longword", "b"]
    assert wrapping.wrap("a verylongword b", 8, len) == ["a", "verylong", "word b"]


def test_letters_that_are_wider_than_the_line_still_come():
    assert wrapping.wrap("ab c", 1, lambda text: 5 * len(text)) == ["a", "b", "c"]


def test_shortened_texts_say_so():
    assert wrapping.shortened("Camera", 6, len) == "Camera"
    assert wrapping.shortened("Camera.Hero.001", 9, len) == "Camera..."
    assert len(wrapping.shortened("Camera", 2, len)) == 3
