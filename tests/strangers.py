"""`python -m tests.strangers`: tries untrusted input on the backend. The exit code is 1 if a check fails.

It uses job folders with links, named pipes and devices; model entries, headers and pictures that would fill the memory;
and a hostile remote worker (tests/hostile_remote.py). All files are in a temporary folder. Torch is not loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from backend.clips import read_clip, read_picture
from backend.job_folder.problem import Problem
from backend.job_folder.reading import UnfitFile, check_regular
from backend.job_folder.request import JobRequest, RequestError, Shot, read_request, write_request
from backend.job_folder.state import JobState, read_state, write_state
from backend.models.entry import read_entries
from backend.wire import messages
from backend.wire.client import Client, Lost
from backend.worker.one_job import claim
from tests.hostile_remote import TRICKS, png

ROOT = Path(__file__).parents[1]
SECONDS, TICK, MEMORY_MB, DISK_MB = 2.0, 0.5, 300, 2
WRITTEN = (
    "state.json",
    "log.txt",
    "result.json",
    "result.mp4",
    "checkpoint.safetensors",
    "worker.lock",
    "cancel.json",
    "result/0000.png",
)
ENTRIES = {
    "deep": "name = " + "[" * 20_000,
    "dotted": "a" + ".a" * 20_000 + " = 1",
    "digits": "name = " + "9" * 5000,
    "large": "name = '" + "x" * 2_000_000 + "'",
}
REQUESTS = {
    "deep": "[" * 500_000,
    "digits": '{"prompt": "x", "seed": ' + "9" * 5000 + "}",
    "seed 2^64": '{"prompt": "x", "shot": {"frames": 2, "fps": 24}, "seed": 18446744073709551616}',
    "half a surrogate": '{"prompt": "\\ud800"}',
}
Row = tuple[str, bool, str]  # the case, whether all checks passed, figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="floods of 30,000 messages instead of 300,000")
    os.environ["FLOOD"] = "30000" if parser.parse_args().quick else "300000"
    failed = tried = 0
    with tempfile.TemporaryDirectory(prefix="motionclone-strangers-") as folder:
        os.environ["MOTIONCLONE_DATA"] = f"{folder}/data"
        for what, holds, figures in chain(cases(Path(folder)), remotes(Path(folder))):
            tried, failed = tried + 1, failed + (not holds)
            print(f"{'holds ' if holds else 'FAILED'}  {what:52} {figures}", flush=True)
    print(f"{tried} cases, {failed} failed.")
    return int(failed > 0)


def strange(path: Path, kind: str, secret: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "sparse":
        path.touch()
        os.truncate(path, 4 << 30)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"link": secret, "device": "/dev/zero", "dangling": secret.with_name("nowhere")}[kind])
    return path


def cases(root: Path) -> Iterator[Row]:
    secret = root / "secret"
    secret.write_text("mine")

    def tried(what: str, kind: str, path: str, act: Callable[[Path], object], *refusals: type[Exception]) -> Row:
        """refusals: the errors that may be raised; none is required."""
        folder = Path(tempfile.mkdtemp(dir=root))
        strange(folder / path, kind, secret)
        began = time.monotonic()
        try:
            act(folder)
            holds = not refusals
        except refusals:
            holds = True
        seconds = time.monotonic() - began
        unharmed = secret.read_text() == "mine" and not (root / "nowhere").exists()
        return f"{what}: {path} as {kind}", holds and unharmed and seconds < SECONDS, f"{seconds:.2f} s"

    for kind in ("pipe", "link", "dangling", "device"):
        for path in (*WRITTEN, "preview/strip.png", "state.json.part"):
            yield tried("a job folder", kind, path, claim, Problem)
        for path in ("state.json", "state.json.part"):
            yield tried("a state is written", kind, path, lambda folder: write_state(JobState(), folder))
    for kind in ("pipe", "device", "sparse", "folder", "dangling"):
        yield tried("a state is read", kind, "state.json", read_state)
        yield tried("a request", kind, "job.json", read_request, RequestError)
        yield tried("a frame", kind, "a.png", lambda folder: read_picture(folder / "a.png"), Problem, FileNotFoundError)
        yield tried("a clip", kind, "a.mp4", lambda folder: read_clip(folder / "a.mp4"), Problem)
        yield tried("a file", kind, "a", lambda folder: check_regular(folder / "a", 1000), UnfitFile, FileNotFoundError)
    yield from contents(root)


def contents(root: Path) -> Iterator[Row]:
    models = root / "data" / "models"
    models.mkdir(parents=True)
    os.mkfifo(models / "pipe.toml")
    for name, text in ENTRIES.items():
        (models / f"{name}.toml").write_text(text)
    began = time.monotonic()
    entries, problems = read_entries()
    seconds = time.monotonic() - began
    yield f"{len(problems)} model entries that cannot be", len(problems) == 5 and "demo" in entries, f"{seconds:.2f} s"
    for name, text in REQUESTS.items():
        (root / "job.json").write_text(text)
        yield refused(f"a request: {name}", lambda: read_request(root))
    for width, height in ((30_000, 30_000), (2**31 - 1, 2**31 - 1), (10**8, 1)):
        (root / "a.png").write_bytes(png(width, height))
        yield refused(f"a picture of {width} x {height}", lambda: read_picture(root / "a.png"))


def refused(what: str, act: Callable[[], object]) -> Row:
    before, began, said = memory_mb(), time.monotonic(), ""
    try:
        act()
    except (Problem, RequestError) as error:
        said = str(error)
    seconds, grown = time.monotonic() - began, memory_mb() - before
    holds = bool(said) and len(said) < 1000 and seconds < SECONDS and grown < MEMORY_MB
    return what, holds, f"{seconds:.2f} s, {grown:.0f} MB more"


def remotes(root: Path) -> Iterator[Row]:
    """Each case runs in its own process, so that its memory can be measured."""
    for trick in sorted(TRICKS):
        job = root / "jobs" / trick
        job.mkdir(parents=True)
        write_request(JobRequest(prompt="x", shot=Shot(frames=2, fps=24.0)), job)
        code = f"import sys; from tests.strangers import host; host({trick!r}, sys.argv[1])"
        done = subprocess.run(
            [sys.executable, "-c", code, str(job)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            yield f"a remote worker: {trick}", False, done.stderr.strip()[-300:]
            continue
        found = json.loads(done.stdout)
        disk = sum(path.lstat().st_size for path in job.rglob("*")) / 1e6
        names = {path.name for path in job.iterdir()} - {"job.json", "state.json", "preview", "worker.lock"}
        holds = found["tick"] < TICK and found["memory"] < MEMORY_MB and disk < DISK_MB and not names
        figures = (
            f"longest tick {found['tick']:.3f} s, {found['memory']:.0f} MB more, {disk:.2f} MB on disk; {found['end']}"
        )
        yield f"a remote worker: {trick}", holds and found["plain"], figures


def host(trick: str, folder: str) -> None:
    """Prints the result of a job of such a worker."""
    before, longest, end, plain = memory_mb(), 0.0, "goes on", True
    client = Client([sys.executable, "-m", "tests.hostile_remote", trick], ROOT, remote=True)
    client.submit("take", Path(folder))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and end == "goes on":
        began = time.monotonic()
        heard = client.poll()
        longest = max(longest, time.monotonic() - began)
        plain = plain and not any(mark in repr(heard) for mark in ("\\x1b", "\\u202e", "\u202e"))
        end = next((m.message[:70] for m in heard if isinstance(m, messages.Failed | Lost)), end)
        time.sleep(0.02)
    client.close(0.2)
    print(json.dumps({"tick": longest, "memory": memory_mb() - before, "end": end, "plain": plain}))


def memory_mb() -> float:
    """The peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    sys.exit(main())
