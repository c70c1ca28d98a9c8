"""A package index on loopback that serves a folder of wheels and can be told to misbehave.

`/simple/NAME/` lists a package's wheels, with hashes if `hashes` is set; `/files/WHEEL` returns one of them or a range.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from tests.loopback import Handler, Misbehaviour, listening

BLOCK = 64 * 1024


@dataclass
class Index(Misbehaviour):
    """mark: how a file's content is identified, as its ETag or not at all; version: is added to that; down: answers
    only errors; asked: (path, Range) of each request."""

    folder: Path
    mark: str = "ETag"
    version: str = ""
    hashes: bool = True
    down: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    def resumed(self) -> int:
        """The number of requests for the rest of a file."""
        return sum(bool(asked) for _, asked in self.asked)


@contextmanager
def serving(index: Index) -> Iterator[str]:
    """Yields the address for PIP_INDEX_URL."""
    with listening(_Handler, index=index) as address:
        yield f"{address}/simple"


class _Handler(Handler):
    index: Index

    def do_GET(self) -> None:
        index, path = self.index, unquote(self.path)
        index.asked.append((path, self.headers.get("Range", "")))
        name = path.rstrip("/").rpartition("/")[2]
        wheel = index.folder / name
        if index.down:
            self._head(503, {"Content-Length": "0"})
        elif path.startswith("/simple/"):
            self._page(name)
        elif wheel.is_file():
            self._file(wheel)
        else:
            self._head(404, {"Content-Length": "0"})

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _page(self, name: str) -> None:
        links = []
        for wheel in sorted(self.index.folder.glob("*.whl")):
            if re.sub(r"[-_.]+", "-", wheel.name.partition("-")[0]).lower() == name:
                hashed = f"#sha256={_digest(wheel)}" if self.index.hashes else ""
                links.append(f'<a href="/files/{quote(wheel.name)}{hashed}">{wheel.name}</a>')
        page = f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()
        self._head(200 if links else 404, {"Content-Type": "text/html", "Content-Length": str(len(page))})
        self.wfile.write(page)

    def _file(self, wheel: Path) -> None:
        index, size, start = self.index, wheel.stat().st_size, 0
        headers = {index.mark: f'"{_digest(wheel)}{index.version}"'} if index.mark else {}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and index.ranges:
            start = int(asked[1])
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        if start >= size:
            return self._head(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
        self._head(206 if "Content-Range" in headers else 200, headers | {"Content-Length": str(size - start)})
        self.close_connection = index.takes("cuts")
        self._send(wheel, start, index.cut_after if self.close_connection else size, index.takes("wrong"))

    def _send(self, wheel: Path, start: int, most: int, wrong: bool) -> None:
        with wheel.open("rb") as file:
            file.seek(start)
            while block := file.read(min(BLOCK, most)):
                time.sleep(self.index.pause)
                self.wfile.write(bytes([block[0] ^ 0xFF]) + block[1:] if wrong else block)
                self.index.sent += len(block)
                most -= len(block)


_digests: dict[tuple[str, int, int], str] = {}


def _digest(wheel: Path) -> str:
    key = (str(wheel), wheel.stat().st_size, wheel.stat().st_mtime_ns)
    if key not in _digests:
        with wheel.open("rb") as file:
            _digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _digests[key]
