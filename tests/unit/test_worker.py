"""The worker as a process: its queue, its folders, and how it handles errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from backend.bench.kills import alive
from backend.job.progress import Progress
from backend.job_folder.cancel_request import request_cancel
from backend.job_folder.lock import NAME as LOCK
from backend.job_folder.lock import unfinished
from backend.job_folder.state import JobState, read_state
from backend.wire import messages
from backend.wire.encoding import PIECE_BYTES, parse
from backend.wire.lines import Lines
from backend.worker.dummy_job import DummyEngine
from backend.worker.streams import Outbox, Printed
from backend.worker.worker import Worker
from tests.systems import WINDOWS
from tests.workers import COMMAND, ROOT, RecordingClient, make_job


@pytest.fixture
def recorder():
    with RecordingClient() as recorder:
        recorder.until(messages.Hello)
        yield recorder


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def test_hello_comes_at_once_and_without_torch():
    code = (
        "import sys; from backend.worker.dummy_job import DummyEngine; from backend.worker.engine import Engine\n"
        "from backend.worker.process import serve; serve(Engine(), 600)\n"
        "assert not {'torch', 'numpy', 'diffusers'} & set(sys.modules)"
    )
    best = 60.0
    for _ in range(3):
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.DEVNULL, check=True, capture_output=True
        )
        best = min(best, time.monotonic() - began)
    assert best < (10 if WINDOWS else 1)  # Windows starts programs slowly, and Wine more so


def test_jobs_run_in_order_and_one_that_fails_stops_nobody(recorder, tmp_path):
    prompts = ["a", "fail", "b", "error", "c"]
    for i, prompt in enumerate(prompts):
        recorder.client.submit(f"job-{i}", make_job(tmp_path / f"Auftrag {i} ü", prompt))
    ends = [recorder.until((messages.Done, messages.Failed)) for _ in prompts]
    assert [end.job for end in ends] == [f"job-{i}" for i in range(5)]
    assert [type(end) for end in ends] == [
        messages.Done,
        messages.Failed,
        messages.Done,
        messages.Failed,
        messages.Done,
    ]
    assert ends[1].message == "The dummy job failed, as its prompt asked." and ends[1].hint
    assert "ZeroDivisionError" in ends[3].message and str(tmp_path / "Auftrag 3 ü" / "log.txt") in ends[3].hint
    assert "Traceback" in (tmp_path / "Auftrag 3 ü" / "log.txt").read_text(encoding="utf-8")
    states = [read_state(tmp_path / f"Auftrag {i} ü") for i in range(5)]
    assert [state.state for state in states] == ["done", "failed", "done", "failed", "done"]
    assert states[1].message == ends[1].message
    assert not list(tmp_path.rglob(LOCK)) and not list(tmp_path.rglob("*.part"))
    assert result(tmp_path / "Auftrag 0 ü")["digest"] != result(tmp_path / "Auftrag 2 ü")["digest"]


def test_progress_names_stages_steps_and_the_time_that_is_left(recorder, tmp_path):
    recorder.client.submit("a", make_job(tmp_path / "a", steps=10, seconds=0.05))
    assert recorder.until(messages.Queued) == messages.Queued("a", 0)
    halfway = recorder.until(messages.Progress, lambda m: 0 < m.step < 10)
    assert halfway.stage == "sampling" and halfway.steps == 10
    assert 0.04 * (10 - halfway.step) < halfway.eta < 3
    assert recorder.until(messages.Done).device == "dummy"


def test_a_waiting_job_is_moved_cancelled_or_removed(recorder, tmp_path):
    for name in "abcde":
        recorder.client.submit(name, make_job(tmp_path / name, steps=30 if name == "a" else 1))
    recorder.until(messages.Queued, job="e")
    recorder.client.move("e", 0)
    assert [recorder.until(messages.Queued).job for _ in range(4)] == ["e", "b", "c", "d"]
    recorder.client.cancel("c")
    recorder.client.remove("d")
    recorder.client.remove("a")
    recorder.client.move("x", 1)
    assert recorder.until(messages.Cancelled).job == "c"
    assert recorder.until(messages.Removed).job == "d"
    assert "is running" in recorder.until(messages.Refused, job="a").message
    assert "job x is not in the queue" in recorder.until(messages.Refused).message
    assert [recorder.until(messages.Done).job for _ in range(3)] == ["a", "e", "b"]
    assert read_state(tmp_path / "c").state == "cancelled"
    assert not (tmp_path / "d" / "state.json").exists() and not unfinished(tmp_path)


def test_a_running_job_is_cancelled_within_a_step(recorder, tmp_path):
    recorder.client.submit("a", make_job(tmp_path / "a", steps=1000, seconds=0.1))
    recorder.client.submit("b", make_job(tmp_path / "b"))
    recorder.until(messages.Progress, lambda m: m.step > 0)
    began = time.monotonic()
    recorder.client.cancel("a")
    recorder.until(messages.Progress, lambda m: m.stage == "cancelling")
    recorder.until(messages.Cancelled, job="a")
    assert time.monotonic() - began < 0.1 + 0.5
    assert recorder.until(messages.Done).job == "b"
    assert read_state(tmp_path / "a").state == "cancelled" and not (tmp_path / "a" / "result.json").exists()


def test_what_a_job_prints_goes_to_its_log_and_never_into_the_protocol(recorder, tmp_path):
    recorder.client.submit("a", make_job(tmp_path / "a", "print"))
    recorder.client.submit("b", make_job(tmp_path / "b"))
    recorder.until(messages.Done, job="b")
    log = (tmp_path / "a" / "log.txt").read_text(encoding="utf-8")
    written = ("printed to stdout", "printed to stderr", "written to descriptor 1", "put by a native library")
    assert set(written) <= set(log.splitlines())
    assert (tmp_path / "b" / "log.txt").read_text(encoding="utf-8") == ""
    assert "printed to stdout" in recorder.client.stderr_tail and "printed to stderr" in recorder.client.stderr_tail


STARTS_ANOTHER = """
import subprocess, sys, time
from backend.worker.streams import take_pipes
take_pipes()
another = [sys.executable, "-c", "import sys, time; print(sys.stdin.read(), flush=True); time.sleep(60)"]
nobody = subprocess.DEVNULL
subprocess.Popen(another, close_fds=False)
subprocess.Popen(another, close_fds=False, stdin=nobody, stdout=nobody, stderr=nobody)
time.sleep(3)
"""


def test_what_a_job_starts_has_none_of_the_protocol_s_pipes():
    """A child that inherits everything possible outlives the worker, and the host still sees that the worker has
    ended."""
    worker = subprocess.Popen(
        [sys.executable, "-c", STARTS_ANOTHER],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert worker.stdin and worker.stdout
    began = time.monotonic()
    assert worker.stdout.read() == b"" and time.monotonic() - began < 50
    with pytest.raises(OSError):  # noqa: PT011 - EPIPE or EINVAL
        worker.stdin.write(b"x" * 2**20)
        worker.stdin.flush()
    assert worker.wait(10) == 0


def test_a_host_that_does_not_read_holds_up_no_job_and_fills_no_memory():
    """When the pipe is full, outdated messages are dropped; all others arrive once the host reads."""
    reading, writing = os.pipe()
    outbox, picture = Outbox(writing), "A" * (PIECE_BYTES // 3 * 4)
    for step in range(1000):
        outbox.send(messages.Piece("a", 0, "preview/strip.png", picture))
        outbox.send(messages.Preview("a", step, "preview/strip.png"))
        outbox.send(messages.Progress("a", "sampling", step, 1000))
    outbox.send(messages.Done("a"))
    lines, heard = Lines(), []
    while not heard or not isinstance(heard[-1], messages.Done):
        heard += [parse(line, messages.FROM_WORKER) for line in lines.feed(os.read(reading, 65536))]
    assert 0 < sum(isinstance(message, messages.Piece) for message in heard) < 10
    outbox.send(messages.Progress("b", "sampling", 1, 2))
    assert [parse(line, messages.FROM_WORKER).job for line in lines.feed(os.read(reading, 65536))] == ["b"]
    outbox.flush()
    os.close(reading)
    os.close(writing)


def test_an_earlier_run_s_preview_is_gone_when_a_job_begins(recorder, tmp_path):
    folder = make_job(tmp_path / "a", steps=0)
    (folder / "preview").mkdir()
    (folder / "preview" / "strip.png").write_bytes(b"of an earlier run")
    recorder.client.submit("a", folder)
    recorder.until(messages.Done)
    assert not (folder / "preview").exists()


@pytest.mark.parametrize("shift", [-1e6, 1e6])
def test_a_clock_that_is_set_changes_neither_the_time_that_is_left_nor_the_idle_time(tmp_path, monkeypatch, shift):
    """time.time() returns wrong values, so its use for durations would show."""
    told: list[JobState] = []
    now, asked = time.time(), [0]

    def jumping() -> float:
        asked[0] += 1
        return now + shift * asked[0]

    monkeypatch.setattr(time, "time", jumping)
    engine, folder = DummyEngine(), make_job(tmp_path / "a", steps=30, seconds=0.02)
    engine.run(folder, Progress(folder, told.append))
    left = [state.eta for state in told if state.eta is not None]
    assert left and all(0 <= eta < 30 for eta in left)
    said: list = []
    worker = Worker(engine, said.append, Printed(), idle_seconds=0.2)
    thread = threading.Thread(target=worker.work)
    thread.start()
    began = time.monotonic()
    wait_for(lambda: not engine.loaded)
    assert time.monotonic() - began >= 0.1
    worker.leave()
    thread.join()


def test_the_model_goes_on_request_and_after_an_idle_time(tmp_path):
    with RecordingClient([*COMMAND, "--idle", "0.3"]) as recorder:

        def loaded() -> str | None:
            recorder.client.ping()
            return recorder.until(messages.Pong).loaded

        recorder.client.submit("a", make_job(tmp_path / "a"))
        recorder.until(messages.Done)
        assert loaded() == "demo"
        recorder.client.unload()
        while loaded():
            time.sleep(0.01)
        recorder.client.submit("b", make_job(tmp_path / "b"))
        recorder.until(messages.Done)
        assert loaded() == "demo"
        deadline = time.monotonic() + 30
        while loaded():
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_host_that_goes_gets_its_running_job_done_and_the_others_offered(recorder, tmp_path):
    recorder.client.submit("a", make_job(tmp_path / "a", steps=20, seconds=0.02))
    recorder.client.submit("b", make_job(tmp_path / "b"))
    recorder.until(messages.Progress, lambda m: m.step > 0)
    assert not unfinished(tmp_path)
    recorder.client.leave()
    recorder.until(messages.Done, job="a")
    wait_for(lambda: not recorder.client.alive)
    assert read_state(tmp_path / "a").state == "done"
    assert unfinished(tmp_path) == [tmp_path / "b"]


HOST = """
import sys
from pathlib import Path
from backend.wire.client import Client
from tests.workers import COMMAND, ROOT
client, folders = Client(COMMAND, ROOT), [Path(name) for name in sys.argv[2:]]
for folder in folders:
    client.submit(folder.name, folder)
client.finish([folder.name for folder in folders][: int(sys.argv[1])])
client.leave()
print(client.pid)
"""


@pytest.mark.skipif(os.name == "nt", reason="what a process was cannot be asked so simply there")
@pytest.mark.parametrize("finish", [3, 1, 0])
def test_a_host_s_last_words_reach_the_worker(tmp_path, finish):
    """The host's process ends right after its last message, before the worker has read anything."""
    folders = [make_job(tmp_path / name) for name in "abc"]
    said = subprocess.run([sys.executable, "-c", HOST, str(finish), *map(str, folders)], cwd=ROOT, capture_output=True)
    pid = int(said.stdout)
    wait_for(lambda: not alive(pid))
    assert [read_state(folder).state for folder in folders] == ["done"] * finish + ["queued"] * (3 - finish)


def test_what_is_to_be_finished_is_stopped_all_the_same(recorder, tmp_path):
    for name in "ab":
        recorder.client.submit(name, make_job(tmp_path / name, steps=1000))
    recorder.until(messages.Progress, lambda m: m.step > 0)
    recorder.client.finish(["a", "b", "unknown"])
    recorder.client.submit("c", make_job(tmp_path / "c"))
    assert "shutting down" in recorder.until(messages.Refused).message
    recorder.client.close()
    assert not recorder.client.alive
    assert unfinished(tmp_path) == [tmp_path / "a", tmp_path / "b"]


def test_a_worker_that_nobody_talks_to_is_stopped_by_files_in_its_jobs_folders(recorder, tmp_path):
    """The running job and a waiting one are cancelled at once; the others are finished. No request outlives its job."""
    folders = {name: make_job(tmp_path / name, steps=3 if name == "c" else 1000, seconds=0.02) for name in "abcd"}
    request_cancel(folders["b"])
    for name, folder in folders.items():
        recorder.client.submit(name, folder)
    recorder.until(messages.Progress, lambda m: m.step > 0, job="a")
    recorder.client.finish(["a", "b", "c", "d"])
    recorder.client.leave()
    for number, name in enumerate("da"):
        (folders[name] / "cancel.json.0123456789ab.part").touch()  # left by a host that was killed
        request_cancel(folders[name])
        wait_for(lambda folder=folders[name]: read_state(folder).state == "cancelled")
        assert read_state(folders["a"]).state == ("running", "cancelled")[number]
    wait_for(lambda: read_state(folders["b"]).state == "running")  # the earlier content was about another run
    request_cancel(folders["b"])
    wait_for(lambda: not recorder.client.alive)
    assert [read_state(folder).state for folder in folders.values()] == ["cancelled"] * 2 + ["done", "cancelled"]
    assert not list(tmp_path.rglob("cancel.json*"))


NO_PIPES = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes among files")


@pytest.mark.parametrize("kind", ["link", pytest.param("pipe", marks=NO_PIPES), "folder", "large", "other"])
def test_what_is_no_request_stops_no_job(recorder, tmp_path, kind):
    folder, path = make_job(tmp_path / "a", steps=40, seconds=0.05), tmp_path / "a/cancel.json"
    recorder.client.submit("a", folder)
    recorder.until(messages.Progress, lambda m: m.step > 0)
    request_cancel(tmp_path)
    {
        "link": lambda: path.symlink_to(tmp_path / "cancel.json"),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "large": lambda: path.write_text((tmp_path / "cancel.json").read_text() + " " * 10_000),
        "other": lambda: path.write_text('{"cancel": 1, "run": "rm"}'),
    }[kind]()
    assert (
        recorder.until((messages.Done, messages.Failed, messages.Cancelled)).job == "a"
        and read_state(folder).state == "done"
    )


NO_FINISH = """
import runpy, sys
from backend.wire import messages
messages.TO_WORKER = tuple(kind for kind in messages.TO_WORKER if kind is not messages.Finish)
sys.argv = ["backend", "serve", "--dummy"]
runpy.run_module("backend", run_name="__main__")
"""


def test_an_older_worker_finishes_its_running_job(tmp_path):
    with RecordingClient([sys.executable, "-c", NO_FINISH]) as recorder:
        for name in "ab":
            recorder.client.submit(name, make_job(tmp_path / name, steps=20, seconds=0.02))
        recorder.until(messages.Progress, lambda m: m.step > 0)
        recorder.client.finish(["a", "b"])
        recorder.client.leave()
        assert "'finish'" in recorder.until(messages.Refused).message
        recorder.until(messages.Done, job="a")
        wait_for(lambda: not recorder.client.alive)
    assert unfinished(tmp_path) == [tmp_path / "b"]


@pytest.mark.parametrize(
    "ask", ["shutdown", pytest.param("SIGTERM", marks=pytest.mark.skipif(os.name == "nt", reason="no such signal"))]
)
def test_a_worker_that_is_closed_leaves_its_jobs_queued(recorder, tmp_path, ask):
    recorder.client.submit("a", make_job(tmp_path / "a", steps=1000))
    recorder.client.submit("b", make_job(tmp_path / "b"))
    recorder.until(messages.Progress, lambda m: m.step > 0)
    if ask == "shutdown":
        recorder.client.close()
    else:
        os.kill(recorder.client.pid, signal.SIGTERM)
    wait_for(lambda: not recorder.client.alive)
    assert read_state(tmp_path / "a").state == "queued"
    assert unfinished(tmp_path) == [tmp_path / "a", tmp_path / "b"]


def wait_for(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
