"""Every command in the README and in docs/ is run as written; commands that are too heavy are only parsed."""

from __future__ import annotations

import argparse
import ast
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from backend.__main__ import make_parser as backend_parser
from backend.clips import write_video
from backend.demo_training.__main__ import make_parser as training_parser
from backend.job_folder.declared import parse_assignment
from backend.job_folder.request import read_request, write_request
from backend.models.entry import find_entry
from install.commands import make_parser as install_parser
from install.models.catalogue import read_catalogue
from tests.documents import PAGES, ROOT, code_spans, commands
from tests.extension import part

BACKEND = "$(python3 -m install python) -m backend"
PROMPT = '--prompt "a red ball on green ground under a blue sky"'

RUN = {  # in this order, one after the other; with words of what they print
    "python3 -m install python": r"/bin/python$",
    "python3 -m install backend --plan": r"Backend environment",
    "python3 -m install models list": r"realistic-v3 [^\n]*\n[^\n]*SD1\.5 checkpoint[^\n]*\n[^\n]*license: ",
    "python3 -m install models verify": r"All model files are complete",
    "python3 -m install doctor --report report.txt": r"The report, without names and home paths, is report\.txt",
    f"{BACKEND} models": r"demo +Demo world",
    f"{BACKEND} clone clip.mp4 {PROMPT} --set family=draft --job shot1": r"(?s)sampling (\d+)/\1,.*shot1/result\.mp4$",
    f"{BACKEND} run shot1": r"shot1/result\.mp4$",
    f"{BACKEND} score shot1/result.mp4 clip.mp4": r"^-?[01]\.\d+$",
}
PARSED = {  # heavy, or changing what is installed; other tests run most of them
    "python3 -m install demo",
    "python3 -m install test",
    "python3 -m install test --windows",
    "python3 -m install backend",
    "python3 -m install backend --build cpu",
    "python3 -m install backend --repair",
    "python3 -m install backend --wheels DIR",
    "python3 -m install wheels DIR",
    "python3 -m install doctor",
    "python3 -m install remove",
    "python3 -m install remove --models",
    "python3 -m install models add realistic-v3",
    "python3 -m install models add realistic-v3 --with depth --with sparse-rgb --with sparse-scribble --with tiny-vae",
    "python3 -m install models remove realistic-v3",
    f"{BACKEND} clone clip.mp4 {PROMPT}",
    f"{BACKEND} bench device",
    f"{BACKEND} bench device --only policies",
    ".venv/bin/python -m backend.demo_training cost",
    ".venv/bin/python -m backend.demo_training autoencoder --minutes 3 --cool-down 0.5",
    ".venv/bin/python -m backend.demo_training frames --minutes 1.5",
    ".venv/bin/python -m backend.demo_training clips --minutes 8 --cool-down 0.5",
    ".venv/bin/python -m backend.demo_training export",
    "motionclone-backend models",
    "motionclone-backend run shot1",
    "pip install .",
    ".venv/bin/python -m pytest tests/unit/test_wire_settings.py",
    '.venv/bin/python -m pytest -n 3 -m "not slow" tests/unit',
    ".venv/bin/python -m pytest tests/agreement",
    ".venv-bpy-4.2/bin/python -m pytest tests/blender/test_panels.py",
    ".venv/bin/ruff check .",
    "podman build -f install/Containerfile --build-arg BUILD=cuda13 -t motionclone-backend .",
    "podman run --rm -i --device nvidia.com/gpu=all -v /farm/motionclone:/data motionclone-backend serve",
    "blender -b shot.blend --python-exit-code 1 --python-expr "
    '"import bpy; bpy.ops.motionclone.generate(); bpy.ops.wm.save_mainfile()"',
}
MAY_FIND_PROBLEMS = "python3 -m install doctor --report report.txt"  # of the machine that the tests run on


def test_every_command_is_run_or_parsed_and_none_is_gone():
    assert not RUN.keys() & PARSED
    written = commands()
    unknown = {f"{place}: {command}" for command, place in written.items() if command not in RUN.keys() | PARSED}
    assert not unknown, "these are neither run nor parsed"
    assert not (RUN.keys() | PARSED) - written.keys(), "these are no longer in the documents"


@dataclass(frozen=True)
class Ended:
    code: int
    said: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> dict[str, Ended]:
    """Runs all of RUN in a folder that looks like the sources and contains a clip, without the user's own data."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("backend", "install", "blender_manifest.toml"):
        (folder / name).symlink_to(ROOT / name)
    frames = np.full((32, 96, 96, 3), 60, np.uint8)
    for number, frame in enumerate(frames):
        frame[30:60, 2 * number : 2 * number + 24] = (230, 30, 30)
    write_video(folder / "clip.mp4", frames, 16.0)
    surroundings = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MOTIONCLONE_DATA": str(tmp_path_factory.mktemp("data")),
    }
    return {command: _run(command, folder, surroundings) for command in RUN}


def _run(command: str, folder: Path, surroundings: dict[str, str]) -> Ended:
    if command == f"{BACKEND} run shot1":  # repeats the job before; few steps show it as well as all
        job = read_request(folder / "shot1")
        few = job.settings | {"steps": "2", "guided_steps": "1"}
        write_request(replace(job, settings=few), folder / "shot1")
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=surroundings, capture_output=True, text=True, timeout=900
    )
    return Ended(done.returncode, f"{done.stderr}{done.stdout}".strip())


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="they are written for a POSIX shell")
@pytest.mark.parametrize("command", RUN)
def test_a_command_does_what_the_documents_say(ran, command):
    ended = ran[command]
    assert ended.code in ((0, 1) if command == MAY_FIND_PROBLEMS else (0,)), ended.said
    assert "Traceback" not in ended.said
    assert re.search(RUN[command], ended.said), ended.said


@pytest.mark.parametrize("command", sorted(PARSED))
def test_a_heavy_command_parses(command):
    program, *words = shlex.split(command.replace(BACKEND, "motionclone-backend"))
    PROOFS[program](words)


def _install(words: list[str]) -> None:
    assert words[:2] == ["-m", "install"]
    chosen = install_parser().parse_args(words[2:])
    if chosen.command == "models":
        catalogue = read_catalogue()
        catalogue.chosen(catalogue.model(chosen.name), tuple(getattr(chosen, "extras", ())))


def _backend(words: list[str]) -> None:
    chosen = backend_parser().parse_args(words)
    if chosen.command == "bench":
        import_module(f"backend.bench.{chosen.what}").make_parser().parse_args(chosen.rest)
    if chosen.command == "clone":
        find_entry(chosen.model).settings_for(dict(map(parse_assignment, chosen.set)))


def _pip(words: list[str]) -> None:
    """test_pip_package.py runs it."""
    assert words == ["install", "."] and (ROOT / "pyproject.toml").is_file()


def _python(words: list[str]) -> None:
    if words[:2] == ["-m", "backend.demo_training"]:
        training_parser().parse_args(words[2:])
        return
    paths = words[2:] if words[2:6] != ["-n", "3", "-m", "not slow"] else words[6:]
    assert words[:2] == ["-m", "pytest"] and paths and all((ROOT / path).exists() for path in paths)


def _ruff(words: list[str]) -> None:
    """`python3 -m install test` runs it."""
    assert words == ["check", "."]


def _podman(words: list[str]) -> None:
    """As the container file itself has it, which test_container.py holds to the program."""
    assert f"#   podman {shlex.join(words)}" in (ROOT / "install" / "Containerfile").read_text(encoding="utf-8")


def _blender(words: list[str]) -> None:
    """Its Python is right, and calls operators that there are."""
    calls = [
        node for node in ast.walk(ast.parse(words[words.index("--python-expr") + 1])) if isinstance(node, ast.Call)
    ]
    ours = [name for name in (ast.unparse(call.func) for call in calls) if name.startswith("bpy.ops.motionclone.")]
    assert ours and all(name.removeprefix("bpy.ops.") in list(part("declarations").Operators) for name in ours)


PROOFS = {
    "python3": _install,
    "motionclone-backend": _backend,
    "pip": _pip,
    "podman": _podman,
    "blender": _blender,
    ".venv/bin/python": _python,
    ".venv-bpy-4.2/bin/python": _python,
    ".venv/bin/ruff": _ruff,
}


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """The options of the parser and its subcommands."""
    actions = parser._actions
    inner = [
        sub for action in actions if isinstance(action, argparse._SubParsersAction) for sub in action.choices.values()
    ]
    return {name for action in actions for name in action.option_strings}.union(*map(_options, inner))


OF_OTHERS = {"--offline-mode", "--python-expr", "--gpus"}  # Blender's two, and docker's
UNFINISHED = {"python3 -m install", "python3 -m install models add"}  # the rest follows in words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_within_sentences_are_ours(page: Path):
    known = _options(install_parser()) | _options(backend_parser()) | OF_OTHERS
    for span in code_spans(page):
        words = shlex.split(span) if re.match(r"python3? -m |--", span) else []
        if words[:3] == ["python3", "-m", "install"] and span not in UNFINISHED:
            install_parser().parse_args(words[3:])
        elif words[:3] == ["python", "-m", "backend"]:
            backend_parser().parse_args(words[3:])
        assert {word for word in words[:1] if word.startswith("--")} <= known, f"{page.name}: {span}"
