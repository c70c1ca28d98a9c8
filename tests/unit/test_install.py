"""The installer's decisions, without installing anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from install import blender, environments, pythons, suites
from install.commands import main
from install.demo import _reason
from install.environments import Layer, interpreter, make_environment
from install.failures import InstallError
from install.pip import pip_failure
from install.torch_build import CUDA, TORCH, Machine, choose_build, this_machine

CPU_INDEX = "https://download.pytorch.org/whl/cpu"


@pytest.mark.parametrize(
    ("machine", "requirement", "index"),
    [
        (Machine("linux", "x86_64"), f"torch=={TORCH}+cpu", CPU_INDEX),
        (Machine("linux", "arm64"), f"torch=={TORCH}+cpu", CPU_INDEX),
        (Machine("windows", "x86_64"), f"torch=={TORCH}+cpu", CPU_INDEX),
        (Machine("linux", "x86_64", nvidia=True), f"torch=={TORCH}", None),
        (Machine("windows", "x86_64", nvidia=True), f"torch=={TORCH}+{CUDA}", CPU_INDEX.replace("cpu", CUDA)),
        (Machine("linux", "x86_64", rocm=True), f"torch=={TORCH}+rocm7.2", CPU_INDEX.replace("cpu", "rocm7.2")),
        (Machine("windows", "x86_64", rocm=True), f"torch=={TORCH}+cpu", CPU_INDEX),
        (Machine("linux", "x86_64", nvidia=True, rocm=True), f"torch=={TORCH}", None),
        (Machine("darwin", "arm64"), f"torch=={TORCH}", None),
    ],
)
def test_each_machine_gets_its_build_of_torch(machine, requirement, index):
    build = choose_build(machine)
    assert (build.requirement, build.index_url) == (requirement, index)


@pytest.mark.parametrize(
    "machine", [Machine("darwin", "x86_64"), Machine("linux", "i686"), Machine("freebsd", "x86_64")]
)
def test_a_machine_without_a_build_is_told(machine):
    with pytest.raises(InstallError, match="no .*build of torch"):
        choose_build(machine)


def test_what_pip_is_set_up_with_comes_before_the_public_index():
    attempts = choose_build(Machine("linux", "x86_64")).pip_attempts()
    assert attempts == [[f"torch=={TORCH}+cpu"], [f"torch=={TORCH}+cpu", "--index-url", CPU_INDEX]]


def test_processors_are_named_alike_everywhere(monkeypatch):
    for said, meant in (("AMD64", "x86_64"), ("aarch64", "arm64"), ("arm64", "arm64"), ("x86_64", "x86_64")):
        monkeypatch.setattr("platform.machine", lambda said=said: said)
        assert this_machine({}).arch == meant


def test_a_virtual_environment_s_python_on_windows_and_elsewhere():
    assert interpreter(Path("v"), windows=True) == Path("v/Scripts/python.exe")
    assert interpreter(Path("v"), windows=False) == Path("v/bin/python")


@pytest.fixture
def pip_runs(monkeypatch):
    """What would have been installed; environments are made without pip's work."""
    runs: list[list[str]] = []

    def make_empty(folder: Path, base: Path) -> None:
        interpreter(folder).parent.mkdir(parents=True)
        interpreter(folder).touch()

    monkeypatch.setattr(environments, "pip_install", lambda python, arguments, log: runs.append(list(arguments)))
    monkeypatch.setattr(environments, "_make_empty", make_empty)
    monkeypatch.setattr(environments, "_runs", lambda python: python.exists())
    return runs


def layers(tmp_path: Path, torch: str = "torch==1", rest: str = "x==1") -> list[Layer]:
    file = tmp_path / "requirements.txt"
    file.write_text(rest)
    return [Layer("torch", "torch", [[torch]], foundation=True), Layer("rest", "rest", [["-r", str(file)]], [file])]


def test_what_is_installed_is_not_installed_again(tmp_path, pip_runs):
    for _ in range(2):
        make_environment(tmp_path / "v", Path(sys.executable), layers(tmp_path), 0)
    assert [run[0] for run in pip_runs] == ["torch==1", "-r"]


def test_changed_requirements_install_only_their_own_layer(tmp_path, pip_runs):
    make_environment(tmp_path / "v", Path(sys.executable), layers(tmp_path), 0)
    del pip_runs[:]
    make_environment(tmp_path / "v", Path(sys.executable), layers(tmp_path, rest="x==2"), 0)
    assert [run[0] for run in pip_runs] == ["-r"]


def test_another_build_of_torch_makes_the_environment_anew(tmp_path, pip_runs):
    make_environment(tmp_path / "v", Path(sys.executable), layers(tmp_path), 0)
    (tmp_path / "v" / "left over").touch()
    del pip_runs[:]
    make_environment(tmp_path / "v", Path(sys.executable), layers(tmp_path, torch="torch==1+cu"), 0)
    assert [run[0] for run in pip_runs] == ["torch==1+cu", "-r"]
    assert not (tmp_path / "v" / "left over").exists()


def test_a_broken_install_goes_on_where_it_stopped(tmp_path, pip_runs, monkeypatch):
    working = environments.pip_install

    def breaks(python, arguments, log):
        if arguments[0] == "-r":
            raise InstallError("The disk is full.")
        working(python, arguments, log)

    monkeypatch.setattr(environments, "pip_install", breaks)
    with pytest.raises(InstallError):
        make_environment(tmp_path / "v", Path(sys.executable), layers(tmp_path), 0)
    monkeypatch.setattr(environments, "pip_install", working)
    make_environment(tmp_path / "v", Path(sys.executable), layers(tmp_path), 0)
    assert [run[0] for run in pip_runs] == ["torch==1", "-r"]


def test_an_environment_whose_python_is_gone_is_made_anew(tmp_path, pip_runs):
    python = make_environment(tmp_path / "v", Path(sys.executable), layers(tmp_path), 0)
    python.unlink()
    make_environment(tmp_path / "v", Path(sys.executable), layers(tmp_path), 0)
    assert python.exists() and len(pip_runs) == 4


def test_the_next_index_is_tried_only_when_no_such_build_is_found(tmp_path, pip_runs, monkeypatch):
    tried = []

    def fails(python, arguments, log):
        tried.append(arguments)
        raise InstallError("No matching distribution found for torch" if len(tried) == 1 else "The disk is full.")

    monkeypatch.setattr(environments, "pip_install", fails)
    torch = Layer("torch", "torch", [["a"], ["b"], ["c"]])
    with pytest.raises(InstallError, match="disk"):
        make_environment(tmp_path / "v", Path(sys.executable), [torch], 0)
    assert tried == [["a"], ["b"]]


def test_too_little_space_is_said_before_anything_is_made(tmp_path, pip_runs):
    with pytest.raises(InstallError, match="GB are needed"):
        make_environment(tmp_path / "v", Path(sys.executable), layers(tmp_path), 1e9)
    assert not (tmp_path / "v").exists() and not pip_runs


@pytest.mark.parametrize(
    ("talk", "said"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        (
            "NewConnectionError: Temporary failure in name resolution\nNo matching distribution found for torch",
            "reached",
        ),
        ("ERROR: No matching distribution found for torch==2.13.0", "no build of it"),
        ("error: something else", "could not install"),
    ],
)
def test_pip_s_failures_become_sentences_that_name_the_log(talk, said):
    error = pip_failure(talk, Path("install.log"))
    assert said in error.message and "install.log" in error.hint


def test_the_running_python_is_found_and_an_unknown_one_is_not():
    assert pythons.find_python(pythons.RUNNING) == Path(sys.executable)
    assert pythons.find_python("2.99") is None


@pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")
def test_a_stand_in_on_the_path_that_refuses_to_run_is_no_python(tmp_path, monkeypatch):
    for name in ("python9.9", "python3", "python"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 127\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert pythons.find_python("9.9") is None
    behind = tmp_path / "pyenv" / "versions" / "9.9.1" / "bin"
    behind.mkdir(parents=True)
    (behind / "python").write_text("#!/bin/sh\necho 9.9\necho /somewhere/python9.9\n")
    (behind / "python").chmod(0o755)
    assert pythons.find_python("9.9") == Path("/somewhere/python9.9")


def stand_in(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
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
    assert newer in list(blender._usual_places("linux", {}))
    assert blender.find_host(None).program == newer


def test_windows_keeps_blenders_by_version_newest_first(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    for version in ("4.2", "5.2", "4.10"):
        (tmp_path / "Blender Foundation" / f"Blender {version}").mkdir(parents=True)
        (tmp_path / "Blender Foundation" / f"Blender {version}" / "blender.exe").touch()
    found = list(blender._usual_places("win32", {"PROGRAMFILES": str(tmp_path)}))
    assert [path.parent.name for path in found] == ["Blender 5.2", "Blender 4.10", "Blender 4.2"]


def test_reports_are_counted_and_a_missing_one_is_no_count(tmp_path):
    report = tmp_path / "report.xml"
    assert suites.read_report(report) is None
    report.write_text('<testsuites><testsuite tests="9" failures="1" errors="1" skipped="2"/></testsuites>')
    assert suites.read_report(report) == suites.Count(5, 2, 2)
    assert str(suites.Count(5, 2, 2)) == "5 passed, 2 failed, 2 skipped"
    assert str(suites.Count(5)) == "5 passed, 0 failed"


def test_a_suite_that_crashes_or_hangs_is_a_failure(monkeypatch):
    monkeypatch.setattr(suites, "run_limited", lambda *_: 139)
    assert suites._run_pytest(Path("python"), [], 1, {}) == suites.Count(failed=1)
    monkeypatch.undo()
    assert suites.run_limited([sys.executable, "-c", "import time; time.sleep(60)"], 1, {}) is None
    assert suites.run_limited([sys.executable, "-c", "raise SystemExit(3)"], 30, {}) == 3


def test_an_operator_s_sentence_is_what_the_user_reads():
    talk = ["Traceback", "RuntimeError: Error: There is no camera. Add one.", "", "Blender quit"]
    assert _reason(talk, 1) == "There is no camera. Add one."
    assert "OpenGL" in _reason(["nothing of use"], -11)


def test_usage_errors_exit_with_2_and_python_without_an_environment_with_1(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["dmeo"])
    assert stopped.value.code == 2
    monkeypatch.setattr("install.backend.FOLDER", tmp_path / "none")
    assert main(["python"]) == 1
    assert "python3 -m install backend" in capsys.readouterr().err


def test_the_command_starts_as_a_module_from_the_root():
    answer = subprocess.run(
        [sys.executable, "-m", "install", "--help"], cwd=environments.ROOT, capture_output=True, text=True
    )
    assert answer.returncode == 0 and "demo" in answer.stdout
