"""Runs pip. Its output is logged, and its activity is reported as progress."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from .children import run_module
from .clearing import clear
from .logs import append
from .packages import site_packages
from .pip_failures import is_wrong_bytes, pip_failure
from .reports import MB, Report
from .work import DOWNLOADS, LOG, SCRATCH

_PART = re.compile(r"[\w.+!-]+\.whl\.(unmarked|[0-9a-f]{16})\.part")
MAX_LINES = 20_000  # the last lines of pip's output, in which the reason of a failure is searched
RESUMING_DOWNLOADS = "install.in_backend.resuming_downloads"
_OPTIONS = ("--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--only-binary", ":all:")
# With a wheel folder no other source is used; pip ignores empty values.
_ALONE = {"PIP_CONFIG_FILE": os.devnull} | dict.fromkeys(
    ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"), ""
)


@dataclass(frozen=True)
class Share:
    """The part of the total download that one run of pip covers. before_mb: expected before this run; total_mb: of all
    runs."""

    before_mb: int = 0
    total_mb: int = 0


@dataclass
class Pip:
    """pip in one environment.

    work: the folder for the log and for downloads, so that a killed run can be continued; wheels: a folder to install
    from instead of an index; layer: separates the downloads of each layer, so that what is missing can be calculated.
    """

    environment: Path
    python: Path
    work: Path
    report: Report
    wheels: Path | None = None
    layer: str = ""

    @property
    def downloads(self) -> Path:
        """The folder for this layer's downloads."""
        return downloads(self.work, self.layer)

    def from_kept(self, arguments: Sequence[str]) -> list[list[str]]:
        """Arguments that install the wheels of an earlier run without asking the index. This may fail if some are
        missing.

        Only possible with hashes; otherwise only the index knows the correct files.
        """
        if self.wheels or "--require-hashes" not in arguments or not any(self.downloads.glob("*.whl")):
            return []
        return [[*arguments, "--no-index", "--find-links", str(self.downloads)]]

    def install(self, arguments: Sequence[str], share: Share = Share()) -> None:
        """Runs `pip install arguments`. Raises InstallError.

        Python compiles the used modules when needed; compiling all of them would double the time.
        """
        options = [*_OPTIONS, "--no-compile"]
        if self.wheels:
            options += ["--no-index", "--find-links", str(self.wheels)]
        self._run(["install", *options, *arguments], self.downloads, share)

    def fetch(self, arguments: Sequence[str], folder: Path, share: Share = Share()) -> None:
        """Runs `pip download arguments` into a folder to install from later. Downloads of an earlier run are used.
        Raises InstallError."""
        self._run(["download", *_OPTIONS, "--dest", str(folder), *arguments], folder, share)
        for path in _kept_parts(folder):
            path.unlink(missing_ok=True)

    def _run(self, command: list[str], keep: Path, share: Share) -> None:
        """Runs pip with `keep` as the folder for downloads. If a download of an earlier run turns out to be damaged,
        for example by a power failure, it is downloaded again once."""
        from_before = not self.wheels and any(keep.glob("*.whl*"))
        for again in (from_before, False):
            output = self._try(command, keep, share)
            if not output:
                return
            wrong = is_wrong_bytes(output)
            if wrong:
                self._forget(keep)
            if not (wrong and again):
                raise pip_failure(output, self.work / LOG, self.wheels)
            self.report.note("A download of an earlier run is damaged and is downloaded again.")

    def _try(self, command: list[str], keep: Path, share: Share) -> str:
        """Runs pip once. Returns its output if it failed, otherwise an empty string."""
        scratch = self.work / SCRATCH
        clear(scratch)
        scratch.mkdir(parents=True)
        variables = {"PIP_NO_CACHE_DIR": "1"} | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
        if self.wheels:
            variables |= _ALONE
        watch = _Watch(scratch, site_packages(self.environment), share, self.report)
        append(self.work / LOG, "\n$ pip " + " ".join(command) + "\n")

        def on_line(line: str) -> None:
            append(self.work / LOG, line)
            watch.hear(line)

        module = [RESUMING_DOWNLOADS, str(keep), str(self.work / DOWNLOADS), *command]
        code = run_module(self.python, module, on_line, watch.look, variables)
        return "".join(watch.output) or f"exit code {code}" if code else ""

    def _forget(self, keep: Path) -> None:
        """Removes downloads that may be damaged. In a folder to install from, only incomplete ones: pip itself checks
        the others."""
        for path in keep.glob("*.whl*") if keep == self.downloads else _kept_parts(keep):
            path.unlink()


@dataclass
class _Watch:
    """Derives the progress from pip's output and from the files that it creates, for every version of pip."""

    scratch: Path
    site: Path
    share: Share
    report: Report
    output: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_LINES))
    packages: list[str] = field(default_factory=list)

    def hear(self, line: str) -> None:
        self.output.append(line)
        if line.startswith("Installing collected packages: "):
            self.packages = [name.strip() for name in line.partition(": ")[2].split(",")]
            self.report.stage("unpack", f"Unpacking {len(self.packages)} packages")
        fetching = re.match(r"\s*Downloading (\S+) \(([\d.]+ [MG]B)\)", line)
        if fetching:
            self.report.note(f"  downloading {unquote(fetching[1].rpartition('/')[2])}, {fetching[2]}")
        if line.startswith("Continuing "):
            self.report.note(f"  {line.strip()}")

    def look(self) -> None:
        if not self.packages:
            done = self.share.before_mb * MB + _bytes_in(self.scratch)
            total = max(done, self.share.total_mb * MB) if self.share.total_mb else 0
            self.report.progress("download", done, total, "Downloading")
            return
        there = {folder.name.partition("-")[0].lower().replace("_", "-") for folder in self.site.glob("*.dist-info")}
        done = sum(re.sub(r"[-_.]+", "-", name).lower() in there for name in self.packages)
        self.report.progress("unpack", done, len(self.packages), "Unpacking")


def downloads(work: Path, layer: str) -> Path:
    return work / DOWNLOADS / layer


def _kept_parts(folder: Path) -> list[Path]:
    """Beginnings of wheels, named by resuming_downloads. Others may download into the same folder."""
    return [path for path in folder.glob("*.part") if _PART.fullmatch(path.name)]


def kept_mb(folder: Path) -> float:
    """The size of the wheels in a folder, complete and incomplete."""
    return sum(path.stat().st_size for path in folder.glob("*.whl*")) / MB


def _bytes_in(scratch: Path) -> int:
    """The bytes that pip has downloaded in this run. It keeps each file in its own folder until all are installed."""
    total = 0
    for file in scratch.glob("pip-unpack-*/*"):
        try:
            total += file.stat().st_size
        except OSError:
            continue  # just moved by pip
    return total
