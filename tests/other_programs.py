"""Model files as other programs store them, for tests that find them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tests.hub_server import COMMIT, Hub


def no_download() -> Path:
    raise AssertionError("nothing is to be downloaded")


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def in_hub_cache(home: Path, repo: str, path: str, content: bytes) -> Path:
    """Stores a file like huggingface_hub: a blob named by its hash, and a link to it."""
    folder = home / ".cache" / "huggingface" / "hub" / f"models--{repo.replace('/', '--')}"
    blob = put(folder / "blobs" / hashlib.sha256(content).hexdigest(), content)
    link = folder / "snapshots" / COMMIT / path
    link.parent.mkdir(parents=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    return blob


def theirs(home: Path, hub: Hub) -> tuple[Path, Path]:
    """A ComfyUI checkpoint with another name, and a motion module in the hub's cache."""
    base = put(
        home / "ComfyUI" / "models" / "checkpoints" / "my été.safetensors", hub.files["own/base"]["base.safetensors"]
    )
    shared = hub.files["own/shared"]["deep/shared.ckpt"]
    return base, in_hub_cache(home, "own/shared", "deep/shared.ckpt", shared)
