"""Checks whether the packages in an environment are complete, with the file lists and hashes in their RECORD files.

pip considers a package installed when its METADATA exists. A killed run may leave that file while others are missing.
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
    """An installed package. `folder` is its .dist-info."""

    name: str
    version: str
    folder: Path


def site_packages(environment: Path, windows: bool = os.name == "nt") -> Path:
    """The environment's site-packages folder."""
    if windows:
        return environment / "Lib" / "site-packages"
    return next(iter(sorted((environment / "lib").glob("python3*/site-packages"))), environment / "lib")


def installed(environment: Path) -> list[Package]:
    """The installed packages, sorted by normalized name (lower case, with hyphens)."""
    return sorted(_packages(environment), key=lambda package: package.name)


def broken(environment: Path, deep: bool) -> list[Package]:
    """Packages with missing or truncated files or, if `deep`, with changed content."""
    return [package for package in installed(environment) if not _whole(package, deep)]


def discard(environment: Path, package: Package) -> None:
    """Removes a package, so that pip installs it again. RECORD is removed last, so that an interrupted removal is
    noticed."""
    inside = environment.resolve()
    for path, _, _ in listed(package):
        if path.is_relative_to(inside) and not path.is_relative_to(package.folder.resolve()):
            _unlink(path, inside)
    clear(package.folder)


def _unlink(path: Path, inside: Path) -> None:
    """Removes the file, or the link on its path that leads out of the environment."""
    if path.parent.resolve().is_relative_to(inside):
        path.unlink(missing_ok=True)
        return
    clear(next(folder for folder in reversed(path.parents) if is_link(folder) and folder.is_relative_to(inside)))


def sweep(environment: Path) -> None:
    """Removes what a killed pip moved aside while it replaced a package. Such names start with `~`."""
    for path in site_packages(environment).glob("~*"):
        clear(path)


def _packages(environment: Path) -> Iterator[Package]:
    for folder in site_packages(environment).glob("*.dist-info"):
        name, _, version = folder.name.removesuffix(".dist-info").partition("-")
        if not name.startswith("~"):
            yield Package(name.lower().replace("_", "-").replace(".", "-"), version, folder)


def _whole(package: Package, deep: bool) -> bool:
    """Whether the package is complete. Without a RECORD, which pip writes last, it is not."""
    try:
        files = list(listed(package))
        return bool(files) and all(_matches(path, digest, size, deep) for path, digest, size in files)
    except (OSError, ValueError, csv.Error):
        return False


def listed(package: Package) -> Iterator[tuple[Path, str, str]]:
    """Yields (path, "sha256=...", size) of its files. Hash and size are empty for files created on this machine."""
    record = package.folder / "RECORD"
    if not record.exists():
        return
    site = package.folder.resolve().parent
    with record.open(encoding="utf-8", newline="") as file:
        for path, digest, size in csv.reader(file):
            if not path.endswith(".pyc"):  # Python recreates them
                yield Path(os.path.normpath(site / path)), digest, size


def _matches(path: Path, digest: str, size: str, deep: bool) -> bool:
    if not path.is_file() or (size and path.stat().st_size != int(size)):
        return False
    if not deep or not digest.startswith("sha256="):
        return True
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").digest()
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode() == digest.removeprefix("sha256=")
