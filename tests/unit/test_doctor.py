"""The doctor: its findings, their fixes, and a report without private information."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from backend import doctor as backend_doctor
from install import checks, doctor, machine_checks
from install.backend import Backend
from install.backend_doctor import ANSWER
from install.commands import main
from install.failures import InstallError
from install.finding import Finding
from install.machine import Machine, Nvidia
from install.models.adding import Adding
from install.models.store import Store
from install.packages import site_packages
from install.paths import ROOT, interpreter, work_folder
from install.redact import redact
from install.reports import Report
from install.state import State, locked, write_state
from install.torch_build import choose_build
from tests.other_programs import no_download, theirs


@pytest.fixture
def where(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MOTIONCLONE_DATA", str(tmp_path / "data"))
    return tmp_path / "venv"


def make(where: Path, state: State) -> None:
    """An environment according to its state file only."""
    where.mkdir()
    write_state(where, state)


FINISHED = State("3.11", {"torch": "a", "backend": "b"}, "", "cpu")


def found(where: Path) -> dict[str, Finding]:
    return {finding.id: finding for finding in doctor.examine(Backend(where)).findings}


def test_nothing_installed_is_a_problem_with_its_fix(where):
    finding = found(where)["no-environment"]
    assert finding.level == "problem" and finding.fix == ("backend", "--where", str(where))


def test_a_half_finished_installation_and_its_downloads_are_found(where):
    make(where, State("3.11", {"torch": "a"}, "b", "cpu"))
    download = work_folder(where) / "downloads" / "http-v2" / "a"
    download.parent.mkdir(parents=True)
    download.write_bytes(bytes(3_000_000))
    said = found(where)
    assert said["half-finished"].level == "problem" and said["half-finished"].fix[0] == "backend"
    assert "3 MB" in said["leftovers"].text


def test_a_running_installation_is_no_problem(where):
    make(where, State())
    with locked(work_folder(where)):
        said = found(where)
    assert said["installing"].level == "warning" and "half-finished" not in said


def test_a_python_that_is_gone_and_a_folder_of_someone_else_are_found(where, tmp_path):
    make(where, FINISHED)
    assert "does not start" in found(where)["python-gone"].text
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").touch()
    assert found(tmp_path / "photos")["not-ours"].level == "problem"


@pytest.fixture
def linked(where) -> Path:
    """An environment with the tests' own Python and one package."""
    make(where, FINISHED)
    interpreter(where).parent.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(where)], check=True)
    info = site_packages(where) / "numpy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").touch()
    (info / "RECORD").write_text("numpy-1.0.dist-info/METADATA,,0\nnumpy-1.0.dist-info/RECORD,,\n")
    return where


def test_other_versions_and_damage_are_found_without_starting_the_packages(linked):
    said = found(linked)
    assert "numpy 1.0" in said["other-versions"].text and said["other-versions"].fix[0] == "backend"
    assert "1 packages, complete" in said["environment"].text
    (site_packages(linked) / "numpy-1.0.dist-info" / "METADATA").unlink()
    assert "numpy" in found(linked)["damaged"].text


def test_a_backend_that_does_not_start_is_a_problem_with_the_repair(linked):
    finding = found(linked)["package-broken"]
    assert finding.level == "problem" and finding.fix == ("backend", "--repair", "--where", str(linked))


def test_a_backend_without_an_answer_is_said(linked, monkeypatch):
    monkeypatch.setattr(doctor, "ask_backend", _raises)
    assert found(linked)["backend-start"].fix[1] == "--repair"


def _raises(*_):
    raise InstallError("The backend does not start: Segmentation fault")


def test_a_check_that_breaks_is_a_finding_and_the_others_still_run(where, monkeypatch):
    def flat_earth(backend):
        raise RuntimeError("no horizon")
        yield

    monkeypatch.setattr(checks, "ALL", (flat_earth, checks.system))
    said = found(where)
    assert "no horizon" in said["flat_earth"].text and "system" in said


def test_a_gpu_without_its_build_an_old_driver_and_missing_rights_are_found(where, monkeypatch, tmp_path):
    make(where, FINISHED)
    monkeypatch.setattr(machine_checks, "this_machine", lambda: Machine("linux", "x86_64", Nvidia((580, 1), (8, 9))))
    assert "this machine can use cuda13" in found(where)["other-build"].text
    monkeypatch.setattr(machine_checks, "this_machine", lambda: Machine("linux", "x86_64", Nvidia((470, 1), (8, 9))))
    assert "470.1 is too old" in found(where)["driver"].text
    rights = list(machine_checks.rocm_rights(Machine("linux", "x86_64", rocm=True), tmp_path / "kfd"))
    assert "usermod" in rights[0].hint
    assert choose_build(Machine("linux", "x86_64", rocm=True)).name == "rocm"


def test_too_little_space_is_a_problem_and_a_folder_that_cannot_be_written_too(where, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 5e8}))
    assert found(where)["data-space"].level == "problem"

    def refuse(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert "Read-only file system" in found(where)["environment-rights"].text


def test_the_command_says_it_in_json_and_in_words_and_writes_the_report(where, tmp_path, capsys):
    assert main(["doctor", "--where", str(where), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["healthy"] is False and all(row["text"] and row["id"] and row["level"] for row in said["findings"])
    assert said["report"].startswith("MotionClone ") and "There is no backend environment" in said["report"]
    report = tmp_path / "report.txt"
    assert main(["doctor", "--where", str(where), "--report", str(report)]) == 1
    assert "Fix it with: python3 -m install backend" in capsys.readouterr().out
    assert "no-environment" not in report.read_text() and "There is no backend environment" in report.read_text()


def test_the_report_names_neither_user_nor_home_nor_computer():
    text = (
        "/home/ada/.local/share/motionclone and C:\\Users\\ada\\AppData and /home/adamant/x; ADA on engine.local, "
        "engine http://ada:secret@proxy:3128 /Users/grace/models, adaptive"
    )
    said = redact(text, Path("/home/ada"), "ada", ["engine.local", "engine"])
    assert said == (
        "~/.local/share/motionclone and C:\\Users\\<user>\\AppData and /home/<user>/x; <user> on <host>, <host> "
        "http://<login>@proxy:3128 /Users/<user>/models, adaptive"
    )


def test_the_backend_s_own_part_finds_packages_device_ffmpeg_and_models(capsys, monkeypatch):
    options = type("Options", (), {"json": True, "generate": False})
    assert backend_doctor.doctor(options) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(ANSWER)
    said = {row["id"]: row for row in json.loads(line)["findings"]}
    assert {"packages", "device", "ffmpeg", "models"} <= set(said) and "demo" in said["models"]["text"]
    monkeypatch.setattr(backend_doctor, "PACKAGES", ("torch", "no_such_package"))
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/no/ffmpeg")
    options.json = False
    assert backend_doctor.doctor(options) == 1
    words = capsys.readouterr().out
    assert "Packages cannot be loaded: no_such_package (No module named" in words
    (finding,) = backend_doctor.check_ffmpeg()
    assert finding.level == "problem" and "/no/ffmpeg" in finding.text


def test_a_model_whose_files_are_gone_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("MOTIONCLONE_DATA", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "broken.toml").write_text("name = ")
    entry = 'name = "gone"\ntitle = "Gone"\nfolder = "nowhere"\n[clip]\nframes = 16\nmost_frames = 24\narea = 4096\n'
    (tmp_path / "models" / "gone.toml").write_text(entry + "multiple = 16\n")
    said = [finding.id for finding in backend_doctor.check_models()]
    assert said == ["model-entry", "model-file", "models"]


def test_the_catalogue_s_models_are_looked_at_and_adding_them_again_mends_them(
    where, home, hub, catalogue, monkeypatch
):
    monkeypatch.setattr(checks, "read_catalogue", lambda: catalogue)
    theirs(home, hub)
    assert not [name for name in found(where) if name.startswith("model")]
    Adding(catalogue, Store(), Report(), no_download).add("one")
    assert "one are complete" in found(where)["model-files"].text
    Store().path(catalogue.components["base"].files[0]).write_bytes(b"short")
    finding = found(where)["model-damaged"]
    assert finding.level == "problem" and "has changed since it was verified" in finding.text
    assert finding.fix == ("models", "add", "one", "--where", str(where))
    store = Store()
    store.record.adding = {"name": "two", "extras": ["x"]}
    store.write()
    finding = found(where)["model-unfinished"]
    assert finding.level == "warning" and finding.fix[:5] == ("models", "add", "two", "--with", "x")
    with locked(store.folder):
        assert found(where)["model-coming"].level == "ok"


def test_a_missing_file_of_the_catalogue_s_is_said_once_and_with_its_fix(linked, home, hub, catalogue, monkeypatch):
    monkeypatch.setattr(checks, "read_catalogue", lambda: catalogue)
    theirs(home, hub)
    Adding(catalogue, Store(), Report(), no_download).add("one")
    missing = Store().path(catalogue.components["base"].files[0])
    missing.unlink()
    rows = [
        {"id": "model-file", "level": "warning", "text": f"The model {name} is missing its file {missing}.", "hint": ""}
        for name in ("one", "my own")
    ]
    monkeypatch.setattr(doctor, "ask_backend", lambda *_: rows)
    texts = [finding.text for finding in doctor.examine(Backend(linked)).findings if str(missing) in finding.text]
    assert texts == [f"The model one cannot be used: {missing} is missing.", rows[1]["text"]]


def test_a_short_generation_is_a_real_one(tmp_path, monkeypatch):
    monkeypatch.setenv("MOTIONCLONE_DATA", str(tmp_path))
    (finding,) = backend_doctor.check_generation()
    assert finding.level == "ok" and "a clip of" in finding.text


def test_the_doctor_starts_as_a_command_from_the_root(where):
    command = [sys.executable, "-m", "install", "doctor", "--where", str(where), "--json"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 1 and not json.loads(answer.stdout)["healthy"]
