"""The models' files on this machine and the record of their content."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..clearing import clear
from ..files import delete, is_link, write_whole
from ..paths import data_folder
from ..state import LOCK_FILE
from .catalogue import Component, HubFile

RECORD, PARTS = "files.json", "parts"
FORMAT = 1
ELSEWHERE = "Or set the environment variable MOTIONCLONE_DATA to another folder and restart Blender or the terminal."


@dataclass(frozen=True)
class VerifiedFile:
    """A file that was verified. sha256, size, mtime_ns: at that time; commit: its revision at the hub; origin: the
    user's own file that it links to, empty for a download; named: whether the entry names `origin` directly because no
    link could be made."""

    sha256: str
    size: int
    mtime_ns: int
    commit: str
    origin: str = ""
    named: bool = False


@dataclass
class Record:
    """files: by local path; models: the installed ones, with their extras and the hash of the written entry; adding:
    name and extras of a model that is being downloaded, or was when the run was stopped."""

    files: dict[str, VerifiedFile] = field(default_factory=dict)
    models: dict[str, dict] = field(default_factory=dict)
    adding: dict | None = None


class Store:
    """The folder `files` next to the user's model entries."""

    def __init__(self, models: Path | None = None):
        self.models = models or data_folder() / "models"
        self.folder = self.models / "files"
        self.record = self._read()

    def entry(self, model: str) -> Path:
        """The path of a model's entry."""
        return self.models / f"{model}.toml"

    def path(self, file: HubFile) -> Path:
        """The path to read the file from, whether or not it exists."""
        kept = self.record.files.get(file.local_path)
        return Path(kept.origin) if kept and kept.named else self.local_path(file)

    def local_path(self, file: HubFile) -> Path:
        """The file's path in the store."""
        return self.folder / file.local_path

    def part(self, name: str) -> Path:
        """The path of the unfinished download of a file with this hash."""
        return self.folder / PARTS / f"{name}.part"

    def part_bytes(self, name: str) -> int:
        """The size of the unfinished download; 0 if there is none or the hash is unknown."""
        part = self.part(name)
        return part.stat().st_size if name and part.exists() else 0

    def state(self, file: HubFile) -> str:
        """ "present" if the file is as it was verified, "absent", or "changed" (also if never verified)."""
        path, kept = self.path(file), self.record.files.get(file.local_path)
        try:
            now = path.stat()
        except OSError:
            return "absent"
        if not kept or (kept.size, kept.mtime_ns) != (now.st_size, now.st_mtime_ns):
            return "changed"
        return "present" if kept.sha256 == (file.sha256 or kept.sha256) else "changed"

    def complete(self, components: Iterable[Component]) -> bool:
        """Whether all files of the components are present."""
        return all(self.state(file) == "present" for component in components for file in component.files)

    def keep(self, file: HubFile, sha256: str, commit: str, origin: Path | None = None, named: bool = False) -> None:
        """Records a file that was just verified."""
        path = origin if origin and named else self.local_path(file)
        now = path.stat()
        self.record.files[file.local_path] = VerifiedFile(
            sha256, now.st_size, now.st_mtime_ns, commit, str(origin or ""), named
        )
        self.write()

    def forget(self, file: HubFile) -> None:
        """Removes the file, or only the link."""
        delete(self.local_path(file))
        self.record.files.pop(file.local_path, None)
        self.write()

    def write(self) -> None:
        """Writes the record atomically. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"format": FORMAT, **asdict(self.record)}, indent=1, ensure_ascii=False)
        write_whole(self.folder / RECORD, text)

    def parts(self) -> list[Path]:
        """The unfinished downloads."""
        return sorted((self.folder / PARTS).glob("*.part"))

    def tidy(self) -> None:
        """Removes empty folders, without following links, and the lock file of unfinished downloads."""
        if not self.parts():
            clear(self.folder / PARTS / LOCK_FILE)
        below = [Path(root) for root, _, _ in os.walk(self.folder)][1:]
        for path in sorted((path for path in below if not is_link(path)), reverse=True):
            with suppress(OSError):  # it is not empty
                path.rmdir()

    def drop_parts(self) -> None:
        """Removes unfinished downloads."""
        for part in self.parts():
            clear(part)

    def drop_all(self) -> None:
        """Removes every recorded file except those behind a link to another folder, and unfinished downloads."""
        inside = self.folder.resolve()
        for name in self.record.files:
            path = self.folder / name
            if path.parent.resolve().is_relative_to(inside):
                delete(path)
        self.drop_parts()
        self.record = Record()
        self.write()

    def end(self) -> None:
        """Removes the rest of the store when nothing is recorded anymore. Other files stay."""
        if self.record.files or self.record.models:
            return
        for name in (RECORD, LOCK_FILE):
            clear(self.folder / name)
        self.tidy()
        for folder in (self.folder, self.models):
            with suppress(OSError):  # the user's own entries or files are in it, or it is a link
                folder.rmdir()

    def _read(self) -> Record:
        """The record; an empty one if there is none or it is damaged, so that every file is verified again."""
        try:
            content = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                return Record()
            content["files"] = {path: VerifiedFile(**kept) for path, kept in content["files"].items()}
            return Record(**content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Record()
