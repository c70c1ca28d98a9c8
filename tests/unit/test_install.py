"""The installer's paths, messages and commands, without installing anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from install.backend import Backend
from install.commands import main
from install.developing import blender
from install.developing.demo import _reason
from install.failures import InstallError, as_typed
from install.paths import ROOT, data_folder, environment_folder, interpreter, work_folder
from install.reports import Report


def test_a_virtual_environment_s_python_on_windows_and_elsewhere():
    assert interpreter(Path("v"), windows=True) == Path("v/Scripts/python.exe")
    assert interpreter(Path("v"), windows=False) == Path("v/bin/python")


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize(
    "chosen", [{}, {"MOTIONCLONE_DATA": "~/x"}, {"XDG_DATA_HOME": "/xdg", "LOCALAPPDATA": "/local"}]
)
def test_the_data_folder_is_the_backend_s(monkeypatch, platform, chosen):
    from backend.job_folder import folders

    for name in ("MOTIONCLONE_DATA", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", platform)
    assert data_folder() == folders.data_folder()


def test_a_checkout_keeps_its_environment_and_an_extension_puts_it_among_the_data(tmp_path, monkeypatch):
    monkeypatch.setenv("MOTIONCLONE_DATA", str(tmp_path / "data"))
    assert environment_folder() == ROOT / ".venv"
    monkeypatch.setattr("install.paths.ROOT", tmp_path / "extension")
    assert environment_folder() == tmp_path / "data" / "venv"
    assert environment_folder("~/x") == Path.home() / "x"
    assert work_folder(Path("a/venv")) == Path("a/venv-work")


def test_progress_is_a_json_line_each_for_the_add_on_and_words_for_a_person(capsys):
    for as_json in (True, False):
        report = Report(as_json)
        report.plan("torch", "/where", 1.5, 3)
        report.stage("download", "torch")
        report.progress("download", 5, 10, "Downloading")
        report.progress("download", 5, 10, "Downloading")
        report.failed(InstallError("The disk {disk} is full.", "Free some.").about(disk="/a"))
    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.out.splitlines() if line.startswith("{")]
    assert [line["kind"] for line in lines] == ["plan", "progress", "progress", "failed"]
    assert lines[0]["download_bytes"] == 1_500_000 and (lines[2]["done"], lines[2]["total"]) == (5, 10)
    assert lines[3]["message"] == "The disk /a is full."
    assert lines[3]["templates"] == [{"template": "The disk {disk} is full.", "values": {"disk": "/a"}}]
    assert said.err == "\nThe disk /a is full.\nFree some.\n"


@pytest.mark.parametrize(
    ("number", "says"), [(28, "Free some space"), (30, "--where"), (13, "--where"), (5, "install doctor")]
)
def test_what_the_system_refuses_is_said_with_its_place_and_the_next_step(number, says, tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(number, os.strerror(number), str(tmp_path / "a file"))

    monkeypatch.setattr(Backend, "remove", refuse)
    assert main(["remove"]) == 1
    said = capsys.readouterr().err
    assert f"{os.strerror(number)}: {tmp_path / 'a file'}." in said and says in said


def stand_in(path: Path, output: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{output}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")
def test_a_named_blender_must_be_one_and_new_enough(tmp_path):
    for says, message in (("Blender 3.4.1", "3.4"), ("hello", "not Blender")):
        with pytest.raises(InstallError, match=message):
            blender.find_host(str(stand_in(tmp_path / "blender", says)))
    with pytest.raises(InstallError, match="There is no"):
        blender.find_host(str(tmp_path / "nothing here"))
    host = blender.find_host(str(stand_in(tmp_path / "blender", "Blender 4.2.3 LTS")))
    assert host.is_blender and host.command(Path("a.py"), ["out"])[-4:] == ["--python", "a.py", "--", "out"]


@pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")
def test_an_old_blender_on_the_path_is_passed_over(tmp_path, monkeypatch):
    stand_in(tmp_path / "bin" / "blender", "Blender 3.4.1")
    newer = stand_in(tmp_path / "blender-4.10.0" / "blender", "Blender 4.10.0")
    stand_in(tmp_path / "blender-4.9.0" / "blender", "Blender 4.9.0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert newer in list(blender.usual_places("linux", {}))
    assert blender.find_host(None).program == newer


def test_windows_keeps_blenders_by_version_newest_first(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    for version in ("4.2", "5.2", "4.10"):
        (tmp_path / "Blender Foundation" / f"Blender {version}").mkdir(parents=True)
        (tmp_path / "Blender Foundation" / f"Blender {version}" / "blender.exe").touch()
    found = list(blender.usual_places("win32", {"PROGRAMFILES": str(tmp_path)}))
    assert [path.parent.name for path in found] == ["Blender 5.2", "Blender 4.10", "Blender 4.2"]


def test_an_operator_s_sentence_is_what_the_user_reads():
    output = ["Traceback", "RuntimeError: Error: There is no camera. Add one.", "", "Blender quit"]
    assert _reason(output, 1) == "There is no camera. Add one."
    assert "OpenGL" in _reason(["nothing of use"], -11)


def test_usage_errors_exit_with_2_and_python_without_an_environment_with_1(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["dmeo"])
    assert stopped.value.code == 2
    assert main(["python", "--where", str(tmp_path / "none")]) == 1
    assert as_typed("python3 -m install backend") in capsys.readouterr().err


def test_the_command_starts_as_a_module_from_the_root():
    answer = subprocess.run([sys.executable, "-m", "install", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0 and "demo" in answer.stdout


SCRIPT = "scripts/addons_core/bl_pkg/cli/blender_ext.py"


@pytest.mark.parametrize("place", ["blender's own Python", "a module", "a Debian folder"])
def test_the_zip_needs_no_download_where_any_blender_is_at_hand(place, tmp_path, monkeypatch):
    from install.developing import extension

    monkeypatch.setattr(extension, "ROOT", tmp_path / "tree")
    monkeypatch.setattr(extension, "find_host", lambda _: pytest.fail("no Blender is to be looked for"))
    monkeypatch.setenv("MOTIONCLONE_WINDOWS", str(tmp_path / "windows"))
    folder = tmp_path / "blender" / "5.2"
    if place == "blender's own Python":
        monkeypatch.setattr(extension.sys, "base_prefix", str(folder / "python"))
    elif place == "a module":
        (tmp_path / "bpy").mkdir()
        (tmp_path / "bpy" / "__init__.py").touch()
        folder = tmp_path / "bpy" / "5.2"
        monkeypatch.syspath_prepend(tmp_path)
    else:
        folder = tmp_path / "windows" / "sid" / "usr" / "share" / "blender"
    (folder / SCRIPT).parent.mkdir(parents=True)
    (folder / SCRIPT).touch()
    assert extension.extension_tool() == [sys.executable, str(folder / SCRIPT)]
