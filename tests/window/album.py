"""Pictures of the add-on's panels: a Blender whose sidebar is as narrow as artists keep it, and small files."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from install.developing.window import backend_folders
from tests.window.blender_window import BlenderWindow

SIDEBAR = 260  # pixels with its tabs
PREFERENCES = 900, 960
COLORS = 64
MIN_HEIGHT = 310  # that the tab can be read
EDGE = 6  # pixels left free beneath what is shown
SECONDS_TO_SETTLE = 1.0  # until what changed is gathered and drawn
SECONDS_FOR_A_TAKE = 1800  # on a busy machine
NEUTRAL = 3, 500  # where the mouse lights nothing up
DATA = "/tmp/home/.local/share/motionclone"  # as Blender sees it: the user's own folder for application data


class Album:
    """A Blender with the extension. Each picture goes to `folder` under its name, without what is empty beneath."""

    def __init__(self, window: BlenderWindow, folder: Path):
        self.window, self._folder = window, folder
        self.ask = window.ask
        folder.mkdir(parents=True, exist_ok=True)

    def wait(self, expression: str) -> None:
        """Until it is true there; takes are made meanwhile."""
        deadline = time.monotonic() + SECONDS_FOR_A_TAKE
        while not self.ask(f"bool({expression})"):
            assert time.monotonic() < deadline, f"did not come true: {expression}\n{self.window.said()}"
            time.sleep(0.2)

    def sidebar(self, name: str, kind: str = "VIEW_3D") -> None:
        self._take(name, kind, "UI")

    def preferences(self, name: str) -> None:
        self._take(name, "PREFERENCES", "WINDOW")

    def window_picture(self, name: str) -> None:
        """The whole window, half as large."""
        time.sleep(SECONDS_TO_SETTLE)
        path = self.window.screenshot(self._folder / f"{name}.png")
        with Image.open(path) as picture:
            small = picture.convert("RGB").resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
            small.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)

    def open_sidebar(self, kind: str = "VIEW_3D") -> None:
        """The area fills the window; its sidebar hides nothing behind it, so that the pictures are calm."""
        self.ask(
            "bpy.context.preferences.system.use_region_overlap = False\n"
            f"with over({kind!r}): bpy.ops.screen.screen_full_area()"
        )
        time.sleep(SECONDS_TO_SETTLE)
        self.window.open_sidebar(kind, width=SIDEBAR)
        for place in (600, 500), (500, 500), NEUTRAL:  # a single jump from where it was dragged may leave a tooltip
            self.window.move(*place)
            time.sleep(0.3)

    def open_preferences(self) -> None:
        self.ask("bpy.ops.motionclone.open_preferences()")
        self.wait("any(w.screen.areas[0].type == 'PREFERENCES' for w in bpy.context.window_manager.windows)")
        self.window.resize("Preferences", *PREFERENCES)
        self.wait(f"window('PREFERENCES').height == {PREFERENCES[1]}")

    def close_preferences(self) -> None:
        self.ask("with over('PREFERENCES'): bpy.ops.wm.window_close()")

    def _take(self, name: str, kind: str, part: str) -> None:
        self.window.move(*NEUTRAL)
        for _ in range(2):  # panels that have grown push the others away a little later
            self.ask(f"region({kind!r}, {part!r}).tag_redraw()")
            time.sleep(SECONDS_TO_SETTLE)
        path = self.window.screenshot(self._folder / f"{name}.png", self.window.place(kind, part))
        with Image.open(path) as picture:
            _without_empty_end(picture.convert("RGB")).quantize(COLORS, dither=Image.Dither.NONE).save(
                path, optimize=True
            )
        print(f"{path} {path.stat().st_size / 1000:.0f} KB", flush=True)


def _without_empty_end(picture: Image.Image) -> Image.Image:
    """Down to the last line of the panels; the tabs at the right and scroll bars do not count."""
    pixels = np.asarray(picture)[:, 4 : int(picture.width * 0.85)].astype(int)
    filled = np.flatnonzero(np.ptp(pixels, axis=1).max(axis=1) > 8)
    end = max(MIN_HEIGHT, int(filled[-1]) + EDGE if len(filled) else 0)
    return picture.crop((0, 0, picture.width, min(picture.height, end)))


@contextmanager
def blender(root: Path, extension: Path, python: Path, pictures: Path, installed: bool) -> Iterator[Album]:
    """root: the Debian folder; extension: the zip; python: the backend's; installed: whether Blender finds it."""
    with tempfile.TemporaryDirectory(prefix="motionclone-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        shutil.copy(extension, folder)
        places = backend_folders(python)
        path = ":".join([*(str(place / "bin") for place in places[1:]), "/usr/local/bin:/usr/bin:/bin"])
        surroundings = {"OMP_NUM_THREADS": "1", "PATH": path, **_pip(folder)}  # Debian's Python makes no environments
        window = BlenderWindow(root, folder, places, surroundings)
        try:
            if installed:  # as the installer would have left it
                environment = python.parents[1]
                window.ask(f"import os; os.makedirs({DATA!r}); os.symlink({str(environment)!r}, {DATA + '/venv'!r})")
            window.ask(
                f"bpy.ops.extensions.package_install_files(filepath={str(folder / extension.name)!r}, "
                "repo='user_default', enable_on_install=True)"
            )
            window.ask("scene = bpy.context.scene; form = scene.motionclone")
            yield Album(window, pictures)
            window.close()
        finally:
            window.kill()


def _pip(folder: Path) -> dict[str, str]:
    """This machine's settings of pip, with the certificate where Blender can read it."""
    chosen = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    if (certificate := Path(chosen.get("PIP_CERT", ""))).is_file():
        chosen["PIP_CERT"] = shutil.copy(certificate, folder)
    return chosen
