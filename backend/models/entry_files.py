"""Reads the file of a model entry and checks the files that it names, which may come from anywhere."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..job_folder.problem import Problem
from ..job_folder.reading import UnfitFile, check_regular, read_text

MAX_BYTES, MAX_DOTS = 100_000, 200  # of an entry, and of one of its lines
MAX_FILES = 10_000  # in the folder of a model; a large one has some hundred
MAX_TEXT_BYTES = 100_000_000  # of a config or vocabulary
TEXTS = (".json", ".txt", ".model")
HINT = "Set {key} to the model's own files."


def read_table(path: Path) -> dict[str, Any]:
    """Returns the content of a TOML file. Raises OSError, or ValueError with the reason."""
    try:
        text = read_text(path, MAX_BYTES)
        if any(line.count(".") > MAX_DOTS for line in text.splitlines()):  # a.a.a... takes minutes to parse
            raise ValueError(f"a line of more than {MAX_DOTS} dots")
        return tomllib.loads(text)
    except UnfitFile as error:
        raise ValueError(error.strerror) from None
    except RecursionError:
        raise ValueError("nested too deep") from None


def files_in(folder: Path, key: str) -> Iterator[Path]:
    """Yields all files below the folder; links to folders are not followed. Raises Problem if there are too many."""
    count = 0
    for where, _, names in os.walk(folder):
        for name in names:
            count += 1
            if count > MAX_FILES:
                raise Problem(
                    "{key}: {folder} contains more than {limit} files, so it is not the folder of a model.",
                    HINT.format(key=key),
                ).about(key=key, folder=folder, limit=f"{MAX_FILES:,}")
            yield Path(where, name)


def check_files(paths: dict[str, Path]) -> None:
    """Raises Problem for a path that is no regular file, such as a named pipe: opening one would block."""
    for key, path in paths.items():
        for file in files_in(path, key) if path.is_dir() else [path]:
            try:
                check_regular(file, MAX_TEXT_BYTES if file.suffix.lower() in TEXTS else None)
            except FileNotFoundError:
                continue  # a dead link: the code that needs the file reports it
            except UnfitFile as error:
                raise Problem("{key}: {reason}.", HINT.format(key=key)).about(key=key, reason=error) from None
            except OSError as error:
                raise Problem("{key}: {file} cannot be read ({reason}).", HINT.format(key=key)).about(
                    key=key, file=file, reason=error.strerror
                ) from None
