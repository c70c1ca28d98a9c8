"""Real environments from generated wheels: resumed, repaired, upgraded, refused, removed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from install.backend import Backend, backend_layers
from install.environments import shares
from install.failures import InstallError
from install.packages import broken, discard, installed, site_packages
from install.paths import work_folder
from install.pip import Share
from install.state import NAME, State, is_ours, locked, read_state, write_state
from install.torch_build import CPU
from tests.install_kills import alone, check_whole, command, make_wheels
from tests.installer_runs import finish, kill, start
from tests.package_index import BLOCK, Index, serving

FILES = 3
KEY = "0123456789abcdef" * 4  # a name that the backend uses for caches


@pytest.fixture
def wheels(made_up_wheels) -> Path:
    return made_up_wheels


@pytest.fixture
def finished(made_up_wheels) -> Path:
    return made_up_wheels.parent / "finished" / "venv"


@pytest.fixture
def where(finished, tmp_path) -> Path:
    shutil.copytree(finished.parent, tmp_path / "it", symlinks=True)
    return tmp_path / "it" / "venv"


@pytest.fixture
def without_packages(where) -> Path:
    """An environment in which nothing but pip was installed yet."""
    for package in installed(where):
        if package.name not in ("pip", "setuptools"):
            discard(where, package)
    state = read_state(where)
    assert state
    write_state(where, State(state.python, build=state.build))
    return where


def versions(where: Path) -> dict[str, str]:
    return {package.name: package.version for package in installed(where) if package.name != "pip"}


def test_the_finished_environment_holds_what_the_locks_say(finished):
    check_whole(finished)
    own = {name: version for name, version in versions(finished).items() if name != "setuptools"}
    assert own == {"torch": "2.13.0+cpu", "made-up-0": "1.0", "made-up-1": "1.0", "made-up-2": "1.0"}


def test_a_second_run_installs_nothing(where, wheels):
    log = work_folder(where) / "install.log"
    before = log.read_text()
    (work_folder(where) / "scratch").mkdir()  # as if killed at the very end
    finish(command(where, wheels, wheels / "locks"))
    assert log.read_text() == before
    check_whole(where)


@pytest.mark.parametrize("harm", ["cut short", "gone", "without its list"])
def test_repair_brings_back_what_is_broken(where, wheels, harm):
    package = site_packages(where) / "made_up_1"
    if harm == "cut short":
        os.truncate(package / "data1.bin", 10)
    elif harm == "gone":
        shutil.rmtree(package)
    else:
        (site_packages(where) / "made_up_1-1.0.dist-info" / "RECORD").unlink()
    assert [package.name for package in broken(where, deep=False)] == ["made-up-1"]
    messages = finish(command(where, wheels, wheels / "locks", "--repair"))
    assert any("made-up-1 is incomplete" in message.get("text", "") for message in messages)
    check_whole(where)


def test_a_repair_that_is_killed_leaves_no_gap(where, wheels, monkeypatch):
    def killed(*_):
        raise SystemExit

    (site_packages(where) / "made_up_1" / "data1.bin").unlink()
    monkeypatch.setattr("install.torch_build.LOCKS", wheels / "locks")
    monkeypatch.setattr("install.backend.LOCKS", wheels / "locks")
    monkeypatch.setattr("install.environments.discard", lambda *it: (discard(*it), killed()))
    with pytest.raises(SystemExit):
        Backend(where, wheels, "cpu").make(repair=True)
    finish(command(where, wheels, wheels / "locks"))
    check_whole(where)
    assert "made-up-1" in versions(where)


def test_an_upgrade_changes_only_its_own_layer_and_goes_on_after_a_kill(where, wheels, tmp_path):
    newer = tmp_path / "newer"
    make_wheels(newer, packages=3, version="2.0", files=FILES)
    for name in ("torch.txt", "torch-cpu.txt"):
        shutil.copy(wheels / "locks" / name, newer / "locks" / name)
    state = read_state(where)
    assert state
    shutil.rmtree(site_packages(where) / "made_up_0")  # as if killed while the old version was removed
    (site_packages(where) / "~ade_up_0").mkdir()
    fingerprint = _backend_fingerprint(newer / "locks")
    write_state(where, State(state.python, {"torch": state.layers["torch"]}, fingerprint, state.build))
    messages = finish(command(where, newer, newer / "locks"))
    assert any("made-up-0 is incomplete" in message.get("text", "") for message in messages)
    check_whole(where)
    assert versions(where)["made-up-0"] == versions(where)["made-up-2"] == "2.0"


def _backend_fingerprint(locks: Path) -> str:
    script = "import sys\nfrom pathlib import Path\nimport install.backend as b, install.torch_build as t\n"
    script += "b.LOCKS = Path(sys.argv[1])\nprint(b.backend_layers(t.CPU)[1].fingerprint)"
    return subprocess.check_output([sys.executable, "-c", script, str(locks)], text=True).strip()


def test_another_torch_makes_the_environment_anew(where, wheels, tmp_path):
    (site_packages(where) / "left over").touch()
    other = tmp_path / "other"
    make_wheels(other, packages=3, files=FILES)
    messages = finish(command(where, other, other / "locks"))
    assert any("made for another build" in message.get("text", "") for message in messages)
    check_whole(where)
    assert not (site_packages(where) / "left over").exists()


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("moment", ["python", "unpack"])
def test_a_killed_installation_is_gone_on_with(tmp_path, without_packages, wheels, moment):
    where = tmp_path / "venv" if moment == "python" else without_packages
    process = start(command(where, wheels, wheels / "locks"))
    assert process.stdout
    for line in process.stdout:
        if json.loads(line).get("stage") == moment:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    state = read_state(where)
    assert state.installing if state and moment == "unpack" else not (state and state.python)
    finish(command(where, wheels, wheels / "locks"))
    check_whole(where)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_what_a_killed_installation_has_fetched_is_not_to_be_downloaded_again(without_packages, wheels):
    where, index = without_packages, Index(wheels, pause=0.05)
    parts = work_folder(where) / "downloads" / "torch"
    with serving(index) as address:
        environ = alone({"PIP_INDEX_URL": address})
        (whole,) = [row for row in finish(command(where, None, wheels / "locks", "--plan"), environ) if _is_plan(row)]
        process = start(command(where, None, wheels / "locks"), environ)
        deadline = time.monotonic() + 600
        while not any(part.stat().st_size > BLOCK for part in parts.glob("torch*.part")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        kill(process, with_children=True)
        kept = sum(part.stat().st_size for part in parts.glob("*.part"))
        (rest,) = [row for row in finish(command(where, None, wheels / "locks", "--plan"), environ) if _is_plan(row)]
    assert rest["download_bytes"] == pytest.approx(whole["download_bytes"] - kept, abs=1)
    assert f"about {rest['download_bytes'] / 1e6:,.0f} MB to download" in rest["text"]


def _is_plan(message: dict) -> bool:
    return message["kind"] == "plan"


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cancelled_installation_says_so_and_leaves_no_child(tmp_path, wheels, number):
    where = tmp_path / "venv"
    process = start(command(where, wheels, wheels / "locks"))
    assert process.stdout
    process.stdout.readline()
    time.sleep(1)
    process.send_signal(number)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 130
    assert json.loads(said.splitlines()[-1])["kind"] == "cancelled"
    with locked(work_folder(where)):
        assert is_ours(where)


def test_several_layers_are_one_download():
    assert shares(backend_layers(CPU)) == [Share(0, 402), Share(192, 402)]


def test_a_folder_that_is_not_ours_is_neither_used_nor_removed(tmp_path, wheels):
    where = tmp_path / "my things"
    (where / "photos").mkdir(parents=True)
    for act in (Backend(where).make, Backend(where).remove):
        with pytest.raises(InstallError, match="not made by MotionClone"):
            act()
    assert (where / "photos").is_dir()
    assert is_ours(tmp_path / "nothing")
    for name in (NAME, f"{NAME}.0123456789abcdef.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
        assert is_ours(tmp_path / name)


def test_two_installations_do_not_work_in_one_folder(tmp_path, wheels):
    where = tmp_path / "venv"
    with locked(work_folder(where)):
        process = start(command(where, wheels, wheels / "locks"))
        said, _ = process.communicate(timeout=600)
    assert process.returncode == 1 and "Another installation" in json.loads(said.splitlines()[-1])["message"]


def test_a_wrong_wheel_a_missing_one_and_no_folder_are_said(without_packages, tmp_path, wheels):
    wrong = tmp_path / "wrong"
    shutil.copytree(wheels, wrong)
    with (wrong / "torch-2.13.0+cpu-py3-none-any.whl").open("ab") as file:
        file.write(b"more")
    where = without_packages
    for folder, words in ((wrong, "wrong content"), (tmp_path, "in " + str(tmp_path)), (tmp_path / "no", "no folder")):
        process = start(command(where, folder, wheels / "locks"))
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 1 and words in json.loads(said.splitlines()[-1])["message"], said


def test_what_a_killed_trial_left_is_removed_by_the_next(tmp_path, monkeypatch):
    left = work_folder(tmp_path / "venv") / "check-abc" / "jobs"
    left.mkdir(parents=True)
    monkeypatch.setattr("install.backend.ask_backend", lambda *_: [])
    Backend(tmp_path / "venv").check(Path("python"))
    assert not list(work_folder(tmp_path / "venv").iterdir())


def test_too_little_space_is_said_before_anything_is_made(tmp_path, wheels, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 9 * 10**8, 10**8))
    with pytest.raises(InstallError, match="0.1 GB free; about .* GB are needed"):
        Backend(tmp_path / "venv", wheels).make()
    assert not (tmp_path / "venv").exists()


@pytest.mark.skipif(os.name != "posix", reason="a file in the folder's place is refused in other words elsewhere")
def test_a_folder_that_cannot_be_written_is_said(tmp_path, wheels):
    (tmp_path / "file").touch()
    with pytest.raises(InstallError, match="cannot be written to"):
        Backend(tmp_path / "file" / "venv", wheels).make()


def test_remove_takes_all_but_jobs_and_models(where, tmp_path, monkeypatch, capsys):
    data = tmp_path / "data"
    monkeypatch.setenv("MOTIONCLONE_DATA", str(data))
    for name in ("jobs/1", "models", "motion", f"inversion/{KEY}", f"received/{KEY}.12.job"):
        (data / name).mkdir(parents=True)
    (data / "hashes.json").touch()
    Backend(where).remove()
    assert not where.exists() and not work_folder(where).exists()
    assert sorted(path.name for path in data.iterdir()) == ["jobs", "models"]
    assert str(data / "jobs") in capsys.readouterr().out
    Backend(where).remove(models=True)
    assert [path.name for path in data.iterdir()] == ["jobs"]
