"""Builds the extension's zip with Blender's own tool: one file for every Blender from the manifest's minimum on."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ..failures import InstallError
from ..files import replace
from ..packages import site_packages
from ..paths import ROOT
from .blender import find_host
from .window import RELEASES, window_folder

DIST = ROOT / "dist"
MANIFEST = "blender_manifest.toml"
SCRIPT = "scripts/addons_core/bl_pkg/cli/blender_ext.py"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date in a zip


def manifest(root: Path = ROOT) -> dict:
    """The content of the extension's manifest."""
    return tomllib.loads((root / MANIFEST).read_text(encoding="utf-8"))


def zip_name(root: Path = ROOT) -> str:
    """The file name of the extension's zip."""
    facts = manifest(root)
    return f"{facts['id']}-{facts['version']}.zip"


def build_extension(folder: Path = DIST, blender: str | None = None, root: Path = ROOT) -> Path:
    """Builds the zip of the tree at `root` in `folder` and validates it with Blender's tool. Builds are reproducible.

    blender: the Blender to build with; None selects one on this machine, or Blender's Python module. Raises
    InstallError.
    """
    tool = extension_tool(blender)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=folder) as scratch:
        built, finished = Path(scratch) / "built.zip", Path(scratch) / zip_name(root)
        run_tool([*tool, "build", "--source-dir", str(root), "--output-filepath", str(built)])
        make_reproducible(built, finished)
        run_tool([*tool, "validate", str(finished)])
        replace(finished, folder / finished.name)
    return folder / zip_name(root)


def extension_tool(blender: str | None = None) -> list[str]:
    """The command that runs Blender's extension tool. Preferred is its script from any Blender or module, which needs
    no Blender to run; then a Blender on this machine; then the Python module, which is downloaded."""
    if not blender:
        for script in _scripts_at_hand():
            return [sys.executable, str(script)]
    host = find_host(blender)
    return [str(host.program), "--command", "extension"] if host.is_blender else extension_tool()


def _scripts_at_hand() -> Iterator[Path]:
    for folder in _blender_folders():
        yield from sorted(folder.glob(SCRIPT), reverse=True)


def _blender_folders() -> Iterator[Path]:
    """Folders that contain Blender's `scripts`: of the modules in this checkout, of the current Python (which may be
    Blender's own or have the module), and of the Debian folders with a window."""
    for environment in sorted(ROOT.glob(".venv-bpy-*"), reverse=True):
        yield from site_packages(environment).glob("bpy/*")
    yield Path(sys.base_prefix).parent
    with suppress(ImportError, ValueError):
        found = importlib.util.find_spec("bpy")
        for path in found.submodule_search_locations or () if found else ():
            yield from Path(path).glob("*")
    for release in RELEASES:
        yield window_folder(release) / "usr" / "share" / "blender"
        yield from (window_folder(release) / "usr" / "share" / "blender").glob("*")


def make_reproducible(built: Path, finished: Path) -> None:
    """Copies the zip with sorted names and without times, owners and compression, which differs between versions of
    zlib.

    The model's weights are most of it and hardly compress.
    """
    with zipfile.ZipFile(built) as source, zipfile.ZipFile(finished, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(name for name in source.namelist() if not name.endswith("/")):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # Unix, so that Windows writes the same
            target.writestr(entry, source.read(name))


def run_tool(command: Sequence[str]) -> None:
    """Runs the tool. Raises InstallError with its last line of output when it fails."""
    answer = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    if answer.returncode:
        lines = (answer.stdout + answer.stderr).strip().splitlines()
        raise InstallError(
            f"Blender's extension tool refused: {lines[-1] if lines else f'exit code {answer.returncode}'}",
            f"Look at {MANIFEST} and the files that it names.",
        )


def release_notes(version: str, changelog: str) -> str:
    """The changelog's section for this version. Raises InstallError when there is none."""
    parts = changelog.split("\n## ")
    for part in parts[1:]:
        heading, _, text = part.partition("\n")
        if heading.split()[0] == version and text.strip():
            return text.strip() + "\n"
    raise InstallError(f"CHANGELOG.md has nothing on version {version}.", f"Add a heading '## {version}' and the text.")


def write_notes(folder: Path) -> Path:
    """Writes the notes of the current version next to its zip and returns their path."""
    version = manifest()["version"]
    notes = release_notes(version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    path = folder / f"{Path(zip_name()).stem}.md"
    path.write_text(f"# MotionClone {version}\n\n{notes}", encoding="utf-8")
    return path
