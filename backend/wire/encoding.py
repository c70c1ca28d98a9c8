"""Converts messages to lines and back. Standard library only.

Parsing is strict: unknown, missing, duplicate and mistyped keys are errors, and so are NaN and lines over 1 MiB.
Under "templates", a message with text for the user says what the text was made of.
"""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import asdict, replace
from typing import Any

from ..job_folder.names import nearest
from ..job_folder.problem import Problem, templates_of, with_templates
from ..job_folder.reading import parse_json
from ..job_folder.strict import StrictError, number, shown, strict_values, text, whole
from .lines import MAX_BYTES
from .messages import PROTOCOL

MAX_NUMBER = 2**53
PIECE_BYTES = 256 * 1024
TEXTS = ("message", "hint")  # fields with text for the user

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9_-]([A-Za-z0-9_.-]*[A-Za-z0-9_-])?")  # Windows drops trailing dots
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))}


class MessageError(Problem, ValueError):
    """A line that is not a valid message. The text is for the user."""


def kind_of(message: Any) -> str:
    """The message's kind on the wire: 'submit' for a Submit or its class."""
    return (message if isinstance(message, type) else type(message)).__name__.lower()


def encode(message: Any) -> bytes:
    """Encodes a message as a line of JSON. Raises MessageError when the other side would reject it."""
    content = {"kind": kind_of(message)} | asdict(message)
    _values(content, type(message))
    if templates := templates_of(getattr(message, name) for name in TEXTS if hasattr(message, name)):
        content["templates"] = templates
    line = json.dumps(content, allow_nan=False).encode("ascii") + b"\n"
    if len(line) > MAX_BYTES:
        raise MessageError("A message of {count} bytes is too long; the limit is {most_bytes} bytes.").about(
            count=len(line), most_bytes=MAX_BYTES
        )
    return line


def parse(line: bytes | None, kinds: tuple[type, ...]) -> Any:
    """Parses a line into a message of one of `kinds`. None stands for a line that was too long. Reads no files."""
    content = _object(line)
    known = {kind_of(kind): kind for kind in kinds}
    name = content.get("kind")
    if not isinstance(name, str) or name not in known:
        raise MessageError("{name} is not a known kind of message{near}").about(
            name=shown(name), near=nearest(str(name)[:80], known)
        )
    protocol = content.get("protocol", PROTOCOL)
    if protocol != PROTOCOL:  # checked first: another version may use other fields
        raise MessageError(
            "The other side uses protocol {other}, this one {own}. Install the same version of MotionClone on both."
        ).about(other=shown(protocol), own=PROTOCOL)
    return _with_sentences(known[name](**_values(content, known[name])), content.get("templates"))


def check_id(value: Any) -> str:
    """Returns the job name `value`. Raises MessageError unless it can also name a folder on any system."""
    if not isinstance(value, str) or not _ID.fullmatch(value) or value.upper() in _DEVICES:
        raise MessageError(
            "{name} is not a valid job name. Use 1 to 64 of the characters A-Z, a-z, 0-9, _ and -."
        ).about(name=shown(value))
    return value


def is_relative_path(value: Any) -> bool:
    """Whether `value` is the path of a file below a folder, valid on every system and leading nowhere else."""
    if not isinstance(value, str) or len(value) > 200:
        return False
    names = value.split("/")  # Windows treats con.png as the console too
    return all(_NAME.fullmatch(name) and name.partition(".")[0].upper() not in _DEVICES for name in names)


def _object(line: bytes | None) -> dict[str, Any]:
    if line is None or len(line) > MAX_BYTES:
        raise MessageError("A line is longer than {most_bytes} bytes.").about(most_bytes=MAX_BYTES)
    try:
        content = parse_json(line)
    except (ValueError, RecursionError) as error:
        raise MessageError("A line is not valid JSON in UTF-8 ({reason}).").about(reason=str(error)[:100]) from None
    if not isinstance(content, dict):
        raise MessageError("A message must be an object with named values.")
    return content


def _values(content: dict[str, Any], kind: type) -> dict[str, Any]:
    """The message's fields, each checked for its type."""
    values = {key: value for key, value in content.items() if key not in ("kind", "templates")}
    try:
        return strict_values(kind, values, _CHECKS, f"A {kind_of(kind)}")
    except StrictError as error:
        raise MessageError(error.text) from None


def _with_sentences(message: Any, templates: Any) -> Any:
    """The message, whose texts for the user know what they were made of."""
    texts = {name: getattr(message, name) for name in TEXTS if hasattr(message, name)}
    if not templates or not texts:
        return message
    return replace(message, **dict(zip(texts, with_templates(texts.values(), templates), strict=True)))


def _text(value: Any) -> str:
    try:
        if "\0" not in text(value) and value.encode("utf-8") is not None:
            return value
    except UnicodeEncodeError:  # half a surrogate pair can be neither displayed nor written
        pass
    raise TypeError("text that can be written")


def _relative_path(value: Any) -> str:
    if not is_relative_path(value):
        raise TypeError("the path of a file within the folder")
    return value


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise TypeError("64 hexadecimal digits")
    return value


def _base64(value: Any) -> str:
    wanted = TypeError("a piece of a file in base64")
    if not isinstance(value, str) or len(value) > -(-PIECE_BYTES // 3) * 4:
        raise wanted
    try:
        base64.b64decode(value, validate=True)
    except ValueError:
        raise wanted from None
    return value


def _count(value: Any) -> int:
    if not 0 <= whole(value) <= MAX_NUMBER:
        raise TypeError(f"between 0 and {MAX_NUMBER}")
    return value


def _number(value: Any) -> float:
    if not abs(number(value)) <= MAX_NUMBER or not math.isfinite(value):
        raise TypeError(f"between -{MAX_NUMBER} and {MAX_NUMBER}")
    return float(value)


def _ids(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError("a list of jobs")
    return tuple(map(check_id, value))


_CHECKS = {
    "JobId": check_id,
    "str": _text,
    "RelativePath": _relative_path,
    "Digest": _digest,
    "Base64": _base64,
    "Count": _count,
    "float": _number,
    "tuple[JobId, ...]": _ids,
}
