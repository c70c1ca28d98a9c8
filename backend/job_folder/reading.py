"""Reads untrusted files: only regular files of limited size, and strict JSON. Standard library only.

A pipe, a device or a huge file in place of a small one would block the reader or fill the memory.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
MAX_DEPTH = 50  # nested brackets, because the parser's stack is limited
MAX_DIGITS = 100  # of a number
# A string, terminated or not, so that each byte is read once; or a bracket, captured if it is an opening one.
_MARKS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|([\[{])|[\]}]', re.DOTALL)
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


class UnfitFile(OSError):
    """Not a regular file, or too large. Its text is a sentence for the user that names the file."""

    def __str__(self) -> str:
        return f"{self.filename} is {self.strerror}"


class UnfitJSON(ValueError):
    """JSON that this program does not accept: nested too deeply, a duplicate key, or an invalid number."""


def check_regular(path: Path, most: int | None = None) -> os.stat_result:
    """Returns the file's status. Raises UnfitFile unless it is a regular file of at most `most` bytes, and OSError."""
    found = os.stat(path)
    _check(found, path, most)
    return found


def open_regular(path: Path, most: int | None = None) -> BufferedReader:
    """Opens a regular file for reading without ever blocking. Raises UnfitFile and OSError."""
    check_regular(path, most)  # before opening, because opening a device can have side effects
    descriptor = os.open(path, _READ)
    try:
        _check(os.fstat(descriptor), path, most)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: Path, most: int) -> bytes:
    """Reads a regular file of at most `most` bytes. Raises UnfitFile and OSError."""
    with open_regular(path, most) as file:
        content = file.read(most + 1)  # the file may grow meanwhile
    if len(content) > most:
        raise _too_large(path, most)
    return content


def read_text(path: Path, most: int) -> str:
    """Reads a regular file as UTF-8 text. Raises UnfitFile, OSError and UnicodeDecodeError."""
    return read_bytes(path, most).decode("utf-8")


def read_json(path: Path, most: int) -> Any:
    """Reads a regular file with `parse_json`. Raises UnfitFile, OSError and ValueError."""
    return parse_json(read_bytes(path, most))


def parse_json(content: bytes) -> Any:
    """Parses strict JSON: UTF-8, no duplicate keys, no NaN or infinity, limited nesting and digits, valid Unicode.

    Raises UnfitJSON for violations of these rules, and ValueError for anything that is not JSON.
    """
    if _is_too_deep(content):
        raise UnfitJSON(f"nested more than {MAX_DEPTH} deep")
    try:
        parsed = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except RecursionError:
        raise UnfitJSON("nested too deep") from None
    if re.search(rb"\\u[dD][89a-fA-F]", content):  # half a surrogate pair can be neither displayed nor written
        try:
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise UnfitJSON("text that is not valid Unicode") from None
    return parsed


def _check(found: os.stat_result, path: Path, most: int | None) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for is_kind, name in KINDS if is_kind(found.st_mode)), "no file")
        raise UnfitFile(errno.EINVAL, f"{kind}, not a file", str(path))
    if most is not None and found.st_size > most:
        raise _too_large(path, most)


def _too_large(path: Path, most: int) -> UnfitFile:
    limit = f"{most:,} bytes" if most < 1_000_000 else f"{most / 1e6:,.0f} MB"
    return UnfitFile(errno.EFBIG, f"larger than the {limit} that it may have", str(path))


def _is_too_deep(content: bytes) -> bool:
    if content.count(b"[") + content.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for mark in _MARKS.finditer(content):
        if mark[0][:1] != b'"':
            depth += 1 if mark[1] else -1
            if depth > MAX_DEPTH:
                return True
    return False


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise UnfitJSON("a duplicate key")
    return content


def _no_constant(name: str) -> float:
    raise UnfitJSON(f"{name} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise UnfitJSON(f"{text[:20]} is too large a number")
    return value


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise UnfitJSON(f"a number of {len(text)} digits")
    return int(text)
