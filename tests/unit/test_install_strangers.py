"""The installer removes only what it created and follows no links: the cases of tests/install_strangers.py."""

from __future__ import annotations

import os

import pytest

from install.clearing import clear, clear_environment, empty_environment
from install.failures import InstallError
from install.files import replace, write_whole
from install.models.store import Store
from install.state import NAME, State, is_ours, read_state, write_state
from install.work import MARK, clear_work, is_our_work, locked_work_folder
from tests import install_strangers
from tests.systems import link, link_folder


@pytest.mark.parametrize("case", list(install_strangers.cases()), ids=install_strangers.name_of)
def test_nothing_of_anybody_s_is_lost(case, tmp_path, made_up_wheels):
    assert install_strangers.run(case, tmp_path.resolve() / "it", made_up_wheels) > 0


def test_the_work_folder_has_a_mark_and_is_ours_by_it_alone(tmp_path):
    folder, work = tmp_path / "film", tmp_path / "film-work"
    (work / "scratch").mkdir(parents=True)
    (work / "lock").touch()
    assert not is_our_work(folder) and not clear_work(folder) and (work / "scratch").is_dir()
    with pytest.raises(InstallError, match="not made by MotionClone"), locked_work_folder(folder):
        pass
    (work / MARK).touch()
    assert is_our_work(folder) and clear_work(folder) and not work.exists()


def test_a_work_folder_of_an_older_version_is_taken_over(tmp_path):
    folder, work = tmp_path / "venv", tmp_path / "venv-work"
    for path in (folder, work):
        path.mkdir()
    for name in ("lock", "install.log"):
        (work / name).touch()
    assert not is_our_work(folder)
    write_state(folder, State())
    assert is_our_work(folder)
    with locked_work_folder(folder):
        assert (work / MARK).is_file()
    (work / MARK).unlink()
    (work / "film.mp4").touch()
    assert not is_our_work(folder)


def test_an_environment_is_cleared_of_its_own_on_each_system(tmp_path):
    for windows in (True, False):
        where = tmp_path / str(windows)
        lib = where / ("Lib" if windows else "lib")
        (lib / "site-packages").mkdir(parents=True)
        (where / "takes").mkdir()
        (where / "pyvenv.cfg").touch()
        write_state(where, State("3.13"))
        empty_environment(where, windows)
        assert sorted(path.name for path in where.iterdir()) == [NAME, "takes"]
        assert is_ours(where) and read_state(where) == State()
        assert clear_environment(where, windows) == ["takes"]
        (where / "takes").rmdir()
        write_state(where, State())
        assert clear_environment(where, windows) == [] and not where.exists()


def test_a_link_to_nothing_is_cleared(tmp_path):
    path = tmp_path / "link"
    link_folder(path, tmp_path / "nothing")
    clear(path)
    assert not os.path.lexists(path) and tmp_path.is_dir()


def test_whole_files_are_written_through_no_link(tmp_path):
    theirs, path = tmp_path / "theirs", tmp_path / "ours.json"
    theirs.write_text("theirs")
    for place in (path, tmp_path / "ours.json.part"):
        link(place, theirs)
    write_whole(path, "é")
    assert path.read_text(encoding="utf-8") == "é" and not path.is_symlink() and theirs.read_text() == "theirs"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ours.json", "ours.json.part", "theirs"]


def test_a_file_that_another_program_has_open_is_waited_for(tmp_path, monkeypatch):
    """Refused as on Windows."""
    tries = []

    def refuse(part, path):
        tries.append(part)
        if len(tries) < 4:
            raise PermissionError(13, "Access is denied")

    monkeypatch.setattr("install.files.os.replace", refuse)
    monkeypatch.setattr("install.files.SECONDS_TO_RETRY", 5.0)
    replace(tmp_path / "part", tmp_path / "path")
    assert len(tries) == 4


def test_a_store_s_end_leaves_what_is_not_its_own(tmp_path):
    store = Store(tmp_path / "models")
    store.write()
    (store.folder / "mine.safetensors").touch()
    store.end()
    assert [path.name for path in store.folder.iterdir()] == ["mine.safetensors"]
