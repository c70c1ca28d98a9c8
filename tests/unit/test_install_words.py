"""The messages of the installer and the doctor fit both Blender's panel and a terminal."""

from __future__ import annotations

import re
from functools import cache

import pytest

from backend.doctor import REPAIR
from install import failures
from install.commands import make_parser
from tests.documents import ROOT
from tests.sentences import Source

# Commands that neither the panel nor the preferences start.
OF_TERMINALS = (
    *("__main__", "blender", "commands", "demo", "extension", "make_locks", "repository", "suites"),
    *("window", "wine", "wine_suites"),
)
MODULES = [path for path in sorted((ROOT / "install").rglob("*.py")) if path.stem not in OF_TERMINALS]
ASKED_IN_TERMINALS = {  # questions and options without a button
    "The same command asks again; --yes downloads at once.",
    "Name with --look a folder that holds models.",
    "Get it with: python3 -m install models add {model}",
    "Fix it with: python3 -m install models add {model}",
}
FACE = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "blender_motionclone").rglob("*.py")}
BUTTONS = ("Install Backend", "Update or Repair", "Ask the Doctor")
PREFERENCES = ("Backend Folder", "Offline Packages")
IN_A_TERMINAL = re.compile(r"\(in a terminal: ([^)]+)\)|In a terminal `([^`]+)`|with `(python3 -m install wheels)`")


@cache
def hints() -> list[str]:
    found = {hint for path in MODULES for _, hint in Source(path).said()} | {REPAIR}
    return sorted(found - ASKED_IN_TERMINALS - {""})


def test_the_sentences_are_found():
    assert len(hints()) > 40
    assert f"{failures.REPAIR}." in hints() and f"Free some space. {failures.OTHER_FOLDER}" in hints()


@pytest.mark.parametrize("hint", hints())
def test_what_to_do_asks_for_no_terminal_unless_it_says_so(hint):
    bare = IN_A_TERMINAL.sub("", hint)
    assert not re.search(r"--\w|python3 -m|\bcommand\b", bare)


def test_what_is_named_for_a_terminal_is_understood_there():
    said = {words for hint in hints() for found in IN_A_TERMINAL.findall(hint) for words in found if words}
    commands = {words for words in said if words.startswith("python3 -m install ")}
    options = {words for words in said if words.startswith("--")}
    assert len(commands) > 3 and said == commands | options | {"hf auth login"}
    for words in commands:
        typed = words.split()[3:]
        assert make_parser().parse_args([*typed, "DIR"] if typed == ["wheels"] else typed)
    for option in options:
        assert make_parser().parse_args(["backend", option, "DIR"])


@pytest.mark.parametrize("name", BUTTONS)
def test_the_buttons_that_are_named_are_there(name):
    assert any(name in hint for hint in [*hints(), failures.explained(OSError(5, "", "")).hint])
    assert any(f'"{name}"' in source for source in FACE.values())


@pytest.mark.parametrize("name", PREFERENCES)
def test_the_preferences_that_are_named_are_there(name):
    assert any(name in hint for hint in hints()) and f'name="{name}"' in FACE["preferences_page.py"]


def test_the_backend_s_own_doctor_says_it_as_the_installer_does():
    assert f"{failures.REPAIR}." == REPAIR
