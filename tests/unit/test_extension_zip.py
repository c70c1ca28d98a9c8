"""The extension's zip and repository, built by Blender's own tool from a copy of this tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from install.commands import main
from install.developing.extension import build_extension, manifest, release_notes, write_notes, zip_name
from install.developing.repository import make_repository
from install.failures import InstallError
from install.paths import ROOT

NOT_FOR_ARTISTS = ("backend/bench/", "backend/demo_training/", "install/developing/")
NOT_SHIPPED = ("tests/", "docs/", "demo/", "dist/", ".", "pyproject.toml", *NOT_FOR_ARTISTS)
HEAVY = ("*.safetensors", "__pycache__")


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of what git knows, but the models' weights, whose name has a space and letters beyond ASCII."""
    if not list(ROOT.glob(".venv-bpy-*")):
        pytest.skip("no Blender module to build with; `python3 -m install test` makes them")
    folder = tmp_path_factory.mktemp("Bäume und 木") / "the tree"
    ignore = shutil.ignore_patterns(*HEAVY, ".*", "tests", "dist", "demo")
    return Path(shutil.copytree(ROOT, folder, ignore=ignore))


def test_the_same_tree_gives_the_same_bytes_whatever_its_files_times_and_rights(tree, tmp_path):
    first = build_extension(tmp_path / "a", root=tree).read_bytes()
    other = Path(shutil.copytree(tree, tmp_path / "copy"))
    for path in sorted(other.rglob("*.py"), reverse=True):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o600)
    assert build_extension(tmp_path / "b", root=other).read_bytes() == first


def test_the_zip_holds_the_whole_program_and_nothing_of_its_making(tree, tmp_path):
    for junk in ("tests/test_x.py", "docs/a.png", "demo/a.blend", "dist/old.zip", ".venv/bin/python", "test.log"):
        path = tree / junk
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("junk")
    path = build_extension(tmp_path, root=tree)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert path.name == zip_name(tree) == f"motionclone-{manifest(tree)['version']}.zip"
    assert names == sorted(names) and not [name for name in names if name.startswith(NOT_SHIPPED) or "test.log" in name]
    assert not [name for name in names if "__pycache__" in name or name.endswith((".whl", ".zip"))]
    rooms = ("backend", "blender_motionclone", "install")
    wanted = {path.relative_to(tree).as_posix() for room in rooms for path in (tree / room).rglob("*.py")}
    wanted = {name for name in wanted if not name.startswith(NOT_SHIPPED)}
    assert wanted <= set(names) and {"__init__.py", "blender_manifest.toml", "LICENSE"} <= set(names)
    assert [path.name for path in tmp_path.iterdir()] == [path.name], "what it was built in is left behind"


def test_a_tree_that_blender_refuses_is_a_sentence_and_leaves_the_last_zip(tree, tmp_path):
    broken = Path(shutil.copytree(tree, tmp_path / "broken"))
    last = build_extension(tmp_path / "out", root=broken).read_bytes()
    text = (broken / "blender_manifest.toml").read_text(encoding="utf-8")
    (broken / "blender_manifest.toml").write_text(text.replace('type = "add-on"', 'type = "banana"'), encoding="utf-8")
    with pytest.raises(InstallError, match="refused") as caught:
        build_extension(tmp_path / "out", root=broken)
    assert "blender_manifest.toml" in caught.value.hint
    assert (tmp_path / "out" / zip_name(broken)).read_bytes() == last


def test_the_notes_are_the_changelog_s_part_of_the_version():
    changelog = "# Changelog\n\n## 0.2.0 (not released yet)\n\n- New.\n\n## 0.1.0\n\n- First.\n- Second.\n\n## 0.0.1\n"
    assert release_notes("0.2.0", changelog) == "- New.\n"
    assert release_notes("0.1.0", changelog) == "- First.\n- Second.\n"
    for version in ("0.0.1", "0.1", "9.9.9"):
        with pytest.raises(InstallError, match=f"version {version}"):
            release_notes(version, changelog)


def test_the_present_version_has_notes(tmp_path):
    text = write_notes(tmp_path).read_text(encoding="utf-8")
    assert text.startswith(f"# MotionClone {manifest()['version']}\n") and "- " in text


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name == "href" and value]


def test_a_repository_is_a_list_a_page_and_the_zip_that_they_name(tree, tmp_path):
    folder = tmp_path / "Öffentlich html"
    page = make_repository(folder, root=tree)
    (entry,) = json.loads((folder / "index.json").read_text(encoding="utf-8"))["data"]
    archive = folder / entry["archive_url"]
    assert archive.stat().st_size == entry["archive_size"] and entry["version"] == manifest(tree)["version"]
    links = Links()
    links.feed(page.read_text(encoding="utf-8"))
    drag, download = map(urlsplit, links.found)
    assert (folder / drag.path).samefile(archive) and (folder / download.path).samefile(archive)
    assert parse_qs(drag.query) == {"repository": ["./index.json"], "blender_version_min": ["4.2.0"]}
    assert sorted(path.name for path in folder.iterdir()) == ["index.html", "index.json", archive.name]


def test_a_new_version_is_listed_in_place_of_the_old_one_whose_zip_stays(tree, tmp_path):
    newer = Path(shutil.copytree(tree, tmp_path / "newer"))
    for name, old, new in (
        ("blender_manifest.toml", f'version = "{manifest(tree)["version"]}"', 'version = "7.0.0"'),
        ("CHANGELOG.md", "# Changelog", "# Changelog\n\n## 7.0.0\n\n- <b>Bold</b> & new."),
    ):
        text = (newer / name).read_text(encoding="utf-8")
        (newer / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    make_repository(tmp_path / "r", root=tree)
    page = make_repository(tmp_path / "r", root=newer).read_text(encoding="utf-8")
    listed = json.loads((tmp_path / "r" / "index.json").read_text(encoding="utf-8"))["data"]
    assert [entry["version"] for entry in listed] == ["7.0.0"]
    assert {path.name for path in (tmp_path / "r").glob("*.zip")} == {zip_name(tree), "motionclone-7.0.0.zip"}
    assert "&lt;b&gt;Bold&lt;/b&gt; &amp; new." in page and "<b>" not in page


def test_a_repository_folder_that_cannot_be_written_is_said(tree, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["repository", str(tmp_path / "file" / "repository")]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("git") is None, reason="asks git")
def test_the_checkout_s_own_zip_holds_only_what_git_knows(tmp_path):
    asked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True)
    if asked.returncode:
        pytest.skip("not a git checkout")
    known = set(asked.stdout.decode().split("\0"))
    with zipfile.ZipFile(build_extension(tmp_path)) as archive:
        assert set(archive.namelist()) <= known
