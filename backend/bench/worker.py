"""`python -m backend bench worker`: the worker's response times, and its robustness against kills and many jobs.

Jobs with the demo model are made short with --set; dummy jobs only wait. All files are in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..job_folder.declared import SettingError, parse_assignment
from ..job_folder.problem import Problem
from ..wire import messages
from .kills import SLOW, UNDISTURBED, Kills, dummy_job, kill_hosts, kill_workers
from .recording_client import DUMMY, SERVE, RecordingClient, make_demo_job, make_job

STARTS, CANCELS, SETTLED = 10, 5, 10
Row = tuple[str, str, str, bool]  # what, figure, what must hold, whether it does


def main(arguments: Sequence[str]) -> int:
    options = make_parser().parse_args(arguments)
    if os.name == "nt":
        raise Problem("Windows has no SIGKILL for this bench to send.", "Run it on Linux.")
    settings = chosen_settings(options.set)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="motionclone-") as folder:
        os.environ["MOTIONCLONE_DATA"] = folder
        for row in measured(Path(folder), options, settings):
            rows.append(row)
            if not options.json:
                print("| " + " | ".join(row[:3]) + f" | {'yes' if row[3] else '**no**'} |", flush=True)
    if options.json:
        print(json.dumps([dict(zip(("what", "figure", "limit", "holds"), row)) for row in rows]))
    return 0 if all(row[3] for row in rows) else 1


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backend bench worker", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, count, what in (
        ("dummy-kills", 50, "dummy jobs, in each of which the worker is killed"),
        ("demo-kills", 5, "the same with the demo model"),
        ("hosts", 20, "hosts to kill"),
        ("soak", 200, "jobs with the demo model in one worker"),
    ):
        parser.add_argument(f"--{name}", type=int, default=count, metavar="N", help=f"{what} (default: %(default)s)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting for the demo model's jobs"
    )
    parser.add_argument(
        "--soak-set", action="append", default=[], metavar="KEY=VALUE", help="an additional setting for the soak test"
    )
    parser.add_argument("--json", action="store_true")
    return parser


def chosen_settings(texts: Sequence[str]) -> dict[str, str]:
    try:
        return dict(parse_assignment(text) for text in texts)
    except SettingError as error:
        raise Problem(error.text, "`--set` takes key=value; docs/method.md lists the settings.") from None


def measured(root: Path, options: argparse.Namespace, settings: dict[str, str]) -> Iterator[Row]:
    def demo_job(folder: Path, number: int) -> Path:
        return make_demo_job(folder, number, settings)

    soaked = settings | chosen_settings(options.soak_set)
    yield start_to_hello()
    yield cancel("dummy", DUMMY, make_job(root / "cancel dummy", steps=1000, seconds=0.1))
    yield cancel("demo", SERVE, make_demo_job(root / "cancel demo", 0, {"steps": 200}))
    for name, make, jobs, command in (
        ("dummy", dummy_job, options.dummy_kills, DUMMY),
        ("demo", demo_job, options.demo_kills, SERVE),
    ):
        if jobs:
            kills = kill_workers(root / f"kills {name}", make, jobs, command)
            yield kills_row(f"worker killed, {name} jobs", kills)
            if name == "demo":
                yield previews(root / f"kills {name}" / UNDISTURBED)
    if options.hosts:
        kills = kill_hosts(root / "hosts", options.hosts)
        yield kills_row("host killed, dummy jobs", kills)
        seconds = kills.seconds_left
        yield "its worker lives on after its job", f"at most {seconds:.2f} s", "5 s", seconds < 5
    if options.soak:
        yield from soak(root / "soak", options.soak, soaked)


def kills_row(what: str, kills: Kills) -> Row:
    figure = f"{kills.kills} kills: {kills.done} of {kills.jobs} done, {kills.same} as undisturbed, {kills.half} half"
    if kills.begun:
        figure += f"; {kills.begun} had a checkpoint to continue from"
    return what, figure, "all done, all as undisturbed, none half", kills.passed


def previews(jobs: Path) -> Row:
    """The share of previews in the time of the jobs in this folder."""
    shares = []
    for path in jobs.glob("*/result.json"):
        seconds = json.loads(path.read_text(encoding="utf-8"))["seconds"]
        whole = sum(seconds.values()) - seconds["previews"]  # they are a part of sampling
        shares.append(100 * seconds["previews"] / whole)
    figure = f"{statistics.median(shares):.1f} % of the job (at most {max(shares):.1f})"
    return "previews, demo jobs", figure, "3 %", max(shares) < 3


def start_to_hello() -> Row:
    seconds = []
    for _ in range(STARTS):
        began = time.monotonic()
        with RecordingClient(SERVE) as recorder:
            recorder.until(messages.Hello)
            seconds.append(time.monotonic() - began)
    return "start to Hello", spread(seconds), "1 s", statistics.median(seconds) < 1


def cancel(name: str, command: Sequence[str], folder: Path) -> Row:
    """Compares the time to cancel with the longest step, as reported by the worker."""
    chance, answers, ends, steps = random.Random(0), [], [], []
    with RecordingClient(command) as recorder:
        for _ in range(CANCELS):
            recorder.client.submit("a", folder)
            steps += _steps_seen(recorder, chance.uniform(0.5, 2))
            began = time.monotonic()
            recorder.client.cancel("a")
            recorder.until(messages.Progress, lambda m: m.stage == "cancelling")
            answers.append(time.monotonic() - began)
            recorder.until(messages.Cancelled, patience=SLOW)
            ends.append(time.monotonic() - began)
    limit = max(steps) + 0.5
    figure = f"answered after {spread(answers)}; ended after {spread(ends)}"
    return f"cancel, {name}", figure, f"a step ({max(steps):.2f} s) + 0.5 s", max(ends) < limit


def _steps_seen(recorder: RecordingClient, seconds: float) -> list[float]:
    """The durations of the running job's steps, watched for `seconds` and at least three steps."""
    took: list[float] = []
    first = recorder.until(messages.Progress, lambda m: m.stage == "sampling" and m.step > 2, patience=SLOW)
    began = before = time.monotonic()
    while time.monotonic() - began < seconds or len(took) < 3:
        message = recorder.until(messages.Progress, lambda m: m.stage == "sampling", patience=SLOW)
        now = time.monotonic()
        took.append((now - before) / max(1, message.step - first.step))
        first, before = message, now
    return took


def soak(root: Path, jobs: int, settings: dict[str, str]) -> Iterator[Row]:
    """Growth counts from the tenth job on, because caches fill until then."""
    seen = []
    with RecordingClient(SERVE) as recorder:
        for i in range(jobs):
            recorder.client.submit(f"job-{i}", make_demo_job(root / str(i), i, settings))
            end = recorder.until((messages.Done, messages.Failed), patience=SLOW)
            if isinstance(end, messages.Failed):
                raise Problem("Job {i} of the soak failed: {what}", end.hint).about(i=i, what=end.message)
            seen.append(held_by(recorder.client.pid))
    first, rest = seen[min(SETTLED, jobs) - 1], seen[min(SETTLED, jobs) - 1 :]
    what = f"soak, {jobs} demo jobs"
    growth = [100 * (now[0] / first[0] - 1) for now in rest]
    figure = f"{first[0] / 2**20:.0f} MiB after the tenth, {growth[-1]:+.1f} % at the end, {max(growth):+.1f} % at most"
    yield f"{what}: memory", figure, "2 % after the tenth", growth[-1] < 2
    for column, thing in ((1, "open files"), (2, "threads")):
        yield (
            f"{what}: {thing}",
            f"{first[column]}, then {rest[-1][column]}",
            "no more",
            rest[-1][column] <= first[column],
        )


def held_by(pid: int) -> tuple[int, int, int]:
    """Returns bytes in memory, open files and threads of a process. Raises Problem where the system does not report
    them."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        facts = dict(line.split(":", 1) for line in lines)
        files = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        raise Problem("This system does not tell what a process holds.", "Use --soak 0, or run it on Linux.") from None
    return int(facts["VmRSS"].split()[0]) * 1024, files, int(facts["Threads"])


def spread(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.2f} s (at most {max(seconds):.2f})"
