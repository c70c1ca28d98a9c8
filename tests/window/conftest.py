"""Opens Blender's window with the extension's zip at hand. `python3 -m install test` names the Debian folder."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from install.developing.extension import build_extension
from install.developing.window import VARIABLE, backend_folders
from install.paths import ROOT
from tests.window.blender_window import BlenderWindow

FOLDER = os.environ.get("MOTIONCLONE_WINDOW", "")
PACKAGE = "bl_ext.user_default.motionclone"


def pytest_collection_modifyitems(items):
    if not FOLDER:
        where = f"see {VARIABLE} in install/developing/window.py"
        raise pytest.UsageError(f"MOTIONCLONE_WINDOW names no Debian folder; {where}")


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory) -> Path:
    return build_extension(tmp_path_factory.mktemp("zip"))


@pytest.fixture
def session(tmp_path, extension_zip) -> Path:
    """A folder for all that a Blender says and makes, the zip in it."""
    folder = tmp_path / "Fenster 猫"
    folder.mkdir()
    shutil.copy(extension_zip, folder)
    return folder


def surroundings(data: Path) -> dict[str, str]:
    """data: where the add-on keeps jobs. The backend's Python is to be found."""
    return {
        "MOTIONCLONE_BACKEND_PYTHON": sys.executable,
        "MOTIONCLONE_DATA": str(data),
        "MALLOC_CONF": "junk:true",  # what Blender frees is overwritten, so that it crashes at once where it is used
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }


@pytest.fixture
def open_window(session):
    """open_window(name): another Blender with factory settings, in a folder of that name; all share jobs and files."""
    opened = []

    def open_one(name: str) -> BlenderWindow:
        places = [session, *backend_folders(Path(sys.executable))]
        opened.append(BlenderWindow(Path(FOLDER), session / name, places, surroundings(session / "data")))
        return opened[-1]

    yield open_one
    for one in opened:
        one.kill()


@pytest.fixture
def window(session, open_window) -> BlenderWindow:
    return open_window("first")


@pytest.fixture
def installed(window, session) -> BlenderWindow:
    return install(window, session)


def install(window: BlenderWindow, session: Path) -> BlenderWindow:
    """The zip installed as from the disk, but without the file browser; `before` is what Blender had registered."""
    window.ask((ROOT / "tests/blender/registered.py").read_text(encoding="utf-8"))
    window.ask("before = everything()")
    (path,) = session.glob("*.zip")
    window.ask(
        f"bpy.ops.extensions.package_install_files(filepath={str(path)!r}, repo='user_default', enable_on_install=True)"
    )
    return window
