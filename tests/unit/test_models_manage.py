"""Listing, verifying and removing the catalogue's models, whatever has happened to their files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from install.backend import Backend
from install.commands import main
from install.failures import InstallError
from install.models import catalogue as catalogues
from install.models import hub as hubs
from install.models.adding import Adding
from install.models.content import named_by
from install.models.managing import listing, remove, verify
from install.models.store import Store
from install.reports import Report
from tests.download_kills import adding, start
from tests.other_programs import no_download, put, theirs


@pytest.fixture
def store(home, hub, catalogue) -> Store:
    """A store with both models as regular files."""
    for original in theirs(home, hub):
        original.unlink()
    for name, repo, path in (("base", "own/base", "base.safetensors"), ("shared", "own/shared", "deep/shared.ckpt")):
        put(Store().folder / name / Path(path).name, hub.files[repo][path])
    for name in ("one", "two"):
        Adding(catalogue, Store(), Report(), no_download).add(name)
    return Store()


def states(catalogue) -> dict[str, str]:
    return {row["name"]: row["state"] for row in listing(catalogue, Store())}


def test_files_in_their_places_that_nobody_recorded_are_verified_and_kept(store, catalogue):
    """Like after a run that was killed before it wrote its record."""
    assert states(catalogue) == {"one": "installed", "two": "installed"}
    verify(catalogue, store, Report(), None)


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "empty"])
def test_harm_is_found_and_said_and_what_is_harmed_is_not_trusted_again(store, catalogue, harm, capsys):
    path = store.path(catalogue.components["shared"].files[0])
    content, times = path.read_bytes(), path.stat()
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes({"flip": content[:-1] + b"!", "cut": content[:-1], "empty": b""}[harm])
    if harm == "flip":  # with an unchanged time, as on a failing disk, so that only reading it shows the damage
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert states(catalogue)["one"] == "installed"
    with pytest.raises(InstallError, match="1 files of one are missing or damaged") as error:
        verify(catalogue, store, Report(), None)
    assert error.value.hint == "Fix it with: python3 -m install models add one"
    assert str(path) in capsys.readouterr().out
    assert states(catalogue) == {"one": "damaged", "two": "damaged"}
    with pytest.raises(AssertionError, match="downloaded"):
        Adding(catalogue, Store(), Report(), no_download).add("one")
    assert not path.exists()


def test_what_another_model_needs_stays(store, catalogue):
    remove(catalogue, store, Report(), "one")
    assert not (store.folder / "base").exists() and states(catalogue) == {"one": "absent", "two": "installed"}
    remove(catalogue, Store(), Report(), "two")
    assert not store.models.exists()
    with pytest.raises(InstallError, match="two is not installed"):
        remove(catalogue, Store(), Report(), "two")


def test_an_entry_that_the_user_changed_is_never_overwritten_or_removed(store, catalogue, capsys):
    entry = store.entry("one")
    entry.write_text(entry.read_text() + "\n[settings]\nsteps = 50\n")
    changed = entry.read_text()
    for _ in range(2):
        Adding(catalogue, Store(), Report(), no_download).add("one")
        assert entry.read_text() == changed and "was changed by you and is kept" in capsys.readouterr().out
    remove(catalogue, Store(), Report(), "one")
    assert entry.read_text() == changed


def test_an_entry_of_the_user_s_own_is_in_nobody_s_way(home, hub, catalogue):
    theirs(home, hub)
    own = put(Store().entry("one"), b'name = "one"')
    with pytest.raises(InstallError, match="is your own"):
        Adding(catalogue, Store(), Report(), no_download).add("one")
    assert own.read_bytes() == b'name = "one"'


@pytest.mark.parametrize("record", ["", "[]", '{"format": 99}', '{"format": 1, "files": {"a": 1}}'])
def test_a_record_that_is_damaged_costs_only_time(store, catalogue, record):
    (store.folder / "files.json").write_text(record)
    Adding(catalogue, Store(), Report(), no_download).add("one")
    assert states(catalogue)["one"] == "installed"
    assert not list(store.models.glob("*.old")), "the entry was as it would be written"


def test_what_the_user_made_of_an_entry_is_kept_when_the_record_is_lost(store, catalogue):
    entry = store.entry("one")
    entry.write_text(entry.read_text() + "# mine\n")
    (store.folder / "files.json").unlink()
    Adding(catalogue, Store(), Report(), no_download).add("one")
    assert "# mine" in entry.with_suffix(".toml.old").read_text() and "# mine" not in entry.read_text()


def test_unknown_names_are_answered_with_the_known_ones(catalogue, home):
    adding = Adding(catalogue, Store(), Report(), no_download)
    with pytest.raises(InstallError, match="no model 'onne'. Did you mean 'one'"):
        adding.add("onne")
    with pytest.raises(InstallError, match="no extra 'fold'. Did you mean 'folder'"):
        adding.add("one", ["fold"])
    with pytest.raises(InstallError, match="two has no extra"):
        adding.add("two", ["folder"])
    assert not Store().models.exists()


def test_what_has_come_of_a_file_is_not_to_be_downloaded_again(home, catalogue):
    file, store = catalogue.components["shared"].files[0], Store()
    part = store.part(file.sha256)
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(100))
    rows = {row["name"]: row["download_bytes"] for row in listing(catalogue, store)[0]["components"]}
    assert rows["shared"] == file.size - 100 and rows["base"] == catalogue.components["base"].size


def test_a_download_that_the_user_does_not_want_is_not_made(home, hub, catalogue, monkeypatch):
    def offers(python, files):
        return [hubs.Offer(file, "c", named_by(file.sha256 or "0" * 40, file.size)) for file in files]

    monkeypatch.setattr(hubs, "ask", offers)
    with pytest.raises(InstallError, match="Nothing was downloaded"):
        Adding(catalogue, Store(), Report(), lambda: Path("python"), agree=lambda: False).add("one")
    assert states(catalogue)["one"] == "absent"


def test_the_commands_say_it_in_words_and_in_json(store, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(catalogues, "SHIPPED", tmp_path / "catalogue.toml")
    assert main(["models", "list", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    row = said["models"][0]
    assert (row["name"], row["state"], row["download_bytes"]) == ("one", "installed", 0)
    assert row["components"][0]["license"] == "MIT" and row["extras"][0]["name"] == "folder"
    assert not row["extras"][0]["chosen"] and row["extras"][0]["download_bytes"] > 0
    assert main(["models", "list"]) == 0
    words = capsys.readouterr().out
    assert "(installed)" in words and "--with folder" in words and "license: MIT" in words
    assert main(["models", "verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["kind"] == "done"
    assert main(["models", "verify", "three"]) == 1
    assert "The model three is not installed" in capsys.readouterr().err
    assert main(["models", "remove", "one", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["text"] == "Removed one."
    with pytest.raises(SystemExit):
        main(["models", "ad"])


def test_uninstalling_with_models_leaves_nothing_but_the_jobs(store, tmp_path, capsys):
    (store.models.parent / "jobs" / "a").mkdir(parents=True)
    where = tmp_path / "venv"
    Backend(where).remove()
    assert store.entry("one").exists() and "models" in capsys.readouterr().out
    Backend(where).remove(models=True)
    assert [path.name for path in store.models.parent.iterdir()] == ["jobs"]


@pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode != 0,
    reason="needs a mount namespace of its own",
)
def test_a_folder_that_cannot_be_written_is_said_with_what_to_do(home, hub, catalogue, data_folder, tmp_path):
    run = " ".join(f"'{part}'" for part in adding(tmp_path / "catalogue.toml"))
    script = f"mount --bind '{data_folder}' '{data_folder}' && mount -o remount,bind,ro '{data_folder}' && exec {run}"
    said, _ = start(["unshare", "-rm", "sh", "-c", script], data_folder, "http://127.0.0.1:9").communicate(timeout=60)
    failed = json.loads(said.splitlines()[-1])
    assert "cannot be written to (Read-only file system)" in failed["message"]
    assert "MOTIONCLONE_DATA" in failed["hint"]
