"""Finds files that the user already has for other programs, by size and content, and links them instead of copying."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .catalogue import HubFile
from .content import sha256_of

SMALLEST = 1_000_000  # bytes; smaller files are not searched
PROGRAMS = (  # model folders, below the folders where these programs are usually installed
    "ComfyUI/models",
    "ComfyUI/custom_nodes",
    "comfyui/models",
    "ComfyUI_windows_portable/ComfyUI/models",
    "ComfyUI_windows_portable/ComfyUI/custom_nodes",
    "stable-diffusion-webui/models",
    "stable-diffusion-webui/extensions",
    "stable-diffusion-webui-forge/models",
    "StabilityMatrix/Data/Models",
    "StabilityMatrix/Models",
)


def model_folders(more: Sequence[Path] = (), environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Folders to search: `more`, the hub's cache, and those of ComfyUI and A1111 in the usual places."""
    home = Path.home()
    bases = [home, *(home / name for name in ("Documents", "Desktop", "Downloads", "Applications", "AI"))]
    bases += [Path(environ["APPDATA"])] if environ.get("APPDATA") else []
    bases += [Path(f"{letter}:/") for letter in "CDEFGH"] if sys.platform == "win32" else [Path("/opt"), Path("/srv")]
    programs = [base / program for base in bases for program in PROGRAMS]
    shared = [folder for base in bases for folder in _shared(base / "ComfyUI" / "extra_model_paths.yaml")]
    there = [path for path in (*more, hub_cache(environ), *programs, *shared) if path.is_dir()]
    return list(dict.fromkeys(path.resolve() for path in there))


def hub_cache(environ: Mapping[str, str] = os.environ) -> Path:
    """The download cache of huggingface_hub, by its own rules."""
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(environ.get("HF_HOME") or cache / "huggingface").expanduser()
    chosen = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(chosen).expanduser() if chosen else home / "hub"


def find(
    wanted: Sequence[HubFile], folders: Sequence[Path], not_in: Path, on_bytes: Callable[[int], None]
) -> dict[str, Path]:
    """The user's files by the local path of the file that they match. Only files with a known SHA-256 can be
    recognized, and a file is read only if its size fits. `not_in` is a folder to skip."""
    found: dict[str, Path] = {}
    left = [file for file in wanted if file.sha256 and file.size >= SMALLEST]
    hashes: dict[Path, str] = {}
    for path, size in _files(folders, not_in.resolve()):
        for file in [file for file in left if file.may_have(size)]:
            if path not in hashes:
                hashes[path] = _hash(path, on_bytes)
            if hashes[path] == file.sha256:
                found[file.local_path] = path
                left.remove(file)
        if not left:
            break
    return found


def link(original: Path, target: Path) -> bool:
    """Links `target` to the same file. Returns False where the system allows no link, for example between drives on
    Windows.

    A hard link is preferred, because it survives when the other program's file is deleted.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    for make in (os.link, os.symlink):
        with suppress(OSError):
            make(original, target)
            return True
    return False


def _files(folders: Sequence[Path], not_in: Path) -> Iterator[tuple[Path, int]]:
    """Yields every file once with its size, whichever links lead to it."""
    seen: set[str] = set()
    for folder in folders:
        for root, below, names in os.walk(folder, followlinks=True):
            real = os.path.realpath(root)
            if real in seen or Path(real).is_relative_to(not_in):
                below.clear()
                continue
            seen.add(real)
            for name in names:
                path = os.path.realpath(os.path.join(root, name))
                if path not in seen:
                    seen.add(path)
                    with suppress(OSError):  # a broken link, or an unreadable folder
                        yield Path(path), os.stat(path).st_size


def _hash(path: Path, on_bytes: Callable[[int], None]) -> str:
    try:
        return sha256_of(path, on_bytes)
    except OSError:
        return ""


def _shared(settings: Path) -> list[Path]:
    """The additional model folders in ComfyUI's configuration."""
    try:
        lines = settings.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [Path(path.strip(" \t'\"")).expanduser() for path in re.findall(r"^\s+base_path:(.+)$", lines, re.MULTILINE)]
