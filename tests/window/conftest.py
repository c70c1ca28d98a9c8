"""Opens Blender's window with the extension's zip at hand. `python3 -m install test` names the Debian folder."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from install.extension import build_extension
from install.places import ROOT
from install.window import VARIABLE, backend_places
from tests.window.blender_window import BlenderWindow

FOLDER = os.environ.get("MOTIONCLONE_WINDOW", "")
PACKAGE = "bl_ext.user_default.motionclone"


def pytest_collection_modifyitems(items):
    if not FOLDER:
        raise pytest.UsageError(f"MOTIONCLONE_WINDOW names no Debian folder; see {VARIABLE} in install/window.py")


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory) -> Path:
    return build_extension(tmp_path_factory.mktemp("zip"))


@pytest.fixture
def window(tmp_path, extension_zip):
    """A Blender with its factory settings, the zip in its session's folder, and the backend's Python to be found."""
    folder = tmp_path / "Fenster 猫"
    folder.mkdir()
    shutil.copy(extension_zip, folder)
    surroundings = {
        "MOTIONCLONE_BACKEND_PYTHON": sys.executable,
        "MOTIONCLONE_DATA": str(folder / "data"),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }
    opened = BlenderWindow(Path(FOLDER), folder, backend_places(Path(sys.executable)), surroundings)
    yield opened
    opened.kill()


@pytest.fixture
def installed(window, extension_zip) -> BlenderWindow:
    """The zip installed as from the disk, but without the file browser; `before` is what Blender had registered."""
    window.ask((ROOT / "tests/blender/registered.py").read_text(encoding="utf-8"))
    window.ask("before = everything()")
    path = str(window.folder / extension_zip.name)
    window.ask(
        f"bpy.ops.extensions.package_install_files(filepath={path!r}, repo='user_default', enable_on_install=True)"
    )
    return window
