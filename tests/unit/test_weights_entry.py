"""Model entries that name components: how they are read, what is missing, and what the hashes of their files cover."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from backend.__main__ import main
from backend.job import fingerprint
from backend.job_folder.declared import SettingError
from backend.job_folder.problem import Problem
from backend.models.entry import find_entry, read_entry
from backend.models.model_entry import LoraFile, ModelEntry
from tests.systems import set_home
from tests.weight_formats import write_entry

PARTS = """
base = "sd.safetensors"
config = "sd15"
motion_module = "~/v3.ckpt"
vae = "vae ü.safetensors"
domain_adapter = "adapter.ckpt"
loras = ["a.safetensors", {file = "b.safetensors", strength = 0.5}, {file = "c.safetensors", strength = 0}]
motion_loras = [{file = "pan.ckpt", strength = -1}]
sparse_rgb = "rgb.ckpt"
sparse_scribble = "scribble.ckpt"
depth_control = "depth"
tiny_vae = "taesd"
"""
FILES = ["sd", "vae ü", "a", "b", "c", "sd15/unet/unused", "depth/depth", "taesd/tiny"]


@pytest.fixture
def own(data_folder, monkeypatch) -> Path:
    """The user's folder of entries, with "own" and every file that it names."""
    folder = data_folder / "models"
    for name in FILES:
        path = folder / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    set_home(monkeypatch, folder / "home")
    monkeypatch.setenv("USERPROFILE", str(folder / "home"))
    (folder / "home").mkdir()
    for path in ("home/v3.ckpt", "adapter.ckpt", "pan.ckpt", "rgb.ckpt", "scribble.ckpt"):
        (folder / path).write_bytes(path.encode())
    write_entry(folder, PARTS)
    return folder


def test_paths_count_from_the_entry_s_folder_or_the_user_s_home(own):
    entry = find_entry("own")
    assert entry.base == (own / "sd.safetensors").resolve()
    assert entry.motion_module == (own / "home" / "v3.ckpt").resolve()
    assert entry.domain_adapter == LoraFile(file=(own / "adapter.ckpt").resolve(), strength=1)
    assert [add_on.strength for add_on in entry.loras] == [1, 0.5, 0]
    assert entry.motion_loras[0].strength == -1
    assert [entry.sparse_rgb.name, entry.sparse_scribble.name] == ["rgb.ckpt", "scribble.ckpt"]
    assert [entry.depth_control.name, entry.tiny_vae.name] == ["depth", "taesd"]


def test_weight_files_are_all_files_that_make_the_model(own):
    assert set(find_entry("own").weight_files()) == {
        "base/sd.safetensors",
        "motion_module/v3.ckpt",
        "vae/vae ü.safetensors",
        "domain_adapter adapter.ckpt x 1",
        "loras[0] a.safetensors x 1",
        "loras[1] b.safetensors x 0.5",
        "motion_loras[0] pan.ckpt x -1",
        "sparse_rgb/rgb.ckpt",
        "sparse_scribble/scribble.ckpt",
        "depth_control/depth.safetensors",
        "tiny_vae/tiny.safetensors",
    }


def test_a_base_folder_counts_by_the_parts_that_are_used(own):
    for part in ("unet", "vae", "text_encoder", "safety_checker"):
        (own / "base" / part).mkdir(parents=True)
        (own / "base" / part / "model.safetensors").write_bytes(b"1")
    (own / "base" / "whole.safetensors").write_bytes(b"1")
    write_entry(own, 'base = "base"\nmotion_module = "home/v3.ckpt"')
    parts = {f"base/{part}/model.safetensors" for part in ("unet", "vae", "text_encoder")}
    assert set(find_entry("own").weight_files()) == parts | {"motion_module/v3.ckpt"}


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("", "either folder (a complete model) or base (with motion_module)"),
        ('folder = "a"\nbase = "b"', "either folder (a complete model) or base (with motion_module)"),
        ('base = "b"', "it also needs a motion_module"),
        ('folder = "a"\nmotion_module = "m"', "use base instead of folder"),
        ('base = "b"\nmotion_modul = "m"', "unknown key 'motion_modul'. Did you mean 'motion_module'?"),
        ('folder = "a"\nlora = ["x"]', "unknown key 'lora'. Did you mean 'loras'?"),
        ('folder = "a"\nloras = [{path = "x"}]', "unknown key 'path'"),
        ('folder = "a"\nloras = [{file = "x", strenght = 1}]', "unknown key 'strenght'. Did you mean 'strength'?"),
        ('folder = "a"\nloras = "x"', "loras must be a list"),
        ('folder = "a"\nloras = [3]', "loras[0] must be an object with named values"),
        ('folder = "a"\nloras = [{strength = 1}]', "loras[0] has no 'file'"),
        ('folder = "a"\nloras = [{file = "x", strength = "1"}]', "loras[0]: strength must be a number, not '1'"),
        ('folder = "a"\nmotion_loras = [{file = "x", strength = nan}]', "motion_loras[0]: strength must be a number"),
        ('folder = "a"\nvae = 3', "vae must be a path in quotes"),
        ('folder = "a"\nsource = "x"', "unknown key 'source'"),
    ],
)
def test_a_wrong_entry_says_what_is_wrong(tmp_path, lines, sentence):
    path = write_entry(tmp_path, lines)
    with pytest.raises(Problem) as error:
        read_entry(path)
    assert sentence in str(error.value) and str(path) in str(error.value)


def test_a_model_whose_files_are_missing_is_listed_and_named(own, capsys):
    (own / "sd.safetensors").unlink()
    (own / "b.safetensors").unlink()
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    assert f"Own (files missing: {own.resolve() / 'sd.safetensors'}, {own.resolve() / 'b.safetensors'})" in listed
    main(["models", "--json"])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert len(rows["own"]["missing"]) == 2 and rows["demo"]["missing"] == []
    with pytest.raises(Problem, match=r"'own' names files that do not exist: base \(.*loras\[1\] \(.*own.toml"):
        find_entry("own")


def test_an_entry_that_cannot_be_read_takes_no_other_away(own, capsys):
    (own / "broken.toml").write_text("name = ", encoding="utf-8")
    (own / "second.toml").write_text((own / "own.toml").read_text(encoding="utf-8"), encoding="utf-8")
    assert find_entry("own").name == "own"
    assert main(["models"]) == 0
    printed = capsys.readouterr()
    assert "Own" in printed.out and "broken.toml cannot be read" in printed.err
    assert "second.toml has the name 'own', which" in printed.err
    with pytest.raises(Problem, match=r"no model 'broken'.*Not readable: .*broken\.toml"):
        find_entry("broken")


def test_a_file_is_hashed_once_over_all_runs(own, monkeypatch):
    files = find_entry("own").weight_files()
    first = fingerprint.of_files(files)
    assert first.keys() == files.keys() and len(set(first.values())) == len(first)
    monkeypatch.setattr(fingerprint.hashlib, "file_digest", None)
    assert fingerprint.of_files(files) == first


def test_a_changed_file_is_hashed_again(own):
    files = find_entry("own").weight_files()
    first = fingerprint.of_files(files)
    path = files["motion_module/v3.ckpt"]
    content = path.read_bytes()
    path.write_bytes(content[::-1])  # the same size
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    second = fingerprint.of_files(files)
    assert {name for name in files if first[name] != second[name]} == {"motion_module/v3.ckpt"}


@pytest.mark.parametrize("content", ["", "[]", '{"x": 1}', "half {"])
def test_a_damaged_memory_of_hashes_is_made_anew(own, data_folder, content):
    files = find_entry("own").weight_files()
    first = fingerprint.of_files(files)
    (data_folder / "hashes.json").write_text(content, encoding="utf-8")
    assert fingerprint.of_files(files) == first
    assert len(json.loads((data_folder / "hashes.json").read_text(encoding="utf-8"))) >= len(files)


def test_hashes_do_not_need_their_memory(own, data_folder):
    (data_folder / "hashes.json").mkdir()
    files = find_entry("own").weight_files()
    assert fingerprint.of_files(files) == fingerprint.of_files(files)


def test_the_readme_s_example_is_an_entry(tmp_path):
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    example = text.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "realistic.toml").write_text(example, encoding="utf-8")
    entry = read_entry(tmp_path / "realistic.toml")
    assert len(entry.missing()) == len(entry.paths()) == 6
    assert entry.settings_for({}).frames == 16


PRESET = """
name = "quick"
title = "With a draft"
folder = "tiny"
clip = {frames = 8, most_frames = 24, area = 1024, multiple = 8}
settings = {steps = 20, guided_steps = 8}
presets.draft = {steps = 6, guided_steps = 3, sampler = "dpm++2m"}
"""


def test_a_preset_is_the_model_s_own_family(tmp_path):
    (tmp_path / "quick.toml").write_text(PRESET, encoding="utf-8")
    entry = read_entry(tmp_path / "quick.toml")
    assert "draft" in entry.families and "quality" not in entry.families
    draft = entry.settings_for({"family": "draft", "guided_steps": "2"})
    assert (draft.steps, draft.guided_steps, draft.sampler, draft.frames) == (6, 2, "dpm++2m", 8)
    with pytest.raises(SettingError, match="has no quality settings"):
        entry.settings_for({"family": "quality"})


@pytest.mark.parametrize(
    "wrong, words",
    [
        ("presets.draught = {}", "unknown preset 'draught'. Did you mean 'draft'?"),
        ("presets.quality = {stepz = 3}", "no setting 'stepz'"),
        ("presets.quality = {guided_steps = 30}", "guided_steps is 30"),
    ],
)
def test_a_wrong_preset_is_said_when_the_entry_is_read(tmp_path, wrong, words):
    (tmp_path / "quick.toml").write_text(PRESET + wrong, encoding="utf-8")
    with pytest.raises(Problem, match=words):
        read_entry(tmp_path / "quick.toml")


def test_a_setting_of_another_family_is_refused():
    class Other(ModelEntry):
        backbone = "wan"

    entry = Other(name="other", title="Other", clip=find_entry("demo").clip)
    assert entry.settings_for({"steps": 4, "guided_steps": 2}).steps == 4
    with pytest.raises(SettingError, match="'other' does not know the setting 'clip_skip'"):
        entry.settings_for({"clip_skip": 2})
    assert find_entry("demo").settings_for({"clip_skip": 2}).clip_skip == 2
