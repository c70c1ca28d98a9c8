"""Runs the backend's own doctor, which needs its environment."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .children import run_module
from .failures import REPAIR, InstallError
from .logs import append
from .pip import MAX_LINES
from .sentences import with_templates

ANSWER = '{"findings":'


def ask_backend(python: Path, options: Sequence[str], extra: dict[str, str], log: Path) -> list[dict[str, str]]:
    """Runs `python -m backend doctor` and returns its findings as dicts with level, text and hint. Other output goes to
    the log.

    Raises InstallError when the backend does not finish.
    """
    output = deque[str](maxlen=MAX_LINES)
    command = ["backend", "doctor", "--json", *options]
    try:
        code = run_module(python, command, output.append, extra=extra)
    except OSError as error:
        raise InstallError("{python} does not start ({reason}).", f"{REPAIR}.").about(
            python=python, reason=error.strerror
        ) from None
    with suppress(OSError):  # the doctor also runs where nothing can be written
        append(log, f"\n$ {' '.join(command)}\n{''.join(output)}")
    answers = [line for line in output if line.startswith(ANSWER)]
    if not answers:
        last = next((line.strip() for line in reversed(output) if line.strip()), f"exit code {code}")
        raise InstallError("The backend does not start: {last}", f"{REPAIR}; details in {{log}}.").about(
            last=last, log=log
        )
    answer = json.loads(answers[-1])
    return [_with_sentences(finding, answer["templates"]) for finding in answer["findings"]]


def _with_sentences(finding: dict[str, str], templates: list[dict[str, Any]]) -> dict[str, str]:
    text, hint = with_templates((finding["text"], finding["hint"]), templates)
    return finding | {"text": text, "hint": hint}
