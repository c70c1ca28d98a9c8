"""Files of other programs are linked, not downloaded or copied, and stay when a model is removed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from install.failures import InstallError
from install.models.adding import Adding
from install.models.catalogue import Catalogue
from install.models.found import find, hub_cache, model_folders
from install.models.managing import listing, remove, verify
from install.models.store import Store
from install.reports import Report
from tests.other_programs import no_download, put, theirs
from tests.systems import link, link_folder, set_home
from tests.unit.conftest import HUB_BYTES as SIZE


def add(catalogue: Catalogue, look: tuple[Path, ...] = (), name: str = "one") -> Store:
    Adding(catalogue, Store(), Report(), no_download, look=look).add(name)
    return Store()


def test_a_model_of_files_that_are_there_needs_no_network(home, hub, catalogue, capsys):
    base, shared = theirs(home, hub)
    store = add(catalogue)
    components = catalogue.components
    assert os.path.samefile(store.path(components["base"].files[0]), base)
    assert os.path.samefile(store.path(components["shared"].files[0]), shared)
    assert f"was found: {base}" in capsys.readouterr().out
    assert 'base = "files/base/base.safetensors"' in store.entry("one").read_text()
    assert next(row for row in listing(catalogue, store) if row["name"] == "one")["state"] == "installed"


def test_they_stay_when_the_model_goes(home, hub, catalogue):
    paths = theirs(home, hub)
    store = add(catalogue)
    remove(catalogue, store, Report(), "one")
    assert not store.models.exists()
    assert all(path.is_file() for path in paths)
    assert paths[0].read_bytes() == hub.files["own/base"]["base.safetensors"]


def test_another_file_of_the_same_size_is_not_taken(home, hub, catalogue):
    theirs(home, hub)[0].write_bytes(bytes(SIZE))
    with pytest.raises(AssertionError, match="downloaded"):
        add(catalogue)
    assert not (Store().folder / "base").exists()


def test_a_folder_can_be_named_and_must_be_there(home, hub, catalogue, tmp_path):
    base, _ = theirs(home, hub)
    elsewhere = put(tmp_path / "drive" / "weights" / "x.bin", base.read_bytes())
    base.unlink()
    with pytest.raises(InstallError, match="There is no folder"):
        add(catalogue, (tmp_path / "no drive",))
    store = add(catalogue, (tmp_path / "drive",))
    assert os.path.samefile(store.path(catalogue.components["base"].files[0]), elsewhere)


def test_where_no_link_can_be_made_the_entry_names_the_file_itself(home, hub, catalogue, monkeypatch):
    """Like between two drives on Windows."""

    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    base, _ = theirs(home, hub)
    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "symlink", refuse)
    store = add(catalogue)
    assert f'base = "{base.as_posix()}"' in store.entry("one").read_text(encoding="utf-8")
    verify(catalogue, store, Report(), None)
    base.unlink()
    assert next(row for row in listing(catalogue, Store()) if row["name"] == "one")["state"] == "damaged"
    with pytest.raises(InstallError, match="1 files of one are missing"):
        verify(catalogue, Store(), Report(), "one")
    base.write_bytes(hub.files["own/base"]["base.safetensors"])
    monkeypatch.undo()
    set_home(monkeypatch, home)
    monkeypatch.setenv("MOTIONCLONE_DATA", str(store.models.parent))
    assert 'base = "files/base/base.safetensors"' in add(catalogue).entry("one").read_text()


def test_a_symbolic_link_where_a_hard_one_cannot_be(home, hub, catalogue, monkeypatch):
    base, _ = theirs(home, hub)
    link(home / "tried", base)
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(1, "Operation not permitted")))
    store = add(catalogue)
    assert store.local_path(catalogue.components["base"].files[0]).readlink() == base


def test_links_in_circles_and_to_nothing_are_passed_over(home, hub, catalogue, monkeypatch):
    """Each folder is read once, and once per link to it; otherwise two cycles would be followed in every order."""
    base, _ = theirs(home, hub)
    for name in ("round", "and round"):
        link_folder(base.parent / name, home / "ComfyUI")
    link_folder(base.parent / "nothing.safetensors", home / "gone")
    scandir, entered = os.scandir, []

    def counted(path):
        entered.append(os.fspath(path))
        assert len(entered) < 100, entered[-3:]
        return scandir(path)

    wanted = replace(
        catalogue.components["base"].files[0], sha256="0" * 64
    )  # no one has it, so that every folder is searched
    folders, models = model_folders(), Store().models
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", counted)
        assert find([wanted], folders, models, lambda count: None) == {}
    assert sum(path.endswith("round") for path in entered) == 2
    assert os.path.samefile(add(catalogue).local_path(catalogue.components["base"].files[0]), base)


def test_comfyui_s_other_folders_and_a1111_s_are_looked_at(home, monkeypatch):
    put(home / "ComfyUI" / "extra_model_paths.yaml", f"a111:\n    base_path: {home}/SD models\n    x: y\n".encode())
    for folder in ("SD models", "stable-diffusion-webui/models", "Documents/ComfyUI/models", ".cache/huggingface/hub"):
        (home / folder).mkdir(parents=True)
    found = model_folders()
    assert [home / folder in found for folder in ("SD models", "stable-diffusion-webui/models")] == [True, True]
    assert home / "Documents" / "ComfyUI" / "models" in found and home / ".cache/huggingface/hub" in found


def test_the_hub_s_cache_is_where_its_settings_say(home):
    assert hub_cache({}) == home / ".cache" / "huggingface" / "hub"
    assert hub_cache({"XDG_CACHE_HOME": "/x"}) == Path("/x/huggingface/hub")
    assert hub_cache({"HF_HOME": "/h", "XDG_CACHE_HOME": "/x"}) == Path("/h/hub")
    assert hub_cache({"HF_HUB_CACHE": "/c", "HF_HOME": "/h"}) == Path("/c")


def test_only_files_of_a_fitting_size_are_read(home, hub, catalogue):
    theirs(home, hub)
    put(home / "ComfyUI" / "models" / "other.safetensors", bytes(SIZE - 1))
    read: list[int] = []
    files = [file for component in catalogue.components.values() for file in component.files]
    found = find(files, model_folders(), Store().models, read.append)
    assert set(found) == {"base/base.safetensors", "shared/shared.ckpt"} and sum(read) == SIZE + SIZE // 2
