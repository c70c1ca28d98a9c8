"""Adds a model: uses existing files, links files of other programs, and downloads the rest.

If it is interrupted, the next run continues. A file counts only after its content was verified, and the model's entry
is written last.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..failures import InstallError
from ..files import replace
from ..reports import MB, Report
from ..sentences import Sentence
from ..state import locked
from . import hub
from .catalogue import Catalogue, CatalogueModel, Component, HubFile
from .content import Content, matches, sha256_of
from .entry import check_entry, write_entry
from .found import SMALLEST, find, link, model_folders
from .store import ELSEWHERE, PARTS, Store

SPARE_MB = 20  # additional disk space


@dataclass
class Adding:
    """How to add models. python: returns the backend's interpreter when a download is needed; agree: asks the user to
    accept the download; look: folders to search for the files besides the usual ones."""

    catalogue: Catalogue
    store: Store
    report: Report
    python: Callable[[], Path]
    agree: Callable[[], bool] = lambda: True
    look: Sequence[Path] = ()
    _bytes: _Bytes = field(init=False)

    def __post_init__(self) -> None:
        self._bytes = _Bytes(self.report)

    def add(self, name: str, extras: Sequence[str] = ()) -> Path:
        """Adds the model with extras (besides those it has already) and returns its entry. Raises InstallError."""
        model = self.catalogue.model(name)
        self.catalogue.chosen(model, tuple(extras))  # raises errors before anything is changed
        for folder in self.look:
            if not folder.is_dir():
                raise InstallError(
                    "There is no folder {wheels}.", "Name with --look a folder that holds models."
                ).about(wheels=folder)
        with locked(self.store.folder, ELSEWHERE):
            self.store = Store(self.store.models)  # read again now that it is locked
            check_entry(self.store, model)
            before = self.store.record.models.get(name, {}).get("extras", [])
            components = self.catalogue.chosen(model, (*before, *extras))
            files = list({file.local_path: file for component in components for file in component.files}.values())
            missing = [file for file in files if self.store.state(file) != "present"]
            if missing:
                self._show(model, components)
                self._begin(model, components)
                self._get(missing)
            return self._finish(model, components)

    def _show(self, model: CatalogueModel, components: Sequence[Component]) -> None:
        """Reports the model's components and their licenses."""
        self.report.note(f"{model.title}:")
        for component in components:
            self.report.note(f"  {component.title}, {component.size / MB:,.0f} MB, from {component.repo}")
            self.report.note(f"    license: {component.license} ({component.license_url})")

    def _begin(self, model: CatalogueModel, components: Sequence[Component]) -> None:
        extras = [component.name for component in components if component.name in model.extras]
        self.store.record.adding = {"name": model.name, "extras": extras}
        self.store.write()

    def _get(self, missing: Sequence[HubFile]) -> None:
        missing = self._keep_what_is_there([(file, _known(file)) for file in missing])
        missing = self._link_what_is_found(missing)
        if not missing:
            return
        python = self.python()
        self.report.stage("ask", "Querying the hub for missing files")
        offers = {offer.file.local_path: offer for offer in hub.ask(python, missing)}
        missing = self._keep_what_is_there([(file, offers[file.local_path].content) for file in missing])
        if missing:
            wanted = [offers[file.local_path] for file in missing]
            self._check_space(wanted)
            if not self.agree():
                self.store.record.adding = None
                self.store.write()
                raise InstallError("Nothing was downloaded.", "The same command asks again; --yes downloads at once.")
            self._download(python, wanted)

    def _keep_what_is_there(self, expected: Sequence[tuple[HubFile, Content | None]]) -> list[HubFile]:
        """Returns the files that are still missing. An unverified existing file is kept if it is correct, otherwise
        removed."""
        left = []
        for file, content in expected:
            path = self.store.local_path(file)
            if content is None or not path.exists():
                left.append(file)
                continue
            self._bytes.start("verify", file.name, content.size)
            if matches(path, content, self._bytes.more):
                self.store.keep(file, content.sha256 or sha256_of(path), file.revision)
            else:
                self.report.note(f"{path} has the wrong content and is downloaded again.")
                self.store.forget(file)
                left.append(file)
        return left

    def _link_what_is_found(self, missing: Sequence[HubFile]) -> list[HubFile]:
        if not any(file.sha256 and file.size >= SMALLEST for file in missing):
            return list(missing)
        self._bytes.start("search", "Searching for files of other programs", 0)
        found = find(missing, model_folders(self.look), self.store.models, self._bytes.more)
        return [
            file for file in missing if file.local_path not in found or not self._link(file, found[file.local_path])
        ]

    def _link(self, file: HubFile, original: Path) -> bool:
        """Links a file. If no link can be made, the entry names a single file directly; a file in a folder must be
        downloaded."""
        linked = link(original, self.store.local_path(file))
        if not linked and not file.alone:
            return False
        self.store.keep(file, file.sha256, file.revision, original, named=not linked)
        self.report.note(f"{file.name} was found: {original}")
        return True

    def _check_space(self, wanted: Sequence[hub.Offer]) -> None:
        have = sum(_size(self._part(offer)) for offer in wanted)
        total = sum(offer.content.size for offer in wanted)
        text = Sentence(
            "{count} files into {folder}: {total} MB to download",
            count=len(wanted),
            folder=self.store.folder,
            total=f"{(total - have) / MB:,.0f}",
        )
        self.report.plan(text, str(self.store.folder), (total - have) / MB, total / MB)
        free = shutil.disk_usage(self.store.folder).free / MB
        needed = (total - have) / MB + SPARE_MB
        if free < needed:
            raise InstallError(
                "{folder} has {free} MB free; {needed} MB are needed.", f"Free some space. {ELSEWHERE}"
            ).about(folder=self.store.folder, free=f"{free:,.0f}", needed=f"{needed:,.0f}")

    def _download(self, python: Path, wanted: Sequence[hub.Offer]) -> None:
        (self.store.folder / PARTS).mkdir(parents=True, exist_ok=True)
        self._bytes.start("download", "Downloading", sum(offer.content.size for offer in wanted))
        for offer in wanted:
            self._fetch(python, offer)

    def _fetch(self, python: Path, offer: hub.Offer) -> None:
        """Downloads and verifies one file. If a continued download is wrong, it is downloaded again from the start.
        Raises InstallError."""
        part, content, began = self._part(offer), offer.content, self._bytes.done
        part.parent.mkdir(parents=True, exist_ok=True)
        for attempt_is_last in (part.stat().st_size == 0 if part.exists() else True, True):
            self._bytes.text = f"Downloading {offer.file.name}"
            hub.fetch(python, offer, part, lambda done: self._bytes.set(began + done))
            if matches(part, content):
                break
            size = _size(part)
            part.unlink(missing_ok=True)
            if attempt_is_last:
                raise InstallError(
                    "{file} was downloaded with wrong content ({size} bytes) and removed.",
                    "Try again. If the problem persists, a proxy or mirror sends a wrong file.",
                ).about(file=offer.file.name, size=f"{size:,}")
            self.report.note(f"{offer.file.name} was damaged and is downloaded again from the start.")
        sha256 = content.sha256 or sha256_of(part)
        path = self.store.local_path(offer.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(part, path)
        self.store.keep(offer.file, sha256, offer.commit)
        self._bytes.set(began + content.size)

    def _part(self, offer: hub.Offer) -> Path:
        return self.store.part(offer.content.sha256 or offer.content.git)

    def _finish(self, model: CatalogueModel, components: Sequence[Component]) -> Path:
        store = self.store
        written = write_entry(store, model, components)
        if written is None:
            self.report.note(f"{store.entry(model.name)} was changed by you and is kept.")
            written = store.record.models[model.name]["entry"]
        extras = [component.name for component in components if component.name in model.extras]
        store.record.models[model.name] = {"extras": extras, "entry": written}
        store.record.adding = None
        store.write()
        store.tidy()
        return store.entry(model.name)


class _Bytes:
    """Progress that is counted in bytes."""

    def __init__(self, report: Report):
        self.report, self.stage, self.text, self.done, self.total = report, "", "", 0, 0

    def start(self, stage: str, text: str, total: int) -> None:
        self.stage, self.text, self.done, self.total = stage, text, 0, total
        self.report.stage(stage, text)

    def more(self, count: int) -> None:
        self.set(self.done + count)

    def set(self, done: int) -> None:
        self.done = done
        self.report.progress(self.stage, done, max(done, self.total) if self.total else 0, self.text)


def _known(file: HubFile) -> Content | None:
    """The expected content, if the catalogue knows it."""
    return Content(file.size, sha256=file.sha256) if file.sha256 and file.exact else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
