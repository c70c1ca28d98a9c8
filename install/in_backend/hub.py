"""Accesses the model hub with huggingface_hub, as a child process: `python -m install.in_backend.hub ask|fetch JSON`.

ask    a list of {"repo", "revision", "path"}; prints for each, in order:
       {"kind": "file", "commit": ..., "etag": ..., "size": ...}
fetch  {"repo", "commit", "path", "size", "part"}; downloads into the file `part` and continues at its end:
       {"kind": "progress", "done": ...}, and at the end {"kind": "fetched"}
Either may end with {"kind": "failed", "message": ..., "hint": ...}.

The library's public download function starts again in every process; its internal function can continue a part.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, RevisionNotFoundError
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers, logging

from ..failures import InstallError
from ..sentences import templates_of
from ..state import locked_soon
from .hub_failures import failure, is_passing

LATEST = "main"
CHUNK = 256 * 1024  # bytes lost with each broken connection; the library's own chunks are too large for unstable ones
ATTEMPTS_WITHOUT_PROGRESS = 3  # each includes some retries by the library
SECONDS_FOR_AN_ANSWER = 10
SECONDS_BETWEEN_MESSAGES = 0.2
BUSY = (408, 429, 500, 502, 503, 504)


def main(arguments: list[str]) -> int:
    command, text = arguments
    logging.set_verbosity_error()
    constants.DOWNLOAD_CHUNK_SIZE = CHUNK
    try:
        {"ask": ask, "fetch": fetch}[command](json.loads(text))
    except InstallError as error:
        texts = (error.message, error.hint)
        send(kind="failed", message=texts[0], hint=texts[1], templates=templates_of(texts))
        return 1
    return 0


def ask(files: list[dict[str, str]]) -> None:
    """Prints the properties of each file. Raises InstallError."""
    for file in files:
        try:
            found = _metadata(**file)
        except Exception as error:  # errors of the library, its client and the system have no common class
            raise failure(error, file["repo"], file["path"]) from error
        if not found.commit_hash or not found.etag or not found.size:
            raise InstallError(
                "{endpoint} does not answer like a model hub.",
                "Check HF_ENDPOINT. If your network requires a login, open any web page, then try again.",
            ).about(endpoint=constants.ENDPOINT)
        send(kind="file", commit=found.commit_hash, etag=found.etag, size=found.size)


def _metadata(repo: str, revision: str, path: str) -> Any:
    """Asks twice if the hub is busy or slow, and for the newest revision if the pinned one is gone."""
    try:
        return get_hf_file_metadata(hf_hub_url(repo, path, revision=revision), timeout=SECONDS_FOR_AN_ANSWER)
    except RevisionNotFoundError:
        if revision == LATEST:
            raise
        return _metadata(repo, LATEST, path)
    except Exception as error:
        busy = isinstance(error, HfHubHTTPError) and error.response.status_code in BUSY
        if not busy and not is_passing(error):
            raise
    time.sleep(1)
    url = hf_hub_url(repo, path, revision=revision)
    return get_hf_file_metadata(url, timeout=3 * SECONDS_FOR_AN_ANSWER, retry_on_errors=True)


def fetch(file: dict[str, Any]) -> None:
    """Downloads a file. Raises InstallError."""
    part = Path(file["part"])
    with locked_soon(part.parent):
        try:
            _fetch(hf_hub_url(file["repo"], file["path"], revision=file["commit"]), part, file["size"])
        except Exception as error:
            raise failure(error, file["repo"], file["path"]) from error
    send(kind="fetched")


def _fetch(url: str, part: Path, size: int) -> None:
    """Retries as long as each attempt makes progress, and a few times without progress."""
    patience = ATTEMPTS_WITHOUT_PROGRESS
    while True:
        before = _size(part)
        if before > size:
            part.unlink()
            before = 0
        try:
            with part.open("r+b" if before else "wb") as out:
                out.seek(0, os.SEEK_END)
                # Uncompressed, so that offsets in the file and in the response are the same.
                headers = build_hf_headers(headers={"Accept-Encoding": "identity"})
                bar: Any = Progress
                http_get(url, out, resume_size=before, headers=headers, expected_size=size, tqdm_class=bar)
                out.flush()
                os.fsync(out.fileno())  # the content must survive a power failure after the file is renamed
            return
        except Exception as error:
            patience = ATTEMPTS_WITHOUT_PROGRESS if _size(part) > before else patience - 1
            if not is_passing(error) or not patience:
                raise
            time.sleep(min(8, 2 ** (ATTEMPTS_WITHOUT_PROGRESS - patience)))


class Progress:
    """Replaces huggingface_hub's progress bar."""

    def __init__(self, initial: int = 0, **_: Any):
        self.done, self.sent_at = initial, 0.0

    def update(self, count: int) -> None:
        self.done += count
        if time.monotonic() - self.sent_at > SECONDS_BETWEEN_MESSAGES:
            self.sent_at = time.monotonic()
            send(kind="progress", done=self.done)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        send(kind="progress", done=self.done)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def send(**message: Any) -> None:
    """Prints a message as a line of JSON."""
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
