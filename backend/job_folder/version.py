"""The extension's version. Standard library only."""

from __future__ import annotations

import tomllib
from pathlib import Path


def version() -> str:
    """Reads the version from the manifest, the only file that contains it."""
    manifest = Path(__file__).parents[2] / "blender_manifest.toml"
    return tomllib.loads(manifest.read_text(encoding="utf-8"))["version"]
