"""The German tables and the code hold each other: nothing is missing, none is left over, and no blank is lost."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from backend.job_folder import storage
from install.pip_failures import _NO_NETWORK
from tests.extension import ROOT, part
from tests.notes import notes
from tests.sentences import VARIES, Source, constants_of, given, syntax_of, varied
from tests.unit.test_install_words import ASKED_IN_TERMINALS, BUTTONS, MODULES, PREFERENCES

ADD_ON = ROOT / "blender_motionclone"
LOCALES = sorted(path for path in (ADD_ON / "locale").iterdir() if path.is_dir())
FILES = sorted(ADD_ON.rglob("*.py"))
LAST_WORDS = ROOT / "backend" / "wire" / "exit_reason.py"
sentences_of = part("wrapping").sentences_of
ERRORS = ("Problem", "NotFinite", "PromptError", "Sentence")
SHOWN = ("text", "placeholder")  # arguments of Blender's layouts that are translated


def table(folder: Path) -> dict[str, dict[str, str]]:
    """All of a language's files in one; a text that stands in two of them is an error."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(folder.glob("*.toml")):
        for context, words in tomllib.loads(path.read_text(encoding="utf-8")).items():
            twice = words.keys() & found.setdefault(context, {}).keys()
            assert not twice, f"{path.name}: {twice}"
            found[context].update(words)
    return found


@cache
def tooltips() -> set[str]:
    """Of operators, properties and their choices."""
    found = {preset.description for preset in part("settings_text").SHIPPED}
    found |= {one.description for one in part("settings_text").KNOWN.values()}
    for path in FILES:
        tree = syntax_of(path)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and any("Operator" in ast.unparse(base) for base in node.bases):
                said = {ast.unparse(line.targets[0]): line.value for line in node.body if isinstance(line, ast.Assign)}
                given = said.get("bl_description")
                found.add(ast.literal_eval(given) if given else ast.get_docstring(node, clean=False))
            elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("bpy.props."):
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                if "description" in given:  # not what only holds the others
                    found.add(ast.literal_eval(given["description"]))
    for choices in ("SOURCES", "SHOTS", "SHADINGS", "QUALITIES", "PLACEMENTS"):
        found |= {row.elts[2].value for row in _assigned(ADD_ON / "properties.py", choices).elts}
    return found | {_assigned(ADD_ON / "operators" / "placing.py", "AS_SET").elts[2].value}


@cache
def sentences() -> set[str]:
    """Messages and hints of errors and jobs, and what is captured."""
    found = set()
    for path in FILES:
        tree = syntax_of(path)
        known = defaultdict(list)
        for line in ast.walk(tree):
            if isinstance(line, ast.Assign):
                known[ast.unparse(line.targets[0])].append(line.value)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                said = _sentences_of(node)
                found |= {text for one in said for value in known.get(ast.unparse(one), [one]) for text in given(value)}
        if path.name == "targets.py":
            found |= {text for value in known["title"] for text in given(value)}
        if path.name == "colors.py":
            returned = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value]
            found |= {text for value in returned for text in given(value)}
    return {text for text in found if re.search("[a-z]{2}", varied(text))}


@cache
def workers_sentences() -> set[str]:
    """What the worker may say of a job. Not all of it is translated: most is for whoever sets up models."""
    exit_reason = {node.value for node in ast.walk(syntax_of(LAST_WORDS)) if _is_text(node)}
    return _job_errors(sorted((ROOT / "backend").rglob("*.py"))) | exit_reason | said_of_clips()


@cache
def said_of_clips() -> set[str]:
    """What the backend's reader refuses, and notes about what it changed: the panel shows both."""
    paths = [ROOT / "backend" / "clips" / f"{name}.py" for name in ("reading", "video", "sequences", "still")]
    return {text for text in _job_errors(paths) if re.search("[a-z]{3} .*[.]$", text)}


def _job_errors(paths: list[Path]) -> set[str]:
    found = set[str]()
    for path in paths:
        tree, constants = syntax_of(path), constants_of(path)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ERRORS:
                found |= {text for value in node.args[:2] for text in given(value, constants)}
    return found


@cache
def installers_sentences() -> set[str]:
    """Each sentence of the installer's and the doctor's that the panels show."""
    modules = [Source(path) for path in (*MODULES, ROOT / "backend" / "doctor.py")]
    texts = {text for module in modules for both in module.said() for text in both} - ASKED_IN_TERMINALS
    install = {path.stem: Source(path) for path in MODULES if path.parent.name == "install"}
    texts |= install["pythons"].raised("backend_base", "InstallError") | install["pythons"].returned("_next_step")
    texts |= {f"{{python}} (Python {{version}}) {reason}." for reason in reasons_against_a_python()}
    texts |= {words for words, _ in _NO_NETWORK}
    texts |= {
        note for note in install["torch_build"].notes("_for_nvidia") if note == varied(note) and VARIES not in note
    }
    told = _job_errors([ROOT / "install" / name for name in ("torch_build.py", "backend.py", "models/adding.py")])
    texts |= {text for text in told if re.search("MB (on disk|to download)$|driver {version} is", text)}
    texts |= Source(ROOT / "install/models/managing.py").returned("_fault")
    models = tomllib.loads((ROOT / "install/models/catalogue.toml").read_text(encoding="utf-8"))["model"].values()
    texts |= {model[key] for model in models for key in ("about", "terms")}
    each = {part for text in texts for part in sentences_of(text)}
    return {part for part in each if re.search("[a-z]{3}", varied(part))}


def reasons_against_a_python() -> set[str]:
    source = Source(ROOT / "install/pythons.py")
    texts = {node.value for node in ast.walk(source.function("unfit")) if isinstance(node, ast.Constant)}
    texts |= {node.value for node in ast.walk(source.function("backend_base")) if isinstance(node, ast.Constant)}
    return {text for text in texts if str(text).startswith(("is ", "cannot "))}


def _sentences_of(node: ast.Call) -> list[ast.expr]:
    named = {keyword.arg: keyword.value for keyword in node.keywords}
    function = ast.unparse(node.func)
    if function in ERRORS:
        return node.args[:2]
    if function == "sentence" or function.endswith(".poll_message_set"):  # Blender translates the latter
        return node.args[:1]
    if function == "Placement":
        return [named["text"]]
    if function == "JobState":
        return [named[name] for name in ("message", "hint") if name in named]
    return [named["title"]] if function == "Target" and "title" in named else []


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def names() -> Iterator[tuple[str, str, str]]:
    """(context, text, file) of everything short that is shown: names, labels and what iface_ translates."""
    yield from (("Operator", operator.label, "declarations.py") for operator in part("declarations").Operators)
    for path in FILES:
        for node in ast.walk(syntax_of(path)):
            if isinstance(node, ast.ClassDef):
                yield from ((context, text, path.name) for context, text in _labels(node))
            elif isinstance(node, ast.Call):
                yield from ((context, text, path.name) for context, text in _said(node))


def _labels(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for line in node.body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "bl_label" and _is_text(line.value):
            yield "*", ast.literal_eval(line.value)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


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


@cache
def tables_in_code() -> set[tuple[str, str]]:
    """What is looked up at run time."""
    first_run = part("setup.first_run")
    found = set()
    found |= {*first_run.TITLES, first_run.WHAT, first_run.APART, first_run.SIZES, first_run.SIZE}
    found |= {first_run.DEMO_TEXT, first_run.MODEL_TEXT, first_run.INTERRUPTED, first_run.NEEDS, first_run.HAS}
    found |= set(storage.TITLES.values())
    timings = part("jobs.timings")
    found |= {timings.SECONDS, timings.MINUTES, timings.HOURS}
    found |= {_assigned(ADD_ON / "panels" / "takes.py", name).value for name in ("VIEW_CHANGED", "HARDLY")}
    found |= {_assigned(ADD_ON / "forecast.py", "LONG").value}
    stages = (("queue", "STAGES"), ("first_run", "STAGES"))
    for path, name in (*stages, ("takes", "STATE_WORDS"), ("details", "WORKER_STATES")):
        found |= set(_values(ADD_ON / "panels" / f"{path}.py", name))
    found |= set(_values(ADD_ON / "panels" / "preferences_page.py", "BACKEND_WORDS"))
    found |= set(_values(ADD_ON / "setup" / "install_runner.py", "WORDS"))
    found |= {text for one in part("settings_text").KNOWN.values() for text in (one.label, one.group)}
    for choices in ("SOURCES", "SHOTS", "SHADINGS", "QUALITIES", "PLACEMENTS"):
        found |= {row.elts[1].value for row in _assigned(ADD_ON / "properties.py", choices).elts}
    places = {("Operator", row.elts[1].value) for row in _assigned(ADD_ON / "properties.py", "PLACEMENTS").elts[:-1]}
    presets = {("Operator", preset.title) for preset in part("settings_text").SHIPPED}
    return {("*", text) for text in found} | places | presets


def _assigned(path: Path, name: str) -> ast.expr:
    for node in syntax_of(path).body:
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
def test_no_tooltip_is_missing(path):
    assert not tooltips() - table(path)["*"].keys()


@pytest.mark.parametrize("path", LOCALES, ids=lambda path: path.stem)
def test_no_sentence_is_missing(path):
    assert not sentences() - table(path)["*"].keys()


def test_what_is_shown_is_found():
    assert "Where the motion comes from" in tooltips() and "Dismiss this message" in tooltips()
    assert {"Scene {scene} has no camera.", "Press Generate again.", "The job was cancelled."} < sentences()
    assert {"frames {start}-{end} of {camera}", "frames {start}-{end} of strip {strip}"} < sentences()
    assert {"{count} jobs were added to the queue.", "No MotionClone job is running"} < sentences()
    assert {
        "The clip is the background image of camera {camera}",
        "The scene's view transform changes the clip's colors: {has}",
    } < sentences()


@pytest.mark.parametrize("path", LOCALES, ids=lambda path: path.stem)
def test_no_sentence_of_the_installer_s_is_missing(path):
    assert len(installers_sentences()) > 100
    assert not installers_sentences() - table(path)["*"].keys()


@pytest.mark.parametrize("path", LOCALES, ids=lambda path: path.stem)
def test_no_sentence_about_clips_is_missing(path):
    assert len(said_of_clips()) > 30 and not said_of_clips() - table(path)["*"].keys()


@pytest.mark.parametrize("path", LOCALES, ids=lambda path: path.stem)
def test_buttons_and_preferences_are_called_what_they_are(path):
    words = table(path)
    for text in installers_sentences():
        for name in (*BUTTONS, *PREFERENCES):
            label = words["Operator"].get(name) or words["*"][name]
            assert name not in text or label in words["*"][text], text


@pytest.mark.parametrize("path", LOCALES, ids=lambda path: path.stem)
def test_none_is_left_over(path):
    sources = [source.read_text(encoding="utf-8") for source in FILES] + [
        source.read_text(encoding="utf-8") for source in (ADD_ON / "presets").glob("*.toml")
    ]
    constants = {
        node.value
        for source in FILES
        for node in ast.walk(syntax_of(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    texts = {text for words in table(path).values() for text in words} - sentences() - tooltips()
    texts -= installers_sentences() | {text for _, text in tables_in_code()}
    texts -= {part for text in notes() | workers_sentences() for part in (text, *sentences_of(text))}
    assert not {text for text in texts if text not in constants and not any(f'"{text}"' in s for s in sources)}


@pytest.mark.parametrize("path", LOCALES, ids=lambda path: path.stem)
def test_the_blanks_to_be_filled_in_are_the_same(path):
    for words in table(path).values():
        for text, translation in words.items():
            assert translation and sorted(re.findall(r"{\w*}", text)) == sorted(re.findall(r"{\w*}", translation)), text


@pytest.mark.parametrize("path", LOCALES, ids=lambda path: path.stem)
def test_no_note_is_missing(path):
    known = table(path)["*"].keys()
    assert not {note for note in notes() if note not in known and not set(sentences_of(note)) <= known}


def test_the_notes_are_found():
    """Of each way in which they are given: at once, in lists, by functions, in the middle of a job, by the add-on."""
    assert len(notes()) > 40 and notes() > {
        "The saved steps cannot be used; the job restarts at its first step.",
        "A setting changed.",
        "The device ran out of memory with memory set to {policy}; the job continued with {memory}.",
        "{file} also contains {count} tensors of a UNet, which {setting} does not use.",
        "{folder} lacks {missing} of {total} frames of {pattern}: {named}{more}. The other frames keep their times.",
        "This job shows no more previews, because one failed: {reason}.",
        "{path} could not be replaced, because another program has it open. The new file is {other}.",
        "The weights in the prompt are used: {listed}.",
        "Nothing moves in {title}, so the take will not move either. Animate the camera or the objects to change it.",
    }


def test_german_is_there():
    assert "de" in [path.stem for path in LOCALES]
