"""Queries and downloads files at the hub, with a child process in the backend's environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..children import run_module
from ..failures import REPAIR, InstallError
from ..sentences import with_templates
from .catalogue import HubFile
from .content import Content, named_by

CHILD = "install.in_backend.hub"
# Besides privacy: with telemetry the library leaves a file in the user's cache.
SETTINGS = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


@dataclass(frozen=True)
class Offer:
    """A file that the hub offers. commit: its revision; content: what the download must match."""

    file: HubFile
    commit: str
    content: Content


def ask(python: Path, files: Sequence[HubFile]) -> list[Offer]:
    """Queries the hub for the files. Raises InstallError when one is missing or differs from the catalogue."""
    question = [{"repo": file.repo, "revision": file.revision, "path": file.path} for file in files]
    answers: list[dict[str, Any]] = []
    _run(python, "ask", question, answers.append)
    return [_offer(file, answer) for file, answer in zip(files, answers, strict=True)]


def fetch(python: Path, offer: Offer, part: Path, on_done: Callable[[int], None]) -> None:
    """Downloads into `part`, which may already contain the beginning. `on_done` gets the number of bytes present.
    Raises InstallError."""
    file = offer.file
    question = {
        "repo": file.repo,
        "commit": offer.commit,
        "path": file.path,
        "size": offer.content.size,
        "part": str(part),
    }
    _run(python, "fetch", question, lambda message: on_done(message["done"]) if message["kind"] == "progress" else None)


def _offer(file: HubFile, answer: dict[str, Any]) -> Offer:
    """The expected content: the catalogue's SHA-256 if it has one, otherwise the hub's hash."""
    answered = named_by(answer["etag"], answer["size"])
    if file.sha256:
        if answered and answered.sha256 not in ("", file.sha256):
            raise InstallError(
                "{path} of {repo} has changed: its SHA-256 is {sha256}.",
                "It is not downloaded. Look for a newer version of MotionClone.",
            ).about(path=file.path, repo=file.repo, sha256=answered.sha256)
        return Offer(file, answer["commit"], Content(answer["size"], sha256=file.sha256))
    if answered is None:
        raise InstallError(
            "The hub gives no hash for {path} of {repo}, so it could not be verified.",
            "If HF_ENDPOINT names a mirror, choose another one.",
        ).about(path=file.path, repo=file.repo)
    return Offer(file, answer["commit"], answered)


def _run(python: Path, command: str, question: Any, on_message: Callable[[dict[str, Any]], None]) -> None:
    output: list[str] = []
    failed: list[dict[str, Any]] = []

    def on_line(line: str) -> None:
        try:
            message = json.loads(line)
            kind = message["kind"]
        except (ValueError, KeyError, TypeError):
            output.append(line)
            return
        failed.append(message) if kind == "failed" else on_message(message)

    code = run_module(python, [CHILD, command, json.dumps(question)], on_line, extra=SETTINGS)
    if failed:
        raise InstallError(*with_templates((failed[0]["message"], failed[0]["hint"]), failed[0]["templates"]))
    if code:
        last = next((line.strip() for line in reversed(output) if line.strip()), f"exit code {code}")
        raise InstallError("The backend cannot download models: {last}", f"{REPAIR}.").about(last=last)
