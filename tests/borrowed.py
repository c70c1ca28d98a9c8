"""Environments that are made in a moment: they hold next to nothing and borrow the packages of the one that runs."""

from __future__ import annotations

import sysconfig
import venv
from pathlib import Path

from install.packages import site_packages
from install.paths import interpreter

HASTE = 20
HASTY = f"import time\nsleep = time.sleep\ntime.sleep = lambda seconds: sleep(seconds / {HASTE})\n"


def make_borrowing(folder: Path) -> Path:
    """-> its Python."""
    venv.create(folder, symlinks=True)
    (site_packages(folder) / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return interpreter(folder)


def make_hasty(folder: Path) -> Path:
    """-> a Python like the one that runs, but what sleeps in it, as between two tries, sleeps a twentieth as long."""
    python = make_borrowing(folder)
    (site_packages(folder) / "hasty.py").write_text(HASTY, encoding="utf-8")
    (site_packages(folder) / "hasty.pth").write_text("import hasty\n", encoding="utf-8")
    return python
