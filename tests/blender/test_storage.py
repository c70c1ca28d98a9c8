"""The Storage row of the preferences: measured and cleaned up by the backend beside Blender, never while drawing."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import bpy
import pytest

from tests.blender.test_backend_buttons import page

PATIENCE = 120
BACKEND = """
import json, sys, time
from pathlib import Path
root = Path(__file__).parents[1]
with open(root / "asked", "a") as file:
    print(*sys.argv[1:], file=file)
while (root / "slow").exists():
    time.sleep(0.05)
if (root / "broken").exists():
    sys.exit("no such luck")
left = 0 if "--clean" in sys.argv else 3_000_000_000
names = ("jobs", "models", "inversion", "motion", "received", "of a newer version")
print(json.dumps([{"name": n, "bytes": left + 1_500_000, "removable": left * (n == "inversion")} for n in names]))
"""


@pytest.fixture
def storage(part, tmp_path, monkeypatch):
    """The add-on's module, with the stand-in for `backend` in a folder of its own."""
    root = tmp_path / "Erweiterung 猫"
    (root / "backend").mkdir(parents=True)
    (root / "backend" / "__init__.py").touch()
    (root / "backend" / "__main__.py").write_text(BACKEND, encoding="utf-8")
    operators = part("operators.storage")
    monkeypatch.setattr(operators, "ROOT", root)
    monkeypatch.setattr(operators, "backend_python", lambda context: Path(sys.executable))
    storage = part("setup.storage")
    storage.root = root
    yield storage
    storage.forget()


def asked(storage) -> list[str]:
    return (storage.root / "asked").read_text(encoding="utf-8").splitlines()


def test_a_script_measures_and_cleans_up(storage, part):
    assert storage.rooms() is None
    assert bpy.ops.motionclone.storage_measure() == {"FINISHED"}
    assert [(room.name, room.bytes) for room in storage.rooms()][0] == ("jobs", 3_001_500_000)
    assert {room.name for room in storage.rooms()} == set(storage.TITLES)
    assert bpy.ops.motionclone.storage_clean() == {"FINISHED"}
    assert all(room.bytes == 1_500_000 and not room.removable for room in storage.rooms())
    jobs = part("preferences").jobs_folder(bpy.context)
    assert asked(storage) == [f"storage --json --jobs {jobs}", f"storage --json --jobs {jobs} --clean"]


def test_drawing_never_asks(storage):
    text = page()
    assert "Storage" in text and "motionclone.storage_measure" in text and "storage_clean" not in text
    assert not (storage.root / "asked").exists()
    bpy.ops.motionclone.storage_measure()
    text = page()
    assert "Cache of inverted clips" in text and "3.00 GB" in text and "Clean Up: 3.00 GB" in text
    assert len(asked(storage)) == 1


def test_in_a_window_blender_goes_on_meanwhile(storage, part):
    operators = part("operators.storage")
    (storage.root / "slow").touch()
    began = time.monotonic()
    storage.ask(Path(sys.executable), storage.root, storage.root, clean=False)
    assert time.monotonic() - began < 2 and storage.asking() and operators._tick() is not None
    assert "Measuring..." in page()
    os.remove(storage.root / "slow")
    while operators._tick() is not None:
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.05)
    assert storage.rooms() and not storage.asking()


def test_a_backend_that_fails_is_said(storage):
    (storage.root / "broken").touch()
    with pytest.raises(RuntimeError, match="The disk usage could not be measured: no such luck"):
        bpy.ops.motionclone.storage_measure()
    assert not storage.asking() and storage.rooms() is None


def test_nothing_runs_on_when_the_add_on_goes(storage):
    (storage.root / "slow").touch()
    storage.ask(Path(sys.executable), storage.root, storage.root, clean=False)
    process = storage._now.question._process
    storage.forget()
    assert process.poll() is not None and not storage.asking()
