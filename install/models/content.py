"""Identifies a file's content by its hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BLOCK = 8 << 20  # bytes read at once: large enough to be fast, small enough for progress and interruption


@dataclass(frozen=True)
class Content:
    """The expected content of a file. size: in bytes; sha256: of its bytes; git: git's object name, which the hub
    reports for small files. One of the hashes may be empty."""

    size: int
    sha256: str = ""
    git: str = ""


def named_by(etag: str, size: int) -> Content | None:
    """The content that the hub's etag stands for: a SHA-256 for large files, git's object name for small ones. None for
    others."""
    if re.fullmatch(r"[0-9a-f]{64}", etag):
        return Content(size, sha256=etag)
    return Content(size, git=etag) if re.fullmatch(r"[0-9a-f]{40}", etag) else None


def sha256_of(path: Path, on_bytes: Callable[[int], None] = lambda count: None) -> str:
    """The file's SHA-256 as hexadecimal digits. `on_bytes` gets the number of bytes of each block read. Raises
    OSError."""
    return _digest(path, hashlib.sha256(), on_bytes)


def matches(path: Path, expected: Content, on_bytes: Callable[[int], None] = lambda count: None) -> bool:
    """Whether the file has exactly this content. False if it cannot be read."""
    try:
        if path.stat().st_size != expected.size:
            return False
        if expected.sha256:
            return sha256_of(path, on_bytes) == expected.sha256
        start = hashlib.sha1(b"blob %d\0" % expected.size, usedforsecurity=False)
        return bool(expected.git) and _digest(path, start, on_bytes) == expected.git
    except OSError:
        return False


def _digest(path: Path, digest: hashlib._Hash, on_bytes: Callable[[int], None]) -> str:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            on_bytes(len(block))
    return digest.hexdigest()
