"""The German table and the code hold each other: no name is missing, none is left over, no blank is lost."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.extension import ROOT, part

ADD_ON = ROOT / "blender_motionclone"
LOCALES = sorted((ADD_ON / "locale").glob("*.toml"))
FILES = sorted(ADD_ON.rglob("*.py"))
SHOWN = ("text", "placeholder")  # arguments of Blender's layouts that are translated


def table(path: Path) -> dict[str, dict[str, str]]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def names() -> Iterator[tuple[str, str, str]]:
    """(context, text, file) of everything short that is shown: names, labels and what iface_ translates."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield from ((context, text, path.name) for context, text in _labels(node))
            elif isinstance(node, ast.Call):
                yield from ((context, text, path.name) for context, text in _said(node))


def _labels(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    is_operator = any("Operator" in ast.unparse(base) for base in node.bases)
    for line in node.body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "bl_label":
            yield "Operator" if is_operator else "*", ast.literal_eval(line.value)


def _said(node: ast.Call) -> Iterator[tuple[str, str]]:
    function = ast.unparse(node.func)
    context = "Operator" if function == "button" or function.endswith(".operator") else "*"
    if function == "iface_" and isinstance(node.args[0], ast.Constant):
        yield ast.literal_eval(node.args[1]) if len(node.args) > 1 else "*", node.args[0].value
    is_property = function.startswith("bpy.props.")
    for keyword in node.keywords:
        if keyword.arg == "name" and is_property or keyword.arg in SHOWN and not is_property:
            yield from ((context, text) for text in _texts(keyword.value))


def _texts(node: ast.expr) -> list[str]:
    """A constant, or both of a choice; what is made at run time was translated where it was made."""
    nodes = (node.body, node.orelse) if isinstance(node, ast.IfExp) else (node,)
    return [part.value for part in nodes if isinstance(part, ast.Constant) and re.search(r"[a-z]", str(part.value))]


def tables_in_code() -> set[tuple[str, str]]:
    """What is looked up at run time."""
    first_run = part("setup.first_run")
    found = {*first_run.TITLES, first_run.DEMO_TEXT, first_run.MODEL_TEXT, first_run.size_and_time(None)}
    for path, name in (("progress", "STAGES"), ("takes", "STATE_WORDS"), ("details", "WORKER_STATES")):
        found |= set(_values(ADD_ON / "panels" / f"{path}.py", name))
    found |= set(_values(ADD_ON / "panels" / "preferences_page.py", "BACKEND_WORDS"))
    found |= set(_values(ADD_ON / "setup" / "install_runner.py", "WORDS"))
    for choices in ("SOURCES", "SHOTS", "LOOKS", "PRESETS", "PLACES"):
        found |= {row.elts[1].value for row in _assigned(ADD_ON / "properties.py", choices).elts}
    places = {("Operator", row.elts[1].value) for row in _assigned(ADD_ON / "properties.py", "PLACES").elts[:-1]}
    presets = {("Operator", preset.title) for preset in part("shipped_presets").SHIPPED}
    return {("*", text) for text in found} | places | presets


def _assigned(path: Path, name: str) -> ast.expr:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return node.value
    raise AssertionError(f"{path} has no {name}")


def _values(path: Path, name: str) -> list[str]:
    return [value.value for value in _assigned(path, name).values]


@pytest.mark.parametrize("path", LOCALES, ids=lambda path: path.stem)
def test_no_name_is_missing(path):
    translated = table(path)
    wanted = {(context, text) for context, text, _ in names()} | tables_in_code()
    missing = {(context, text) for context, text in wanted if text not in translated.get(context, {})}
    assert not missing


@pytest.mark.parametrize("path", LOCALES, ids=lambda path: path.stem)
def test_none_is_left_over(path):
    sources = [source.read_text(encoding="utf-8") for source in FILES] + [
        source.read_text(encoding="utf-8") for source in (ADD_ON / "presets").glob("*.toml")
    ]
    constants = {
        node.value
        for source in FILES
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    texts = {text for words in table(path).values() for text in words}
    assert not {text for text in texts if text not in constants and not any(f'"{text}"' in s for s in sources)}


@pytest.mark.parametrize("path", LOCALES, ids=lambda path: path.stem)
def test_the_blanks_to_be_filled_in_are_the_same(path):
    for words in table(path).values():
        for text, translation in words.items():
            assert translation and sorted(re.findall(r"{\w*}", text)) == sorted(re.findall(r"{\w*}", translation)), text


def test_german_is_there():
    assert "de" in [path.stem for path in LOCALES]
