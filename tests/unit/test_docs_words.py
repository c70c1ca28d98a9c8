"""Words in *italics* in the guide match the buttons, menus and fields."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from install.backend import LOCK_DISK_MB, LOCK_DOWNLOAD_MB
from install.models.catalogue import read_catalogue
from install.torch_build import APPLE, CPU, CPU_WINDOWS, CUDA_12, CUDA_13, CUDA_13_WINDOWS, ROCM
from tests.documents import PAGES, ROOT, prose, rows
from tests.extension import part
from tests.sentences import Source

SHIPPED, FIRST_RUN = part("settings_text").SHIPPED, part("setup.first_run")
KNOWN = part("settings_text").KNOWN
GUIDE = [page for page in PAGES if page.name not in ("README.md", "method.md", "developing.md")]
BLENDERS = {  # Blender's own words
    *("Edit", "Preferences", "Get Extensions", "Install from Disk", "Uninstall", "Add-ons", "System"),
    *(
        "Allow Online Access",
        "Add",
        "Camera",
        "Renders",
        "Use for Rendering",
        "View Layer",
        "Visibility",
        "UV",
        "Unwrap",
        "End",
        "Step",
        "Marker",
        "Bind Camera to Markers",
        "Scene",
    ),
    *("Output", "Post Processing", "Sequencer"),
}


@cache
def ours() -> set[str]:
    """All texts of the add-on, those with variable parts up to the first one."""
    texts = {t for path in (ROOT / "blender_motionclone").rglob("*.py") for t in Source(path).sentences()}
    texts |= {preset.title for preset in SHIPPED}
    texts |= {text for one in KNOWN.values() for text in (one.label, one.group)}
    return {re.split(r"[:{]", text)[0].strip().lower() for text in texts}


@pytest.mark.parametrize("page", GUIDE, ids=lambda page: page.name)
def test_words_in_italics_are_on_the_screen(page: Path):
    text = re.sub(r"\*\*[^*]+\*\*|`[^`]+`", "", prose(page))
    spans = [" ".join(span.split()) for span in re.findall(r"\*([^*]+)\*", text)]
    known = ours()
    words = {word for span in spans for word in span.split(" > ")}
    assert not {word for word in words if word not in BLENDERS and word.lower() not in known}


def test_the_presets_are_those_that_are_shipped():
    said = {row[0].strip("*"): row[1] for row in rows(ROOT / "docs" / "styling.md", "Presets")}
    assert said == {preset.title: preset.description for preset in SHIPPED}


def test_the_extras_are_those_of_the_catalogue():
    said = {row[0].strip("`") for row in rows(ROOT / "docs" / "install.md", "Models")}
    assert said == {extra for model in read_catalogue().models.values() for extra in model.extras}


def test_the_sizes_are_those_that_the_installer_announces():
    builds = [CUDA_13, CUDA_13_WINDOWS, CUDA_12, ROCM, APPLE, CPU, CPU_WINDOWS]
    said = [row[1:] for row in rows(ROOT / "docs" / "install.md", "First steps") if row[1].endswith(" MB")]
    assert said == [
        [
            f"{(down := build.download_mb + LOCK_DOWNLOAD_MB):,} MB",
            f"{(disk := build.disk_mb + LOCK_DISK_MB):,} MB",
            f"{round((down / FIRST_RUN.FAST_LINE + disk / FIRST_RUN.UNPACKING) * 1e6 / 60)} min",
        ]
        for build in builds
    ]
