"""Windows-specific behavior of the installer, tested on every system."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from install import commands, machine_checks, pythons
from install.backend import Backend
from install.children import run_module
from install.developing.wine_suites import IN_BLENDER, JOBS, UNIT
from install.doctor import examine
from install.failures import InstallError, as_typed, explained
from install.machine_checks import LONGEST_PATH, LONGEST_WITHIN, chosen_python, long_path
from install.packages import installed, listed
from install.paths import ROOT, data_folder
from install.reports import Report

GRANDCHILD = "import sys; sys.exit(len(sys.stdin.buffer.read()))"


def module(folder: Path, monkeypatch, code: str) -> list[str]:
    """The arguments that run the code as a module of the tree."""
    (folder / "some_module.py").write_text(code)
    monkeypatch.setattr("install.children.ROOT", folder)
    return ["some_module"]


def test_a_grandchild_s_stdin_is_not_the_tether(tmp_path, monkeypatch):
    """On Windows every access to a pipe that a thread reads from waits. Loading NumPy did, and so did every
    grandchild."""
    run = f"subprocess.run([sys.executable, '-c', {GRANDCHILD!r}], timeout=60)"
    code = f"import subprocess, sys\nsys.exit({run}.returncode)"
    begin = time.monotonic()
    assert run_module(Path(sys.executable), module(tmp_path, monkeypatch, code), print) == 0
    assert time.monotonic() - begin < 50


def test_a_child_s_own_stdin_is_at_its_end(tmp_path, monkeypatch):
    code = "import os, sys\nsys.exit(len(sys.stdin.read()) + len(os.read(0, 1)))"
    assert run_module(Path(sys.executable), module(tmp_path, monkeypatch, code), print) == 0


def test_the_tether_still_ends_the_child_and_no_grandchild_keeps_it(tmp_path, monkeypatch):
    """The grandchild keeps running, like a program started by pip; the child must still end."""
    code = (
        "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(8)'])\n"
        "print('begun', flush=True)\ntime.sleep(600)"
    )

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_module(Path(sys.executable), module(tmp_path, monkeypatch, code), stop)
    assert time.monotonic() - begin < 60


def test_children_work_outside_of_the_tree_and_take_no_stranger_s_module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit(3)")
    output: list[str] = []
    folder = tmp_path / "tree"
    folder.mkdir()
    arguments = module(folder, monkeypatch, "import json, os, sys\nprint(os.getcwd(), json.__name__, sys.argv[1:])")
    assert run_module(Path(sys.executable), [*arguments, "a b", "é"], output.append) == 0
    assert output[-1].strip() == f"{ROOT.anchor} json ['a b', 'é']"


@pytest.mark.parametrize(
    "program",
    [
        r"C:\Users\Jörg Müller\AppData\Local\Microsoft\WindowsApps\PythonSoftwareFoundation.Python.3.13_x\python.exe",
        r"c:\program files\windowsapps\PythonSoftwareFoundation.Python.3.13_3.13.9_x64__q\python.exe",
    ],
)
def test_the_store_s_python_is_told_by_where_it_lies(program):
    assert pythons.from_store(Path(program))


def test_other_pythons_are_not_the_store_s():
    for program in (r"C:\Users\WindowsApps user\Python313\python.exe", "/usr/bin/python3", sys.executable):
        assert not pythons.from_store(Path(program))


def test_the_store_s_python_makes_no_environment_and_runs_no_installation(monkeypatch, capsys):
    monkeypatch.setattr(pythons.sys, "platform", "win32")
    monkeypatch.setattr(
        pythons.sys, "base_prefix", r"C:\Program Files\WindowsApps\PythonSoftwareFoundation.Python.3.13"
    )
    with pytest.raises(InstallError, match="Microsoft Store"):
        pythons.check_running()
    assert commands.main(["backend", "--plan"]) == 1
    assert "Microsoft Store" in capsys.readouterr().err
    monkeypatch.setattr(machine_checks, "long_paths_allowed", lambda: True)
    assert "store-python" in [finding.id for finding in machine_checks.system(Backend())]
    monkeypatch.setattr(
        pythons.sys, "base_prefix", r"C:\Program Files\WindowsApps\Blender\4.2\python".replace("\\", "/")
    )
    pythons.check_running()  # an installed Blender's own finds what it wrote


def test_a_long_path_is_one_that_leaves_too_little_room():
    room = LONGEST_PATH - LONGEST_WITHIN - 1
    assert not list(long_path(Path("x" * room), allowed=False))
    assert [finding.id for finding in long_path(Path("x" * (room + 1)), allowed=False)] == ["long-path"]
    assert not list(long_path(Path("x" * 250), allowed=True))


def test_the_longest_file_of_the_environment_is_as_long_as_the_doctor_thinks():
    """Calculated from the packages' file lists with the paths of Windows, `Lib/site-packages`."""
    prefix = Path(sys.prefix)
    if not any(package.name == "torch" for package in installed(prefix)):
        pytest.fail("the tests run in an environment with the backend's packages")
    longest = 0
    for package in installed(prefix):
        start = f"{package.folder.resolve().parent}{os.sep}"
        paths = (str(path) for path, _, _ in listed(package))
        longest = max([longest, *(len(path) - len(start) for path in paths if path.startswith(start))])
    assert LONGEST_WITHIN - 20 < len("Lib/site-packages/") + longest <= LONGEST_WITHIN


def test_commands_are_as_they_are_typed_on_this_system(capsys):
    text = "Press Install Backend (in a terminal: python3 -m install backend)."
    assert as_typed(text, windows=True) == "Press Install Backend (in a terminal: py -m install backend)."
    assert as_typed(text, windows=False) == text
    Report(as_json=True).failed(InstallError(text, text))
    assert "python3 -m install" in capsys.readouterr().out, "the add-on looks up its translation by it"


def test_a_relative_folder_of_packages_is_meant_from_where_the_command_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "packs").mkdir()
    made = []
    monkeypatch.setattr(commands.Backend, "announce", lambda self: made.append(self.wheels))
    assert commands.main(["backend", "--plan", "--wheels", "packs"]) == 0
    assert made == [tmp_path / "packs"]
    monkeypatch.setenv("MOTIONCLONE_DATA", "data")
    assert data_folder() == tmp_path / "data"


@pytest.mark.parametrize("there", [False, True])
def test_the_doctor_knows_a_python_that_does_not_run(tmp_path, there):
    python = tmp_path / "python"
    if there:
        python.touch()
    (found,) = chosen_python(python)
    assert found.level == "problem" and str(python) in found.text and "Backend Python" in found.hint


def test_the_doctor_asks_the_chosen_python_and_mends_nothing_of_it(tmp_path, monkeypatch):
    asked = []

    def ask(python, *_):
        asked.append(python)
        return [{"id": "package-broken", "level": "problem", "text": "Packages cannot be loaded: x.", "hint": ""}]

    monkeypatch.setattr("install.doctor.ask_backend", ask)
    found = examine(Backend(tmp_path / "no such"), Path(sys.executable))
    assert asked == [Path(sys.executable)] and not found.healthy
    assert not any(finding.fix for finding in found.findings)
    assert "no-environment" not in [finding.id for finding in found.findings]


def test_every_file_of_tests_that_is_run_under_wine_is_there():
    names = [f"tests/unit/{name}.py" for name in UNIT] + [f"tests/blender/{name}.py" for name in IN_BLENDER]
    assert [name for name in names if not (ROOT / name).is_file()] == []
    for file, test in (job.split("::") for job in JOBS):
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [5, 32])
def test_what_windows_refuses_is_most_often_open_elsewhere(number):
    """On Windows, replacing an open file is 'Access is denied', and removing it is a sharing violation."""
    error = PermissionError(13, "Access is denied", r"C:\x\files.json")
    error.winerror = number  # pyright: ignore[reportAttributeAccessIssue]
    assert "close other programs" in explained(error).hint and "another Backend Folder" in explained(error).hint
    assert "Make it writable" in explained(PermissionError(13, "Permission denied", "/x")).hint
