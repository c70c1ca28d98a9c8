"""The commands of the backend's command line."""

from __future__ import annotations

import json
import signal
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .job_folder.declared import declarations, typed_text
from .job_folder.problem import Problem, templates_of
from .job_folder.settings import Settings

if TYPE_CHECKING:
    from .job.progress import Progress
    from .models.model_entry import ModelEntry


def clone(options: Namespace) -> None:
    """Creates a job folder from a clip and a prompt, and runs it."""
    from .job.new_job import make_job

    folder = make_job(options)
    print(f"Job folder: {folder}", file=sys.stderr)
    _run(folder, options.json)


def run(options: Namespace) -> None:
    """Runs the job in a folder."""
    if not options.job.is_dir():
        raise Problem("There is no job folder {folder}.", "Check the path.").about(folder=options.job)
    _run(options.job, options.json)


def serve(options: Namespace) -> None:
    """Runs the worker. For its commands see backend/wire/messages.py."""
    from .worker.dummy_job import DummyEngine
    from .worker.engine import Engine
    from .worker.process import serve as work

    work(DummyEngine() if options.dummy else Engine(), options.idle)


def score(options: Namespace) -> None:
    """Prints the motion score of two clips."""
    from .clips import read_clip
    from .clips.motion_score import motion_score

    value = motion_score(read_clip(options.clip).frames, read_clip(options.reference).frames)
    print(json.dumps({"motion_score": value}) if options.json else f"{value:.3f}")


def examine(options: Namespace) -> int:
    """Prints the properties of a clip. The add-on uses it too, because it cannot read clips itself."""
    from . import clips

    def look() -> dict[str, Any]:
        source = clips.examine(options.clip)
        height, width = source.size
        facts = {"width": width, "height": height, "frames": source.total, "fps": source.fps}
        return facts | {"seconds": source.seconds, "notes": list(source.notes)}

    return _answer(look, options.json)


def frames(options: Namespace) -> int:
    """Writes a clip's frames as `clone` would write them to its job folder."""
    from .clips import fit, read_clip, write_frames

    def write() -> dict[str, Any]:
        if options.count < 2:
            raise Problem("--count is {count}, but motion needs at least two frames.", "Give a higher number.").about(
                count=options.count
            )
        clip = read_clip(options.clip, frames=options.count)
        files = write_frames(options.to, fit(clip.frames, options.size))
        return {"frames": len(files), "notes": list(clip.notes)}

    return _answer(write, options.json)


def _answer(ask: Callable[[], dict[str, Any]], as_json: bool) -> int:
    """Prints the result of `ask`. With JSON, errors are printed too, so that the add-on can show them as its own."""
    if not as_json:
        print("\n".join(f"{key}: {value}" for key, value in _rows(ask())))
        return 0
    try:
        found = ask()
        print(json.dumps(found | {"templates": templates_of(found["notes"])}))
        return 0
    except Problem as error:
        texts = (error.message, error.hint)
        print(json.dumps({"message": texts[0], "hint": texts[1], "templates": templates_of(texts)}))
        return 1


def _rows(found: dict[str, Any]) -> list[tuple[str, Any]]:
    """The known properties, with one row per note."""
    notes = [("note", note) for note in found["notes"]]
    return [(key, value) for key, value in found.items() if key != "notes" and value is not None] + notes


def models(options: Namespace) -> None:
    """Lists every model and its missing files. Entries that cannot be read are reported separately."""
    from .models.entry import read_entries

    entries, problems = read_entries()
    rows = [_facts(entry) for entry in entries.values()]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(json.dumps(rows) if options.json else "\n".join(map(_line, rows)))


def _facts(entry: ModelEntry) -> dict[str, Any]:
    """Everything that a form needs to offer the model."""
    from .models.vocabulary import tokenizer_path

    files = {"missing": [str(path) for path in entry.missing().values()], "tokenizer": tokenizer_path(entry)}
    choices = {"families": entry.families, "controls": entry.controls}
    values = {"values": {family: _differing(entry.combined({"family": family})) for family in entry.families}}
    return (
        {"name": entry.name, "title": entry.title, "backbone": entry.backbone}
        | asdict(entry.clip)
        | {"rate": entry.rate}
        | choices
        | values
        | files
    )


def _differing(settings: Settings) -> dict[str, str]:
    """The settings that differ from their declared defaults, as text."""
    plain = asdict(Settings())
    return {name: typed_text(value) for name, value in asdict(settings).items() if value != plain[name]}


def _line(row: dict) -> str:
    missing = f" (files missing: {', '.join(row['missing'])})" if row["missing"] else ""
    return f"{row['name']:12} {row['title']}{missing}"


def settings(options: Namespace) -> None:
    """Lists the settings by group."""
    known = declarations(Settings).values()
    if options.json:
        return print(json.dumps([asdict(one) for one in known]))
    for group in dict.fromkeys(one.group for one in known):
        print(f"\n{group}")
        for one in known:
            if one.group == group:
                print(f"  {one.name} = {one.default_text}  ({one.range_text})\n      {one.description}")


def storage(options: Namespace) -> None:
    """Lists the disk usage, after freeing space if requested."""
    from .job_folder.folders import data_folder
    from .job_folder.storage import clean, stored

    jobs = options.jobs or data_folder() / "jobs"
    freed = clean(jobs) if options.clean else 0
    kinds = stored(jobs)
    if options.json:
        return print(json.dumps([asdict(kind) | {"freed": freed} for kind in kinds]))
    for kind in kinds:
        print(f"{kind.title:24} {_size(kind.bytes):>10}  {kind.path}")
    if options.clean:
        print(f"{_size(freed)} freed.")
    elif removable := sum(kind.removable for kind in kinds):
        print(f"`storage --clean` frees {_size(removable)}.")


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def doctor(options: Namespace) -> int:
    """Checks this environment."""
    from .doctor import doctor as look

    return look(options)


def bench(options: Namespace) -> int:
    """Runs a benchmark. Raises Problem in an installed extension, which has none."""
    if not Path(__file__).with_name("bench").is_dir():
        raise Problem("The benchmarks are not part of the extension.", "Run this command in a clone of the repository.")
    module = options.what.replace("-", "_")
    return import_module(f".bench.{module}", __package__).main(options.rest)


def _run(folder: Path, print_result: bool) -> None:
    from .job.progress import Progress
    from .worker.one_job import claimed, run_to_end

    progress = Progress(folder)
    with claimed(folder), _cancelled_by_signals(progress):
        result = run_to_end(folder, progress, _real_job)
    if print_result:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        print(result["video"])


def _real_job(folder: Path, progress: Progress) -> dict[str, Any]:
    from .job.job import run_job  # slow, so it is imported after the folder says that the job is starting

    return run_job(folder, progress)


@contextmanager
def _cancelled_by_signals(progress):
    """Ctrl-C or SIGTERM stops the job at its next step."""
    previous = {
        number: signal.signal(number, lambda *_: progress.cancel()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
