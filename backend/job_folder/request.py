"""job.json, the complete request for one job. Reading and writing are strict. Standard library only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .reading import read_json
from .strict import StrictError, number, strict_values, table, text, texts, whole
from .writing import write_json

VERSION = 1
MAX_BYTES = 1_000_000
LOWEST_SEED, HIGHEST_SEED = -(2**63), 2**64 - 1  # the range of torch and other programs


class RequestError(ValueError):
    """An invalid job.json. The text is for the user."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """The frames of the result: `frames` frames at `fps` frames per second (Blender's fps / fps_base)."""

    frames: int
    fps: float


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """The request for one take.

    settings: only those that differ from the model's own; model: the name of a model entry; notes: how the reference
    was changed to fit, in sentences for the user. For the method inversion, inversion_prompt describes the reference,
    and object is 'old:new', the subject's word in that prompt and in this one.
    """

    prompt: str
    shot: Shot
    negative_prompt: str = ""
    inversion_prompt: str = ""
    object: str = ""
    model: str = "demo"
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    version: int = VERSION


def write_request(request: JobRequest, folder: Path) -> Path:
    """Writes <folder>/job.json atomically and returns its path. Raises OSError."""
    path = folder / "job.json"
    write_json(path, asdict(request))
    return path


def read_request(folder: Path) -> JobRequest:
    """Reads <folder>/job.json. Raises RequestError with the first thing that is wrong."""
    path = folder / "job.json"
    try:
        content = read_json(path, MAX_BYTES)
    except FileNotFoundError:
        raise RequestError(f"There is no job.json in {folder}.") from None
    except (OSError, ValueError) as error:
        raise RequestError(f"{path} cannot be read as JSON ({error}).") from None
    return request_from(content)


def request_from(content: Any) -> JobRequest:
    """Creates a request from parsed JSON. Raises RequestError for unknown, missing and mistyped keys."""
    if isinstance(content, dict) and content.get("version") not in (VERSION, None):
        raise RequestError(f"job.json is of version {content['version']!r}; this backend reads version {VERSION}.")
    try:
        values = strict_values(JobRequest, content, _CHECKS, "job.json")
        values["shot"] = Shot(**strict_values(Shot, values["shot"], _CHECKS, "shot"))
    except StrictError as error:
        raise RequestError(str(error)) from None
    request = JobRequest(**values)
    check_seed(request.seed)
    if not 1 <= request.shot.frames <= 100_000:
        raise RequestError(f"shot.frames is {request.shot.frames}; it must lie between 1 and 100000.")
    if not 0 < request.shot.fps <= 1000:
        raise RequestError(f"shot.fps is {request.shot.fps}; it must lie above 0 and at most be 1000.")
    return request


def check_seed(seed: int) -> int:
    """Returns `seed`. Raises RequestError unless it is in the range of the random generator."""
    if not LOWEST_SEED <= seed <= HIGHEST_SEED:
        shown = f"{seed}" if abs(seed) < 10**30 else "a number of more than 30 digits"
        raise RequestError(f"seed is {shown}; it must lie between {LOWEST_SEED} and {HIGHEST_SEED}.")
    return seed


_CHECKS = {"str": text, "int": whole, "float": number, "Shot": table, "dict[str, Any]": table, "list[str]": texts}
