"""pip that keeps wheels as they come, so that a run that was cut off or killed goes on with what is there.

    python -m install.in_backend.keeping_pip FOLDER LOCKED install ...      in the place of `python -m pip install ...`

pip alone keeps a download once it is whole, and torch with CUDA is gigabytes. In FOLDER, `NAME.whl.CHECK.part` is the
beginning of a wheel (or all of it); CHECK stands for the server's own mark of the file's content. Not all servers have
one; without, a part is kept only where hashes will tell. `NAME.whl` is a whole one with a hash of the requirements
files. pip checks what it gets in either case. LOCKED is a folder of ours, where one run at a time holds the lock.

pip has no option for this: what is replaced is the one method of its HTTP library, requests, that sends a request. So
every setting of pip's holds, and a pip without that library installs as it always did.
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
from ..state import held_soon

WHEEL = re.compile(r"[\w.+!-]+\.whl")


def main(arguments: list[str]) -> None:
    folder, locked, *arguments = arguments
    sys.argv = ["pip", *arguments]
    Path(folder).mkdir(parents=True, exist_ok=True)
    with held_soon(Path(locked)):
        keep(Path(folder), hashes_in(arguments))
        runpy.run_module("pip", run_name="__main__", alter_sys=True)


def hashes_in(arguments: list[str]) -> frozenset[str]:
    """Of all packages in the requirements files that the arguments name."""
    files = [Path(value) for option, value in zip(arguments, arguments[1:]) if option == "-r"]
    return frozenset(found for file in files for found in re.findall(r"sha256:(\w{64})", file.read_text("utf-8")))


def keep(folder: Path, hashes: frozenset[str]) -> None:
    """From now on pip's downloads of wheels are kept in the folder."""
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
    """One that pip asks for. hashes: of which it must have one to be kept as a whole; request: pip's; ask: sends it."""

    folder: Path
    name: str
    hashes: frozenset[str]
    request: Any
    ask: Callable[[], Any]

    def answer(self) -> Any:
        """What pip takes for the server's answer."""
        whole = self.folder / self.name
        if whole.exists():
            return self._from_disk(whole)
        part = next(self.folder.glob(f"{self.name}.*.part"), None)
        # A byte less than there is: asked for what follows the last one, a server refuses.
        start = max(0, part.stat().st_size - 1) if part else 0
        answer = self.ask_from(start)
        if start and not (_range(answer)[0] == start and part == self.part(answer)):
            start = 0
            if answer.status_code != 200:
                answer.close()
                answer = self.ask_from(0)
        place = self.part(answer)
        if answer.status_code not in (200, 206) or not place or not _range(answer)[1]:
            return answer
        if part and not start:
            part.unlink()
        return self._kept(answer, place, start)

    def ask_from(self, start: int) -> Any:
        """The answer to pip's request, for the bytes from `start` on."""
        self.request.headers.pop("Range", None)
        if start:
            self.request.headers["Range"] = f"bytes={start}-"
        return self.ask()

    def part(self, answer: Any) -> Path | None:
        """Where the file of this answer is kept; None where two of its versions could not be told apart."""
        mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            return None
        if not mark or mark.startswith("W/"):
            return self.folder / f"{self.name}.unmarked.part" if self.hashes else None
        return self.folder / f"{self.name}.{hashlib.sha256(mark.encode()).hexdigest()[:16]}.part"

    def _kept(self, answer: Any, part: Path, start: int) -> Any:
        """The answer for the whole file, whose body is kept while pip reads it."""
        total = _range(answer)[1]
        if start:
            print(f"Going on with {self.name}: {start / MB:.0f} of {total / MB:.0f} MB are there", flush=True)
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
        """The part is as long as the server said. Where hashes are known, it is the wheel or of no use."""
        if digest in self.hashes:
            replace(part, self.folder / self.name)
        elif self.hashes:
            part.unlink()


class Body:
    """What pip reads: the bytes that are there, then the server's, which are kept as they come. A line that is cut is
    taken up again as long as each try brings something."""

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
        """From the server, until all is there or nothing more comes."""
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
                return  # pip sees that it is too short
            self.raw = answer.raw


def _range(answer: Any) -> tuple[int, int]:
    """(first byte, bytes of the whole file) of an answer; (0, 0) where it does not say."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    if answer.status_code == 206:
        return (int(found[1]), int(found[2])) if found else (0, 0)
    return 0, int(answer.headers.get("Content-Length") or 0)


if __name__ == "__main__":
    main(sys.argv[1:])
