"""Whether the packages in an environment are whole, by the list of files and hashes that each came with.

pip takes a package for installed when its METADATA is there. A run that was killed may leave that and miss files.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .clearing import clear
from .files import is_link


@dataclass(frozen=True)
class Package:
    """folder: its .dist-info."""

    name: str
    version: str
    folder: Path


def site_packages(environment: Path, windows: bool = os.name == "nt") -> Path:
    if windows:
        return environment / "Lib" / "site-packages"
    return next(iter(sorted((environment / "lib").glob("python3*/site-packages"))), environment / "lib")


def installed(environment: Path) -> list[Package]:
    """In order of their names, which are as pip compares them: lower case, with hyphens."""
    return sorted(_packages(environment), key=lambda package: package.name)


def broken(environment: Path, deep: bool) -> list[Package]:
    """Packages of which files are missing or cut short or, looked at `deep`, of another content."""
    return [package for package in installed(environment) if not _whole(package, deep)]


def discard(environment: Path, package: Package) -> None:
    """Takes it out, so that pip installs it anew. The list goes last: after a kill within this it is still broken."""
    inside = environment.resolve()
    for path, _, _ in listed(package):
        if path.is_relative_to(inside) and not path.is_relative_to(package.folder.resolve()):
            _unlink(path, inside)
    clear(package.folder)


def _unlink(path: Path, inside: Path) -> None:
    """Takes the file away; a link on the way to it instead, where it leads out of the environment."""
    if path.parent.resolve().is_relative_to(inside):
        path.unlink(missing_ok=True)
        return
    clear(next(folder for folder in reversed(path.parents) if is_link(folder) and folder.is_relative_to(inside)))


def sweep(environment: Path) -> None:
    """Removes what a killed pip put aside while it replaced a package; it names such things with a `~` in front."""
    for path in site_packages(environment).glob("~*"):
        clear(path)


def _packages(environment: Path) -> Iterator[Package]:
    for folder in site_packages(environment).glob("*.dist-info"):
        name, _, version = folder.name.removesuffix(".dist-info").partition("-")
        if not name.startswith("~"):
            yield Package(name.lower().replace("_", "-").replace(".", "-"), version, folder)


def _whole(package: Package, deep: bool) -> bool:
    """Without a RECORD, which pip writes last, it is not."""
    try:
        files = list(listed(package))
        return bool(files) and all(_matches(path, digest, size, deep) for path, digest, size in files)
    except (OSError, ValueError, csv.Error):
        return False


def listed(package: Package) -> Iterator[tuple[Path, str, str]]:
    """(path, "sha256=...", size) of its files; hash and size are empty for what was made on this machine."""
    record = package.folder / "RECORD"
    if not record.exists():
        return
    site = package.folder.resolve().parent
    with record.open(encoding="utf-8", newline="") as file:
        for place, digest, size in csv.reader(file):
            if not place.endswith(".pyc"):  # Python makes them again where they are missing
                yield Path(os.path.normpath(site / place)), digest, size


def _matches(path: Path, digest: str, size: str, deep: bool) -> bool:
    if not path.is_file() or (size and path.stat().st_size != int(size)):
        return False
    if not deep or not digest.startswith("sha256="):
        return True
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").digest()
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode() == digest.removeprefix("sha256=")
