"""Checks the backend's environment: packages, device, ffmpeg, model entries, and a real generation.

The rest of the doctor (install/doctor.py) needs only the standard library and runs this as a child process.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from .errors import REPAIR
from .job_folder.problem import Problem, Sentence, templates_of

PACKAGES = (
    "torch",
    "diffusers",
    "transformers",
    "safetensors",
    "numpy",
    "cv2",
    "PIL",
    "imageio_ffmpeg",
    "huggingface_hub",
)


@dataclass(frozen=True)
class Finding:
    """The result of a check. id: the kind of finding; level: its severity; text: a sentence that describes it; hint:
    what to do."""

    id: str
    level: Literal["ok", "warning", "problem"]
    text: str
    hint: str = ""


def doctor(options: Namespace) -> int:
    """Prints the findings as text, or as one line of JSON. Returns 1 if one of them is a problem, otherwise 0."""
    findings = _guarded(check_packages)
    for check in (check_device, check_ffmpeg, check_models, *([check_generation] if options.generate else [])):
        if not _has_problem(findings):  # one problem would make all later checks fail
            findings += _guarded(check)
    if options.json:
        templates = templates_of(text for finding in findings for text in (finding.text, finding.hint))
        print("\n" + json.dumps({"findings": [asdict(finding) for finding in findings], "templates": templates}))
    else:
        for finding in findings:
            print(f"{finding.level:8} {finding.text} {finding.hint}".rstrip())
    return int(_has_problem(findings))


def check_packages() -> Iterator[Finding]:
    """Imports each package, because a missing system library only shows when a package is imported."""
    versions, faults = [], []
    for name in PACKAGES:
        try:
            module = importlib.import_module(name)
            versions.append(f"{name} {getattr(module, '__version__', '')}".strip())
        except Exception as error:  # an import can raise anything
            faults.append(f"{name} ({_line(error)})")
    if faults:
        yield Finding(
            "package-broken",
            "problem",
            Sentence("Packages cannot be loaded: {faults}.", faults=", ".join(faults)),
            REPAIR,
        )
    if versions:
        yield Finding("packages", "ok", Sentence("Packages: {versions}.", versions=", ".join(versions)))


def check_device() -> Iterator[Finding]:
    """Computes something on the device that jobs would use."""
    import torch

    from .memory.device import choose_device, device_name_and_memory

    device, dtype = choose_device()
    name, memory = device_name_and_memory()
    size = f", {memory / 1e9:.1f} GB" if memory else ""
    try:
        torch.ones(64, 64, device=device, dtype=dtype).matmul(
            torch.ones(64, 64, device=device, dtype=dtype)
        ).sum().item()
    except RuntimeError as error:
        yield Finding(
            "device-broken",
            "problem",
            Sentence("{name} cannot compute: {reason}", name=name, reason=_line(error)),
            "Update the GPU's driver, then install the backend again to get the matching build.",
        )
        return
    yield Finding(
        "device",
        "ok",
        Sentence(
            "Device: {name} ({type}{size}), torch {version}.",
            name=name,
            type=device.type,
            size=size,
            version=torch.__version__,
        ),
    )


def check_ffmpeg() -> Iterator[Finding]:
    """Runs ffmpeg."""
    from .clips.ffmpeg_process import find_ffmpeg

    try:
        answer = subprocess.run([find_ffmpeg(), "-version"], capture_output=True, check=True, timeout=60)
    except (Problem, OSError, subprocess.SubprocessError) as error:
        yield Finding(
            "ffmpeg-broken",
            "problem",
            Sentence("ffmpeg, which reads and writes clips, does not work: {reason}", reason=_line(error)),
            REPAIR,
        )
        return
    output = answer.stdout.decode("utf-8", "replace")
    yield Finding(
        "ffmpeg",
        "ok",
        Sentence("ffmpeg: {version}.", version=output.split(" Copyright")[0].removeprefix("ffmpeg version ")),
    )


def check_models() -> Iterator[Finding]:
    """Checks the model entries and their files."""
    from .models.entry import read_entries

    entries, problems = read_entries()
    for problem in problems:
        yield Finding("model-entry", "warning", problem.message, problem.hint)
    for entry in entries.values():
        for path in entry.missing().values():
            text = Sentence("The model {entry} is missing its file {path}.", entry=entry.name, path=path)
            yield Finding("model-file", "warning", text, "Put the file there, or correct its path in the entry.")
    yield Finding("models", "ok", Sentence("Models: {entries}.", entries=", ".join(sorted(entries))))


def check_generation() -> Iterator[Finding]:
    """Runs a complete job with the demo model: a moving square, in a few steps."""
    import numpy as np

    from .clips import write_frames
    from .job.job import run_job
    from .job.progress import Progress
    from .job_folder.request import JobRequest, Shot, write_request

    frames = np.full((16, 64, 64, 3), 60, dtype=np.uint8)
    for number, frame in enumerate(frames):
        frame[24:40, 2 * number : 2 * number + 16] = (230, 30, 30)
    with tempfile.TemporaryDirectory(prefix="motionclone-check-", ignore_cleanup_errors=True) as folder:
        job = Path(folder)
        write_frames(job / "reference", frames)
        settings = {"steps": 4, "guided_steps": 2}
        prompt = "a red cube on green ground under a blue sky"
        write_request(JobRequest(prompt=prompt, settings=settings, shot=Shot(frames=16, fps=8.0)), job)
        result = run_job(job, Progress(job))
        size = Path(job / result["video"]).stat().st_size
    yield Finding(
        "generation", "ok", Sentence("A short generation succeeded: a clip of {size} bytes.", size=f"{size:,}")
    )


def _guarded(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Runs a check. An exception becomes a finding, so that the other checks still run."""
    try:
        return list(check())
    except Problem as error:
        return [Finding(f"{check.__name__}-failed", "problem", error.message, error.hint)]
    except Exception as error:
        what = check.__name__.removeprefix("check_")
        return [
            Finding(
                f"{check.__name__}-failed",
                "problem",
                Sentence("The check of {what} failed: {reason}", what=what, reason=_line(error)),
                REPAIR,
            )
        ]


def _has_problem(findings: list[Finding]) -> bool:
    return any(finding.level == "problem" for finding in findings)


def _line(error: BaseException) -> str:
    """The last line of the error, or its class if it has no text."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
