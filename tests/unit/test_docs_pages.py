"""The pages are consistent: their links lead somewhere, and their code blocks name a language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documents import LANGUAGES, PAGES, ROOT, anchors, fences, links, prose, rows

MAX_LINES = 300  # troubleshooting is a long list, the others are far shorter


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_relative_to(ROOT) and target.exists(), f"{page.name} links to {link}, which is not there"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}, which is no heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_name_their_language_and_pages_stay_short(page: Path):
    assert {fence.language for fence in fences(page)} <= LANGUAGES
    assert len(page.read_text(encoding="utf-8").splitlines()) <= MAX_LINES
    assert "```" not in prose(page), "a block has no end"


def test_every_page_and_picture_is_linked_from_somewhere():
    named = {(page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in links(page)}
    shown = {path for path in (ROOT / "docs").iterdir() if path.suffix in (".md", ".png")}
    assert not {str(path.relative_to(ROOT)) for path in shown - named}


def test_what_a_newcomer_asks_for_is_where_the_page_says():
    asked = {row[0]: row[1] for row in rows(ROOT / "docs" / "developing.md") if row[0].endswith("?")}
    assert len(asked) == 12
    for question, answer in asked.items():
        paths = re.findall(r"`([\w./]+/[\w./]*)`", answer)
        assert paths and all((ROOT / path).exists() for path in paths), question
        text = "".join((ROOT / path).read_text(encoding="utf-8") for path in paths if path.endswith(".py"))
        for name in re.findall(r"`(\w+)`", answer):
            assert re.search(rf"\b{name}\b", text), f"{question} {name}"
