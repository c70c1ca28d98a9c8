"""Checks the container file without a container program: everything that it copies and runs exists."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from backend.__main__ import make_parser as backend_parser
from install.commands import make_parser as install_parser
from install.paths import ROOT
from install.torch_build import NAMES

TEXT = re.sub(r"\\\n", " ", (ROOT / "install" / "Containerfile").read_text(encoding="utf-8"))
LINES = [line.split(maxsplit=1) for line in TEXT.splitlines() if line and not line.startswith("#")]


def of(instruction: str) -> list[str]:
    return [rest for word, rest in LINES if word == instruction]


def commands() -> list[list[str]]:
    """The words of each command that is run, with the default build."""
    (build,) = of("ARG")
    text = " && ".join(of("RUN")).replace("$BUILD", build.partition("=")[2])
    return [shlex.split(command) for command in text.split("&&")]


def test_it_copies_what_is_there_and_the_ignore_file_lets_it():
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [rest.split()[0] for rest in of("COPY")]
    assert sorted(copied) == sorted(allowed)
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize(("module", "parser"), [("install", install_parser()), ("backend", backend_parser())])
def test_its_commands_are_ours(module, parser):
    lines = [words[3:] for words in commands() if words[1:3] == ["-m", module]]
    assert lines
    for words in lines:
        parser.parse_args(words)


def test_it_starts_the_worker():
    (entry,), (rest,) = of("ENTRYPOINT"), of("CMD")
    words = json.loads(entry) + json.loads(rest)
    assert words[1:3] == ["-m", "backend"] and backend_parser().parse_args(words[3:]).command == "serve"
    (folder,) = of("WORKDIR")
    assert words[0] == f"{folder}/venv/bin/python"
    assert of("ARG")[0].partition("=")[2] in NAMES
