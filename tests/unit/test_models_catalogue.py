"""The shipped catalogue is complete and pinned, and the backend can use each of its models."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from backend.__main__ import main as backend
from backend.job_folder.families import FAMILIES
from backend.models.entry import read_entries, read_entry
from backend.models.model_entry import PATHS
from install.models.adding import Adding
from install.models.catalogue import read_catalogue
from install.models.content import matches, named_by, sha256_of
from install.models.entry import entry_text
from install.models.store import Store
from install.reports import Report
from tests import weight_formats as formats
from tests.hub_server import COMMIT, Hub, git_name, serving
from tests.systems import set_home

SHIPPED = read_catalogue()


@pytest.mark.parametrize("component", SHIPPED.components.values(), ids=SHIPPED.components)
def test_every_component_has_its_source_license_and_pins(component):
    assert component.key in (*PATHS, "domain_adapter", "loras")
    assert component.license and component.license_url.startswith("https://") and component.title
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", component.repo)
    for file in component.files:
        assert re.fullmatch(r"[0-9a-f]{40}", file.revision)
        assert file.size > 0 and not file.path.startswith("/")
        if file.name.endswith((".safetensors", ".ckpt")):
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256), "weights are pinned by their content"
    assert component.folder or len(component.files) == 1


def test_no_component_is_left_over_and_models_share_their_parts():
    named = {name for model in SHIPPED.models.values() for name in (*model.components, *model.extras)}
    assert named == set(SHIPPED.components)
    places = [file.local_path for component in SHIPPED.components.values() for file in component.files]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("model", SHIPPED.models.values(), ids=SHIPPED.models)
@pytest.mark.parametrize("with_extras", [False, True])
def test_each_model_s_entry_is_one_that_the_backend_reads(model, with_extras, data_folder):
    """Including its settings in every family."""
    store = Store()
    components = SHIPPED.chosen(model, model.extras if with_extras else ())
    store.models.mkdir(parents=True)
    path = store.entry(model.name)
    path.write_text(entry_text(store, model, components), encoding="utf-8")
    entry = read_entry(path)
    assert entry.name == model.name and len(entry.paths()) == len(components)
    assert all(named.is_relative_to(store.folder) for named in entry.paths().values())
    for family in entry.families:
        entry.settings_for({"family": family})
    assert entry.clip.most_frames == 32
    assert entry.families == list(FAMILIES), "draft and quality too"


def test_each_model_is_described_for_an_artist():
    for model in SHIPPED.models.values():
        assert model.about and model.vram > 0 and re.search("Commercial use: (yes|no)", model.terms)


def test_the_demo_model_has_every_family_of_settings():
    assert read_entries()[0]["demo"].families == list(FAMILIES)


def test_sizes_that_are_rounded_still_tell_files_apart():
    adapter = SHIPPED.components["animatediff-v3-adapter"].files[0]
    assert not adapter.exact and adapter.may_have(102_134_000) and not adapter.may_have(97_000_000)
    module = SHIPPED.components["animatediff-v3"].files[0]
    assert module.exact and module.may_have(1_673_262_583) and not module.may_have(1_673_262_584)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("revision = ", "revison = "),
        ("about = 10}", "about = 10, bytes = 10}"),
        ('path = "a"', 'path = "../a"'),
        ('path = "a"', 'path = "/a"'),
        ('components = ["a"]', 'components = ["b"]'),
        ('about = "x"', 'abuot = "x"'),
    ],
)
def test_a_catalogue_with_a_mistake_is_refused(tmp_path, change, why):
    text = (
        '[component.a]\nkey = "base"\ntitle = "a"\nrepo = "o/a"\nrevision = "main"\nlicense = "MIT"\n'
        'license_url = "x"\nfiles = [{path = "a", about = 10}]\n'
        '[model.m]\ntitle = "m"\nabout = "x"\nterms = "MIT."\nvram = 8\ncomponents = ["a"]\nclip = {}\n'
    )
    path = tmp_path / "catalogue.toml"
    path.write_text(text)
    assert read_catalogue(path).models["m"].components == ("a",)
    path.write_text(text.replace(change, why))
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_catalogue(path)


def test_content_is_told_by_either_of_the_hub_s_names(tmp_path):
    path = tmp_path / "é"
    path.write_bytes(b"some text")
    for name in (git_name(b"some text"), sha256_of(path)):
        assert matches(path, named_by(name, 9))
        assert not matches(path, named_by(name, 10)) and not matches(tmp_path / "none", named_by(name, 9))
        path.write_bytes(b"some tex!")
        assert not matches(path, named_by(name, 9))
        path.write_bytes(b"some text")
    assert named_by("W/abc", 9) is None and named_by("", 9) is None


def test_a_downloaded_model_makes_a_clip(tmp_path, data_folder, moving_clip, monkeypatch, capsys):
    """Small weights in the published formats, from the hub through the catalogue to a take."""
    files = published(tmp_path / "weights")
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(small_catalogue(files), encoding="utf-8")
    with serving(Hub({"own/all": files})) as endpoint:
        for name, value in {"HF_ENDPOINT": endpoint, "NO_PROXY": "*"}.items():
            monkeypatch.setenv(name, value)
        set_home(monkeypatch, tmp_path)
        Adding(read_catalogue(catalogue), Store(), Report(), lambda: Path(sys.executable)).add("small", ["depth"])
    assert "small" in read_entries()[0] and read_entries()[1] == []
    job = tmp_path / "job"
    settings = [f"--set={setting}" for setting in ("steps=2", "guided_steps=1", "warm_up_steps=0", "cool_down_steps=0")]
    command = ["clone", str(moving_clip), "--prompt", "a ball", "--model", "small", "--job", str(job), *settings]
    assert backend(command) == 0, capsys.readouterr().err
    hashes = json.loads((job / "result.json").read_text(encoding="utf-8"))["model_hashes"]
    record = json.loads((Store().folder / "files.json").read_text())["files"]
    assert hashes["base/sd.safetensors"] == record["base/sd.safetensors"]["sha256"]


def published(folder: Path) -> dict[str, bytes]:
    parts = formats.build(folder, blocks=2)
    formats.save(formats.checkpoint(parts), folder / "sd.safetensors")
    formats.save(formats.original_motion(parts.adapters["v3"]), folder / "mm" / "v3_sd15_mm.ckpt")
    formats.save(formats.ldm_vae(parts.vae), folder / "vae.safetensors")
    wanted = [path for path in folder.rglob("*") if path.is_file() and path.suffix in (".json", ".txt")]
    wanted += [folder / name for name in ("sd.safetensors", "mm/v3_sd15_mm.ckpt", "vae.safetensors")]
    return {path.relative_to(folder).as_posix().removeprefix("base/"): path.read_bytes() for path in wanted}


def small_catalogue(files: dict[str, bytes]) -> str:
    configs = [name for name in files if name.startswith(("unet/", "vae/", "text_encoder/", "tokenizer/"))]
    parts = {
        "base": ("base", ["sd.safetensors"], ""),
        "module": ("motion_module", ["mm/v3_sd15_mm.ckpt"], ""),
        "vae": ("vae", ["vae.safetensors"], ""),
        "configs": ("config", configs, "folder = true"),
        "depth": ("depth_control", ["vae/config.json"], "folder = true"),
    }
    text = ""
    for name, (key, paths, folder) in parts.items():
        rows = ", ".join(f'{{path = "{path}", bytes = {len(files[path])}}}' for path in paths)
        text += (
            f'[component.{name}]\nkey = "{key}"\ntitle = "{name}"\nrepo = "own/all"\nrevision = "{COMMIT}"\n'
            f'license = "MIT"\nlicense_url = "x"\n{folder}\nfiles = [{rows}]\n'
        )
    return text + (
        '[model.small]\ntitle = "Small"\nabout = "Small."\nterms = "MIT."\nvram = 8\n'
        'components = ["base", "configs", "module", "vae"]\n'
        'extras = ["depth"]\nclip = {frames = 8, most_frames = 24, area = 4096, multiple = 64}\n'
    )
