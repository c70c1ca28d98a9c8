"""The models' files on this machine, and the record of what they are."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..clearing import clear
from ..files import delete, is_link, write_whole
from ..places import data_folder
from ..state import LOCK_FILE
from .catalogue import Component, HubFile

RECORD, PARTS = "files.json", "parts"
FORMAT = 1
ELSEWHERE = "Or let the variable MOTIONCLONE_DATA name another folder, before Blender or the terminal starts."


@dataclass(frozen=True)
class Kept:
    """One file that was verified. sha256, size, mtime_ns: as it was then; commit: the hub's, of which it is; origin:
    the user's own file that it is a link to, "" when it was downloaded; named: whether the entry names `origin` itself,
    because no link could be made."""

    sha256: str
    size: int
    mtime_ns: int
    commit: str
    origin: str = ""
    named: bool = False


@dataclass
class Record:
    """files: by their place; models: the installed ones, with the names of their extras and the hash of the entry that
    was written; adding: the name and extras of a model that is being fetched, or was when the run was stopped."""

    files: dict[str, Kept] = field(default_factory=dict)
    models: dict[str, dict] = field(default_factory=dict)
    adding: dict | None = None


class Store:
    """folder: `files` beside the user's model entries."""

    def __init__(self, models: Path | None = None):
        self.models = models or data_folder() / "models"
        self.folder = self.models / "files"
        self.record = self._read()

    def entry(self, model: str) -> Path:
        return self.models / f"{model}.toml"

    def path(self, file: HubFile) -> Path:
        """Where the file is to be read; where it will be, when it is not there."""
        kept = self.record.files.get(file.place)
        return Path(kept.origin) if kept and kept.named else self.place(file)

    def place(self, file: HubFile) -> Path:
        return self.folder / file.place

    def part(self, name: str) -> Path:
        """An unfinished download of what `name` (a hash) will be."""
        return self.folder / PARTS / f"{name}.part"

    def part_bytes(self, name: str) -> int:
        """How much of it is there; 0 too where only the hub knows its hash."""
        part = self.part(name)
        return part.stat().st_size if name and part.exists() else 0

    def state(self, file: HubFile) -> str:
        """As it was verified: "present"; else "absent", or "changed" (or never verified)."""
        path, kept = self.path(file), self.record.files.get(file.place)
        try:
            now = path.stat()
        except OSError:
            return "absent"
        if not kept or (kept.size, kept.mtime_ns) != (now.st_size, now.st_mtime_ns):
            return "changed"
        return "present" if kept.sha256 == (file.sha256 or kept.sha256) else "changed"

    def complete(self, components: Iterable[Component]) -> bool:
        return all(self.state(file) == "present" for component in components for file in component.files)

    def keep(self, file: HubFile, sha256: str, commit: str, origin: Path | None = None, named: bool = False) -> None:
        """Records a file that was just verified."""
        path = origin if origin and named else self.place(file)
        now = path.stat()
        self.record.files[file.place] = Kept(sha256, now.st_size, now.st_mtime_ns, commit, str(origin or ""), named)
        self.write()

    def forget(self, file: HubFile) -> None:
        """Takes the file away; of a link only the link."""
        delete(self.place(file))
        self.record.files.pop(file.place, None)
        self.write()

    def write(self) -> None:
        """At once, or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"format": FORMAT, **asdict(self.record)}, indent=1, ensure_ascii=False)
        write_whole(self.folder / RECORD, text)

    def parts(self) -> list[Path]:
        """Unfinished downloads."""
        return sorted((self.folder / PARTS).glob("*.part"))

    def tidy(self) -> None:
        """Removes folders that hold nothing, links not followed; that of unfinished downloads has had a lock."""
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
        """Removes every recorded file, but none that lies behind a link to another folder; and unfinished downloads."""
        inside = self.folder.resolve()
        for path in (self.folder / place for place in self.record.files):
            if path.parent.resolve().is_relative_to(inside):
                delete(path)
        self.drop_parts()
        self.record = Record()
        self.write()

    def end(self) -> None:
        """Takes away what is left of the store when nothing is recorded any more; files that are not ours stay."""
        if self.record.files or self.record.models:
            return
        for name in (RECORD, LOCK_FILE):
            clear(self.folder / name)
        self.tidy()
        for folder in (self.folder, self.models):
            with suppress(OSError):  # the user's own entries or files are in it, or it is a link
                folder.rmdir()

    def _read(self) -> Record:
        """An empty one where there is none or it is damaged: then every file is looked at again."""
        try:
            content = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                return Record()
            content["files"] = {place: Kept(**kept) for place, kept in content["files"].items()}
            return Record(**content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Record()
