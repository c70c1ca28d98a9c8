"""job.json, the complete request for one job. Reading and writing are strict. Standard library only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .problem import Problem, templates_of, with_templates
from .reading import read_json
from .strict import StrictError, number, strict_values, table, text, texts, whole
from .writing import write_json

VERSION = 1
MAX_BYTES = 1_000_000
LOWEST_SEED, HIGHEST_SEED = -(2**63), 2**64 - 1  # the range of torch and other programs


class RequestError(Problem, ValueError):
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
    templates = templates_of(request.notes)
    write_json(path, asdict(request) | ({"templates": templates} if templates else {}))
    return path


def read_request(folder: Path) -> JobRequest:
    """Reads <folder>/job.json. Raises RequestError with the first thing that is wrong."""
    path = folder / "job.json"
    try:
        content = read_json(path, MAX_BYTES)
    except FileNotFoundError:
        raise RequestError("There is no job.json in {folder}.").about(folder=folder) from None
    except (OSError, ValueError) as error:
        raise RequestError("{path} cannot be read as JSON ({reason}).").about(path=path, reason=error) from None
    return request_from(content)


def request_from(content: Any) -> JobRequest:
    """Creates a request from parsed JSON. Raises RequestError for unknown, missing and mistyped keys."""
    if isinstance(content, dict) and content.get("version") not in (VERSION, None):
        raise RequestError("job.json has version {found}, but this backend reads version {version}.").about(
            found=repr(content["version"]), version=VERSION
        )
    known = (
        {key: value for key, value in content.items() if key != "templates"} if isinstance(content, dict) else content
    )
    try:
        values = strict_values(JobRequest, known, _CHECKS, "job.json")
        values["shot"] = Shot(**strict_values(Shot, values["shot"], _CHECKS, "shot"))
    except StrictError as error:
        raise RequestError(error.text) from None
    values["notes"] = with_templates(values.get("notes", ()), content.get("templates"))
    request = JobRequest(**values)
    check_seed(request.seed)
    if not 1 <= request.shot.frames <= 100_000:
        raise RequestError("shot.frames is {frames}; it must be between 1 and 100000.").about(
            frames=request.shot.frames
        )
    if not 0 < request.shot.fps <= 1000:
        raise RequestError("shot.fps is {fps}; it must be greater than 0 and at most 1000.").about(fps=request.shot.fps)
    return request


def check_seed(seed: int) -> int:
    """Returns `seed`. Raises RequestError unless it is in the range of the random generator."""
    if not LOWEST_SEED <= seed <= HIGHEST_SEED:
        shown = f"{seed}" if abs(seed) < 10**30 else "a number of more than 30 digits"
        raise RequestError("seed is {shown}; it must be between {lowest_seed} and {highest_seed}.").about(
            shown=shown, lowest_seed=LOWEST_SEED, highest_seed=HIGHEST_SEED
        )
    return seed


_CHECKS = {"str": text, "int": whole, "float": number, "Shot": table, "dict[str, Any]": table, "list[str]": texts}
