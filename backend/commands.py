"""What each command of the backend does."""

from __future__ import annotations

import json
import signal
import sys
import traceback
from argparse import Namespace
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from .errors import Cancelled, JobError


def clone(options: Namespace) -> None:
    """Makes a job folder of a clip and a prompt, and runs it."""
    from .new_job import make_job

    folder = make_job(options)
    print(f"Job folder: {folder}", file=sys.stderr)
    _run(folder, options.json)


def run(options: Namespace) -> None:
    if not options.job.is_dir():
        raise JobError(f"There is no job folder {options.job}.", "Check the path.")
    _run(options.job, options.json)


def score(options: Namespace) -> None:
    from .clips import read_clip
    from .motion_score import motion_score

    value = motion_score(read_clip(options.clip).frames, read_clip(options.reference).frames)
    print(json.dumps({"motion_score": value}) if options.json else f"{value:.3f}")


def models(options: Namespace) -> None:
    """Lists every model; one whose files are not there says so, and an entry that cannot be read takes none away."""
    from .models.entry import read_entries

    entries, problems = read_entries()
    rows = [
        {"name": e.name, "title": e.title} | asdict(e.clip) | {"missing": [str(path) for path in e.missing().values()]}
        for e in entries.values()
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(json.dumps(rows) if options.json else "\n".join(map(_line, rows)))


def _line(row: dict) -> str:
    missing = f" (files missing: {', '.join(row['missing'])})" if row["missing"] else ""
    return f"{row['name']:12} {row['title']}{missing}"


def bench(options: Namespace) -> int:
    return import_module(f".bench.{options.what}", __package__).main(options.rest)


def _run(folder: Path, print_result: bool) -> None:
    """Runs a job to its end, whichever it is; its folder then tells what became of it."""
    from .progress import Progress

    progress = Progress(folder)
    try:
        with _cancelled_by_signals(progress):
            progress.stage("starting")
            from .job import run_job

            result = run_job(folder, progress)
        progress.end("done")
    except (Cancelled, KeyboardInterrupt):
        with suppress(OSError):  # the folder may have become unwritable; the user has what they asked for
            progress.end("cancelled", "The job was cancelled.")
        raise Cancelled from None
    except Exception as error:
        problem = _in_words(error, folder)
        with suppress(OSError):  # a folder that cannot be written must not hide what went wrong
            progress.end("failed", problem.message, problem.hint)
        raise problem from error
    if print_result:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        print(result["video"])


def _in_words(error: Exception, folder: Path) -> JobError:
    """Any error as one the user can act on; what nobody foresaw goes to the job's log in full."""
    if isinstance(error, JobError):
        return error
    if isinstance(error, OSError) and error.filename and Path(error.filename).is_relative_to(folder):
        return JobError(
            f"The job folder {folder} cannot be written ({error.strerror}).",
            "Free space or allow writing there, or make the job in another folder.",
        )
    details = traceback.format_exc()
    try:
        with (folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write(details)
        hint = f"The details are in {folder / 'log.txt'}."
    except OSError:
        hint = details
    return JobError(f"Something unforeseen happened: {error!r}.", hint)


@contextmanager
def _cancelled_by_signals(progress):
    """Ctrl-C, or being asked to terminate, stops the job at its next step instead of anywhere."""
    previous = {
        number: signal.signal(number, lambda *_: progress.cancel()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
