"""A model hub on loopback that works with huggingface_hub's client and can be told to misbehave.

`/OWNER/NAME/resolve/REVISION/PATH` returns small files directly, with git's hash as their etag. For large ones it
returns their SHA-256 and size and redirects to `/cdn/...` on another host name, like the real hub.
"""

from __future__ import annotations

import hashlib
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.loopback import Handler, Misbehaviour, listening

COMMIT = "c0ffee" * 6 + "beef"
LARGE = 100_000  # bytes; larger files are on the content network
BLOCK = 64 * 1024


@dataclass
class Hub(Misbehaviour):
    """files: by repository and path; moved: old name to new; private, gated: repositories that need `token`.

    cuts and wrong bytes apply to the content network. rude: it resets the connection after `stall` seconds of silence;
    status: the status of every answer; no_commit: omits the header that identifies a hub; old_revisions: unknown
    revisions.
    """

    files: dict[str, dict[str, bytes]]
    moved: dict[str, str] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)
    token: str = "hf_secret"
    rude: bool = False
    stall: float = 0.0
    status: int = 0
    no_commit: bool = False
    commit: str = COMMIT
    old_revisions: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)


@contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """Yields the hub's address."""
    with listening(_Handler, hub=hub) as address:
        yield address


def git_name(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(Handler):
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        """The path, whether requested directly or through a proxy."""
        hub, path = self.hub, urlsplit(self.path).path
        hub.asked.append((self.command, self.path, dict(self.headers)))
        if hub.status:
            return self._say(hub.status, {})
        if path.startswith("/cdn/"):
            return self._content(path.removeprefix("/cdn/"), with_body)
        owner, name, _, revision, *rest = path.strip("/").split("/")
        repo, within = f"{owner}/{name}", "/".join(rest)
        if repo in hub.moved:
            return self._say(307, {"Location": f"/{hub.moved[repo]}/resolve/{revision}/{within}"})
        error = self._error(repo, revision, within)
        if error:
            return self._say(*error)
        content = hub.files[repo][within]
        commit = {} if hub.no_commit else {"X-Repo-Commit": hub.commit}
        if len(content) < LARGE:
            return self._say(200, commit | {"ETag": f'"{git_name(content)}"'}, content, with_body)
        digest = hashlib.sha256(content).hexdigest()
        port = self.server.server_address[1]
        self._say(
            302,
            commit
            | {
                "Location": f"http://localhost:{port}/cdn/{digest}?Signature=x",
                "ETag": f'"{git_name(digest.encode())}"',
                "X-Linked-Etag": f'"{digest}"',
                "X-Linked-Size": str(len(content)),
            },
        )

    def _error(self, repo: str, revision: str, path: str) -> tuple[int, dict[str, str]] | None:
        hub, may = self.hub, self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        if repo not in hub.files or (repo in hub.private and not may):
            return 401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
        if repo in hub.gated and not may:
            return 403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to this repository is restricted"}
        if revision in hub.old_revisions:
            return 404, {"X-Error-Code": "RevisionNotFound"}
        if path not in hub.files[repo]:
            return 404, {"X-Error-Code": "EntryNotFound"}
        return None

    def _content(self, digest: str, with_body: bool) -> None:
        hub = self.hub
        every = {hashlib.sha256(c).hexdigest(): c for files in hub.files.values() for c in files.values()}
        content, start = every[digest], 0
        headers = {"Accept-Ranges": "bytes"}
        asked = self.headers.get("Range")
        if asked and hub.ranges:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            if start >= len(content):
                return self._say(416, {"Content-Range": f"bytes */{len(content)}"})
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        if hub.takes("wrong"):
            body = bytes(byte ^ 0xFF for byte in body[:1000]) + body[1000:]
        self._say(206 if "Content-Range" in headers else 200, headers, body, with_body)

    def _say(self, status: int, headers: Mapping[str, str], body: bytes = b"", with_body: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self._send(body, self.hub.cut_after if status in (200, 206) and self.hub.takes("cuts") else None)

    def _send(self, body: bytes, cut_after: int | None) -> None:
        for start in range(0, len(body), BLOCK):
            time.sleep(self.hub.pause)
            block = body[start : start + BLOCK]
            if cut_after is not None and start + len(block) > cut_after:
                self.wfile.write(block[: max(0, cut_after - start)])
                return self._cut()
            self.wfile.write(block)
            self.hub.sent += len(block)

    def _cut(self) -> None:
        self.wfile.flush()
        time.sleep(self.hub.stall)
        if self.hub.rude:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close() if self.hub.rude else self.connection.shutdown(socket.SHUT_RDWR)
