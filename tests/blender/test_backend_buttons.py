"""The preferences' buttons: they drive `python -m install`, here one that only says what it was asked for."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import bpy
import pytest

from tests.blender.checked_layout import CheckedLayout, drawn
from tests.blender.conftest import PACKAGE

PATIENCE = 60
INSTALLER = """
import json, os, sys, time
from pathlib import Path
os.chdir(Path(__file__).parents[1])
with open("asked", "a") as file:
    print(*sys.argv[1:], file=file)
def say(**message): print(json.dumps(message), flush=True)
if "doctor" in sys.argv:
    if Path("ill").exists():
        sys.exit(3)
    fix = ["backend", "--repair"]
    say(healthy=False, findings=[
        {"id": "a", "level": "ok", "text": "System: fine.", "hint": "", "fix": []},
        {"id": "b", "level": "problem", "text": "torch is broken.", "hint": "Repair it.", "fix": fix},
        {"id": "c", "level": "problem", "text": "A model is half there.", "hint": "", "fix": ["models", "add", "one"]}],
        report="All about it")
elif "list" in sys.argv:
    say(folder="x", models=json.loads(Path("models.json").read_text()))
else:
    say(kind="plan", text="torch, 402 MB", where="x", download_bytes=402000000, disk_bytes=1600000000)
    say(kind="progress", stage="download", done=1000000, total=4000000, text="torch")
    try:
        while Path("slow").exists():
            time.sleep(0.05)
        say(kind="failed", message="No space.", hint="Free some.") if Path("full").exists() else say(
            kind="done", text="Ready", python="x")
    except KeyboardInterrupt:
        say(kind="cancelled")
        sys.exit(130)
"""
MODEL = {
    "name": "realistic",
    "title": "Realistic Vision",
    "about": "For pictures of people.",
    "terms": "MIT. Commercial use: yes.",
    "vram": 8,
    "state": "absent",
    "bytes": 4_000_000_000,
    "download_bytes": 4_000_000_000,
}
PART = {"name": "base", "title": "the base", "license": "Open RAIL", "license_url": "https://example.org"}
MODEL |= {"components": [PART | {"bytes": 4e9, "download_bytes": 4e9}]}
MODEL |= {"extras": [PART | {"name": "depth", "bytes": 1e9, "download_bytes": 0, "chosen": False}]}


@pytest.fixture
def runner(part, tmp_path, monkeypatch):
    """The add-on's install runner, with the stand-in for `install` in a folder of its own."""
    root = tmp_path / "Erweiterung 猫"
    (root / "install").mkdir(parents=True)
    (root / "install" / "__init__.py").touch()
    (root / "install" / "__main__.py").write_text(INSTALLER, encoding="utf-8")
    runner = part("setup.install_runner")
    monkeypatch.setattr(runner, "EXTENSION_ROOT", root)
    monkeypatch.setattr(part("setup.backend_models"), "refresh", lambda *_: None)
    runner.root = root
    yield runner
    runner.unregister()
    runner.register()


@pytest.fixture
def online(part, monkeypatch):
    """Blender may go online."""
    monkeypatch.setattr(part("operators.backend"), "check_online", lambda: None)


def asked(runner) -> list[str]:
    """Every command so far, without what the panels ask by themselves."""
    lines = (runner.root / "asked").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if "models list" not in line and "--plan" not in line]


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def page() -> str:
    preferences = bpy.context.preferences.addons[PACKAGE].preferences

    class Page:
        @staticmethod
        def draw(self, context):
            preferences.__class__.draw(_With(preferences, self.layout), context)

    return " ".join(drawn(Page, bpy.context))


class _With:
    """The preferences with another layout."""

    def __init__(self, preferences, layout):
        self._preferences, self.layout = preferences, layout

    def __getattr__(self, name):
        return getattr(self._preferences, name)


def test_nothing_is_downloaded_where_blender_may_not_go_online(runner):
    assert not bpy.app.online_access
    with pytest.raises(RuntimeError, match="not allowed to use the internet. Enable Allow Online Access"):
        bpy.ops.motionclone.install_backend()
    assert runner.problem().repair == "allow_online"
    assert not (runner.root / "asked").exists()
    assert "use_online_access" in page()


def test_offline_packages_need_no_internet(runner, tmp_path):
    preferences = bpy.context.preferences.addons[PACKAGE].preferences
    preferences.wheels_folder, preferences.backend_folder = str(tmp_path), str(tmp_path / "venv")
    try:
        assert bpy.ops.motionclone.install_backend(repair=True) == {"FINISHED"}
    finally:
        preferences.wheels_folder = preferences.backend_folder = ""
    assert asked(runner) == [f"backend --where {tmp_path / 'venv'} --wheels {tmp_path} --repair --json"]


def test_from_a_button_it_goes_on_beside_blender(runner, online):
    (runner.root / "slow").touch()
    runner.start(["backend"])
    until(lambda: runner.tick() and runner.reported().factor)
    assert runner.running() == "Installing the backend"
    said = page()
    assert (
        "Downloading, 1 of 4 MB" in said
        and "torch, 402 MB" in said
        and "25%" in said
        and "motionclone.cancel_install" in said
    )
    with pytest.raises(RuntimeError):  # a second one is not offered
        bpy.ops.motionclone.install_backend()
    (runner.root / "slow").unlink()
    until(lambda: runner.tick() is None or not runner.running())
    assert runner.problem() is None and runner.reported().done


def test_cancelled_it_is_no_problem(runner, online):
    (runner.root / "slow").touch()
    runner.start(["backend"])
    until(lambda: runner.tick() and runner.reported().factor)
    assert bpy.ops.motionclone.cancel_install() == {"FINISHED"}
    until(lambda: runner.tick() is None)
    assert runner.problem() is None and runner.reported().cancelled


def test_after_an_installation_was_stopped_its_plan_is_asked_anew(runner, online, part):
    """What it has fetched is not to be downloaded again."""
    facts = part("facts")
    facts.unregister()
    facts.register()

    def plans_asked() -> int:
        facts._steps(bpy.context, "unfinished")
        until(lambda: runner._now.installer is None or runner.tick() is None)
        return (runner.root / "asked").read_text(encoding="utf-8").count("--plan")

    assert plans_asked() == plans_asked() == 1
    (runner.root / "slow").touch()
    runner.start(["backend"])
    until(lambda: runner.tick() and runner.reported().factor)
    bpy.ops.motionclone.cancel_install()
    until(lambda: runner.tick() is None)
    (runner.root / "slow").unlink()
    assert plans_asked() == plans_asked() == 2


def test_a_failure_is_shown_with_its_hint(runner, online):
    (runner.root / "full").touch()
    with pytest.raises(RuntimeError, match="No space. Free some."):
        bpy.ops.motionclone.install_backend()
    said = page()
    assert "No space." in said and "Free some." in said and "motionclone.doctor" in said


def test_disabling_the_add_on_ends_an_installation(runner, online):
    (runner.root / "slow").touch()
    runner.start(["backend"])
    until(lambda: runner.tick() and runner.reported().factor)
    process = runner._now.installer._process
    runner.unregister()
    assert process.poll() is not None and not bpy.app.timers.is_registered(runner.tick)


def test_the_doctor_s_findings_come_with_their_fix(runner, online):
    bpy.ops.motionclone.doctor()
    said = page()
    assert "torch is broken. Repair it." in said and said.count("motionclone.fix") == 2
    assert bpy.ops.motionclone.fix(finding=1) == {"FINISHED"}
    assert asked(runner)[-1] == "backend --repair --json"
    with pytest.raises(RuntimeError, match="nothing to fix"):
        bpy.ops.motionclone.fix(finding=0)


def test_a_fix_takes_the_chosen_packages_and_downloads_nothing_unasked(runner, tmp_path):
    bpy.ops.motionclone.doctor()
    for finding in (1, 2):
        with pytest.raises(RuntimeError, match="not allowed to use the internet"):
            bpy.ops.motionclone.fix(finding=finding)
    preferences = bpy.context.preferences.addons[PACKAGE].preferences
    preferences.wheels_folder = str(tmp_path)
    try:
        assert bpy.ops.motionclone.fix(finding=1) == {"FINISHED"}
        with pytest.raises(RuntimeError, match="not allowed to use the internet"):
            bpy.ops.motionclone.fix(finding=2)
    finally:
        preferences.wheels_folder = ""
    assert asked(runner) == ["doctor --json", f"backend --repair --wheels {tmp_path} --json"]


def test_the_doctor_looks_at_the_chosen_python(runner, tmp_path):
    preferences = bpy.context.preferences.addons[PACKAGE].preferences
    preferences.backend_python = str(tmp_path / "a python")
    try:
        bpy.ops.motionclone.doctor()
    finally:
        preferences.backend_python = ""
    assert asked(runner) == [f"doctor --python {tmp_path / 'a python'} --json"]


def test_a_report_is_copied_unless_the_doctor_fails(runner, part, monkeypatch):
    doctor, copied = part("operators.doctor"), []
    monkeypatch.setattr(doctor, "_copy", lambda: copied.append(doctor._report()))
    assert bpy.ops.motionclone.copy_report() == {"FINISHED"}
    assert copied[0].startswith("All about it\n\nLongest ticks")
    (runner.root / "ill").touch()
    with pytest.raises(RuntimeError, match="The installer stopped: exit code 3"):
        bpy.ops.motionclone.copy_report()
    assert len(copied) == 1


def test_removing_says_what_it_takes(runner):
    assert bpy.ops.motionclone.remove_backend() == {"FINISHED"}
    assert bpy.ops.motionclone.remove_backend(models=True) == {"FINISHED"}
    assert asked(runner) == ["remove --json", "remove --models --json"]


def dialog(part, details: bool) -> list[str]:
    """What is shown before a model is downloaded."""
    get = part("operators.models").MOTIONCLONE_OT_model_get
    rna = SimpleNamespace(properties=("details",))
    stand_in = SimpleNamespace(model="realistic", extras={"depth"}, details=details, bl_rna=rna, layout=CheckedLayout())
    stand_in._draw_extras = lambda *parts: get._draw_extras(stand_in, *parts)
    get.draw(stand_in, bpy.context)
    return stand_in.layout.said


def test_models_are_listed_got_and_removed(runner, online, part):
    (runner.root / "models.json").write_text(json.dumps([MODEL]), encoding="utf-8")
    assert runner.ask("models list")
    until(lambda: runner.tick() is None)
    assert "Realistic Vision" not in page(), "folded away"
    part("preferences").show_models(bpy.context)
    said = page()
    assert "4.0 GB to download; requires a graphics card with 8 GB or more" in said and "motionclone.model_get" in said
    assert "License: MIT. Commercial use: yes." in said and "Open RAIL" not in said
    said = dialog(part, details=False)
    assert "For pictures of people." in said and "Commercial use: yes." in said and "the base, 4,000 MB" not in said
    assert {"the base, 4,000 MB", "wm.url_open"} < set(dialog(part, details=True))
    assert bpy.ops.motionclone.model_get(model="realistic", extras={"depth"}) == {"FINISHED"}
    until(lambda: runner.tick() is None)
    assert asked(runner) == ["models add realistic --with depth --json"]
    (runner.root / "models.json").write_text(json.dumps([MODEL | {"state": "installed"}]), encoding="utf-8")
    assert bpy.ops.motionclone.model_remove(model="realistic") == {"FINISHED"}
    until(lambda: runner.tick() is None)
    assert "motionclone.model_remove" in page()
    with pytest.raises(RuntimeError, match="no model 'other'"):
        bpy.ops.motionclone.model_get(model="other")


def test_the_real_doctor_examines_the_real_backend(part):
    """Whatever this machine has: his words arrive."""
    runner = part("setup.install_runner")
    bpy.ops.motionclone.doctor()
    assert any(finding["text"].startswith("System:") for finding in runner.findings())
    runner.unregister()
    runner.register()
