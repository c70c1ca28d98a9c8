"""Runs pip: its talk goes to a log, and what it does becomes progress."""

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
MOST_LINES = 20_000  # of pip's talk, in which the reason of a failure is looked for: the last ones
KEEPING_PIP = "install.in_backend.keeping_pip"
_OPTIONS = ("--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--only-binary", ":all:")
# With a folder of wheels nothing else is asked; pip passes over what is empty.
_ALONE = {"PIP_CONFIG_FILE": os.devnull} | dict.fromkeys(
    ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"), ""
)


@dataclass(frozen=True)
class Share:
    """Of all that is to be downloaded: what is expected before this run of pip, and in all its runs together."""

    before_mb: int = 0
    total_mb: int = 0


@dataclass
class Pip:
    """pip within one environment. work: keeps the log, and the downloads, so that a run that was killed goes on with
    them; wheels: a folder to install from instead of any index; layer: keeps its downloads apart from those of others,
    so that it can be told how much of each is still missing."""

    environment: Path
    python: Path
    work: Path
    report: Report
    wheels: Path | None = None
    layer: str = ""

    @property
    def downloads(self) -> Path:
        return downloads(self.work, self.layer)

    def from_kept(self, arguments: Sequence[str]) -> list[list[str]]:
        """The arguments with which an earlier run's wheels are installed without asking the index, which is an attempt:
        some may be missing. Only where hashes are asked for; where not, only the index knows what a file should be."""
        if self.wheels or "--require-hashes" not in arguments or not any(self.downloads.glob("*.whl")):
            return []
        return [[*arguments, "--no-index", "--find-links", str(self.downloads)]]

    def install(self, arguments: Sequence[str], share: Share = Share()) -> None:
        """`pip install arguments`; InstallError when it fails. share: for its progress. Python compiles what is
        used of the packages by itself; compiling all of them would take as long as the rest."""
        options = [*_OPTIONS, "--no-compile"]
        if self.wheels:
            options += ["--no-index", "--find-links", str(self.wheels)]
        self._run(["install", *options, *arguments], self.downloads, share)

    def fetch(self, arguments: Sequence[str], folder: Path, share: Share = Share()) -> None:
        """`pip download arguments` into a folder to install from later; what an earlier run brought is used."""
        self._run(["download", *_OPTIONS, "--dest", str(folder), *arguments], folder, share)
        for path in _kept_parts(folder):
            path.unlink(missing_ok=True)

    def _run(self, command: list[str], keep: Path, share: Share) -> None:
        """keep: the folder for wheels as they come. What an earlier run left there may have been damaged since, by a
        power cut; then it is fetched anew, once."""
        from_before = not self.wheels and any(keep.glob("*.whl*"))
        for again in (from_before, False):
            talk = self._try(command, keep, share)
            if not talk:
                return
            wrong = is_wrong_bytes(talk)
            if wrong:
                self._forget(keep)
            if not (wrong and again):
                raise pip_failure(talk, self.work / LOG, self.wheels)
            self.report.note("A download of an earlier run is damaged and is fetched anew.")

    def _try(self, command: list[str], keep: Path, share: Share) -> str:
        """What pip said when it failed; "" when it did not."""
        scratch = self.work / SCRATCH
        clear(scratch)
        scratch.mkdir(parents=True)
        surroundings = {"PIP_NO_CACHE_DIR": "1"} | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
        if self.wheels:
            surroundings |= _ALONE
        watch = _Watch(scratch, site_packages(self.environment), share, self.report)
        append(self.work / LOG, "\n$ pip " + " ".join(command) + "\n")

        def on_line(line: str) -> None:
            append(self.work / LOG, line)
            watch.hear(line)

        module = [KEEPING_PIP, str(keep), str(self.work / DOWNLOADS), *command]
        code = run_module(self.python, module, on_line, watch.look, surroundings)
        return "".join(watch.talk) or f"exit code {code}" if code else ""

    def _forget(self, keep: Path) -> None:
        """Takes away what may be damaged: all downloads of ours, but in a folder to install from only what is begun:
        there pip itself looks at each file, and fetches a wrong one anew."""
        for path in keep.glob("*.whl*") if keep == self.downloads else _kept_parts(keep):
            path.unlink()


@dataclass
class _Watch:
    """Tells progress from pip's words and from the files that it makes, alike for every version of pip."""

    scratch: Path
    site: Path
    share: Share
    report: Report
    talk: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_LINES))
    packages: list[str] = field(default_factory=list)

    def hear(self, line: str) -> None:
        self.talk.append(line)
        if line.startswith("Installing collected packages: "):
            self.packages = [name.strip() for name in line.partition(": ")[2].split(",")]
            self.report.stage("unpack", f"Unpacking {len(self.packages)} packages")
        fetching = re.match(r"\s*Downloading (\S+) \(([\d.]+ [MG]B)\)", line)
        if fetching:
            self.report.note(f"  downloading {unquote(fetching[1].rpartition('/')[2])}, {fetching[2]}")
        if line.startswith("Going on with "):
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
    """Beginnings of wheels as keeping_pip names them: a folder to install from may be one that others download to."""
    return [path for path in folder.glob("*.part") if _PART.fullmatch(path.name)]


def kept_mb(folder: Path) -> float:
    """Of wheels, whole and begun."""
    return sum(path.stat().st_size for path in folder.glob("*.whl*")) / MB


def _bytes_in(scratch: Path) -> int:
    """Of what pip has fetched in this run: it keeps each file in a folder of its own until all are installed."""
    total = 0
    for file in scratch.glob("pip-unpack-*/*"):
        try:
            total += file.stat().st_size
        except OSError:
            continue  # just moved away by pip
    return total
