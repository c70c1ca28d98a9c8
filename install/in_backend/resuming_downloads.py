"""Runs pip and keeps downloaded wheels, so that a run that was killed can continue the download.

    python -m install.in_backend.resuming_downloads FOLDER LOCKED install ...    instead of `python -m pip install ...`

pip itself keeps only complete downloads, and torch with CUDA has several gigabytes. In FOLDER, `NAME.whl.CHECK.part` is
the beginning of a wheel (or all of it). CHECK identifies the server's validator of the content, such as an ETag.
Without a validator, a part is kept only if hashes are known. `NAME.whl` is a complete wheel with a hash from the
requirements files. pip verifies the files in either case. LOCKED is a folder of ours that is locked by one run at a
time.

pip has no option for this, so this module replaces the method of its HTTP library, requests, that sends a request.
pip's settings still apply, and a pip without that library installs as usual.
"""

from __future__ import annotations

import hashlib
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ..files import replace
from ..reports import MB
from ..state import locked_soon

WHEEL = re.compile(r"[\w.+!-]+\.whl")


def main(arguments: list[str]) -> None:
    folder, locked, *arguments = arguments
    sys.argv = ["pip", *arguments]
    Path(folder).mkdir(parents=True, exist_ok=True)
    with locked_soon(Path(locked)):
        keep(Path(folder), hashes_in(arguments))
        runpy.run_module("pip", run_name="__main__", alter_sys=True)


def hashes_in(arguments: list[str]) -> frozenset[str]:
    """The hashes in the requirements files that the arguments name."""
    files = [Path(value) for option, value in zip(arguments, arguments[1:]) if option == "-r"]
    return frozenset(found for file in files for found in re.findall(r"sha256:(\w{64})", file.read_text("utf-8")))


def keep(folder: Path, hashes: frozenset[str]) -> None:
    """From now on, wheels that pip downloads are kept in the folder."""
    try:
        from pip._vendor.requests.adapters import HTTPAdapter
    except ImportError:
        return
    plain = HTTPAdapter.send

    def send(adapter: Any, request: Any, *rest: Any, **options: Any) -> Any:
        name = unquote(urlsplit(request.url).path.rpartition("/")[2])
        if request.method != "GET" or not WHEEL.fullmatch(name) or "Range" in request.headers:
            return plain(adapter, request, *rest, **options)
        return Wheel(folder, name, hashes, request, lambda: plain(adapter, request, *rest, **options)).answer()

    HTTPAdapter.send = send  # pyright: ignore[reportAttributeAccessIssue]


@dataclass
class Wheel:
    """A wheel that pip requests. hashes: one of them is required for keeping a complete wheel; request: pip's; ask:
    sends it."""

    folder: Path
    name: str
    hashes: frozenset[str]
    request: Any
    ask: Callable[[], Any]

    def answer(self) -> Any:
        """The response that pip receives."""
        whole = self.folder / self.name
        if whole.exists():
            return self._from_disk(whole)
        part = next(self.folder.glob(f"{self.name}.*.part"), None)
        # One byte less than there is, because servers reject a range that starts at the end.
        start = max(0, part.stat().st_size - 1) if part else 0
        answer = self.ask_from(start)
        if start and not (_range(answer)[0] == start and part == self.part(answer)):
            start = 0
            if answer.status_code != 200:
                answer.close()
                answer = self.ask_from(0)
        target = self.part(answer)
        if answer.status_code not in (200, 206) or not target or not _range(answer)[1]:
            return answer
        if part and not start:
            part.unlink()
        return self._kept(answer, target, start)

    def ask_from(self, start: int) -> Any:
        """The response for the bytes from `start` on."""
        self.request.headers.pop("Range", None)
        if start:
            self.request.headers["Range"] = f"bytes={start}-"
        return self.ask()

    def part(self, answer: Any) -> Path | None:
        """The file for the content of this response, or None when two versions of it could not be distinguished."""
        mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            return None
        if not mark or mark.startswith("W/"):
            return self.folder / f"{self.name}.unmarked.part" if self.hashes else None
        return self.folder / f"{self.name}.{hashlib.sha256(mark.encode()).hexdigest()[:16]}.part"

    def _kept(self, answer: Any, part: Path, start: int) -> Any:
        """The response for the complete file. Its body is kept while pip reads it."""
        total = _range(answer)[1]
        if start:
            print(f"Continuing {self.name}: {start / MB:.0f} of {total / MB:.0f} MB are there", flush=True)
        answer.raw = Body(self, answer.raw, part, start, total)
        answer.status_code, answer.reason = 200, "OK"
        answer.headers.pop("Content-Range", None)
        answer.headers["Content-Length"] = str(total)
        return answer

    def _from_disk(self, whole: Path) -> Any:
        from pip._vendor.requests.models import Response

        answer: Any = Response()
        answer.status_code, answer.reason, answer.url, answer.request = 200, "OK", self.request.url, self.request
        answer.headers["Content-Length"] = str(whole.stat().st_size)
        answer.raw, answer.from_cache = whole.open("rb"), True
        return answer

    def settle(self, part: Path, digest: str) -> None:
        """Handles a complete part. If hashes are known, it is either the wheel or of no use."""
        if digest in self.hashes:
            replace(part, self.folder / self.name)
        elif self.hashes:
            part.unlink()


class Body:
    """The response body that pip reads: the bytes on disk, then the server's, which are kept. A broken connection is
    resumed as long as each attempt makes progress."""

    def __init__(self, wheel: Wheel, raw: Any, part: Path, start: int, total: int):
        self.wheel, self.raw, self.part, self.start, self.total = wheel, raw, part, start, total

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def stream(self, amount: int, decode_content: bool = False) -> Iterator[bytes]:
        digest = hashlib.sha256()
        with self.part.open("r+b" if self.start else "w+b", buffering=0) as file:
            file.truncate(self.start)
            while chunk := file.read(amount):
                digest.update(chunk)
                yield chunk
            for chunk in self._rest(amount):
                file.write(chunk)
                digest.update(chunk)
                yield chunk
            complete = file.tell() == self.total
        if complete:
            self.wheel.settle(self.part, digest.hexdigest())

    def _rest(self, amount: int) -> Iterator[bytes]:
        """Yields the server's bytes until the file is complete or nothing more comes."""
        from pip._vendor.urllib3.exceptions import HTTPError

        done = self.start
        while done < self.total:
            before = done
            try:
                for chunk in self.raw.stream(amount, decode_content=False):
                    done += len(chunk)
                    yield chunk
            except HTTPError:
                if done == before:
                    raise
            if done >= self.total:
                return
            answer = self.wheel.ask_from(done) if done > before else None
            if answer is None or answer.status_code != 206 or self.wheel.part(answer) != self.part:
                return  # pip notices that it is too short
            self.raw = answer.raw


def _range(answer: Any) -> tuple[int, int]:
    """(first byte, size of the complete file) of a response; (0, 0) if unknown."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    if answer.status_code == 206:
        return (int(found[1]), int(found[2])) if found else (0, 0)
    return 0, int(answer.headers.get("Content-Length") or 0)


if __name__ == "__main__":
    main(sys.argv[1:])
