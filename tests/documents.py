"""Reads the README and the pages in docs/ for tests: their commands, tables, names and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = "sh"
LANGUAGES = {SHELL, "toml", "python", "text"}


@dataclass(frozen=True)
class Fence:
    """A block between ``` lines. place: page and line, for messages."""

    place: str
    language: str
    text: str


def fences(page: Path) -> Iterator[Fence]:
    language, lines = None, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if not line.lstrip().startswith("```"):
            lines.append(line)
        elif language is None:
            language, lines, place = line.strip().removeprefix("```"), [], f"{page.name}:{number}"
        else:
            yield Fence(place, language, "\n".join(lines) + "\n")
            language = None


def commands() -> dict[str, str]:
    """Every shell command of every page without its comment, and where it first appears. Lines that end in a backslash
    are joined."""
    found: dict[str, str] = {}
    for page in PAGES:
        for fence in fences(page):
            if fence.language == SHELL:
                for line in fence.text.replace("\\\n", " ").splitlines():
                    command = re.sub(r"\s+#.*", "", line).strip()
                    if command:
                        found.setdefault(re.sub(r"\s{2,}", " ", command), fence.place)
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^\s*```.*?^\s*```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def code_spans(page: Path) -> list[str]:
    """The text between `backticks`, with line breaks as spaces."""
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose(page))]


def rows(page: Path, heading: str | None = None) -> Iterator[list[str]]:
    """The cells of each table row, optionally below a heading, without the tables' own heads."""
    text = prose(page)
    if heading:
        text = re.split(rf"^#+ {re.escape(heading)}$", text, flags=re.MULTILINE)[-1].partition("\n#")[0]
    lines = text.splitlines()
    for line, following in zip(lines, [*lines[1:], ""]):
        is_rule = re.fullmatch(r"\|[-| :]+\|", line)
        if line.startswith("|") and not is_rule and not re.fullmatch(r"\|[-| :]+\|", following):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def links(page: Path) -> list[str]:
    """The targets of links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def anchors(page: Path) -> set[str]:
    """The anchors of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
