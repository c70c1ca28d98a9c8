"""The host's side: a worker that cannot start, dies, hangs or sends something else, and what the user sees."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from backend.wire import client as module
from backend.wire import messages
from backend.wire.client import Client, ClientError, Lost
from backend.wire.exit_reason import reason
from tests.workers import COMMAND, ROOT, RecordingClient, make_job

POSIX = pytest.mark.skipif(os.name == "nt", reason="the signals are not those of Windows")


def speaker(code: str) -> list[str]:
    """A worker that runs `code`."""
    return [sys.executable, "-c", f"import sys, time\n{code}"]


def test_a_worker_that_cannot_start(tmp_path):
    with pytest.raises(ClientError, match="cannot be started"):
        Client([str(tmp_path / "no python")], ROOT)


def test_a_worker_that_is_no_worker_is_lost_with_its_last_words():
    with RecordingClient(speaker("print('No module named backend', file=sys.stderr); sys.exit(1)")) as recorder:
        lost = recorder.until(Lost)
        assert lost.message == "The worker exited with code 1: No module named backend" and lost.hint
        with pytest.raises(ClientError, match="has ended"):
            recorder.client.ping()


@pytest.mark.parametrize(
    "prints, words",
    [
        ('{"kind": "hello", "protocol": 3, "version": "9", "news": []}', "uses protocol 3, this one 2"),
        ("Welcome to farm-7!", "is not valid JSON"),
        ('{"kind": "submit", "job": "a", "folder": "/"}', "not a known kind of message"),
    ],
)
def test_what_is_not_understood_ends_the_worker(prints, words):
    with RecordingClient(speaker(f"print({prints!r}, flush=True); time.sleep(60)")) as recorder:
        lost = recorder.until(Lost)
        assert words in lost.message and "same version" in lost.hint
        assert not recorder.client.alive


@POSIX
@pytest.mark.parametrize("number, words", [("SIGKILL", "memory ran out"), ("SIGSEGV", "stopped by SIGSEGV")])
def test_a_dead_worker_is_told_within_a_second_with_its_jobs(tmp_path, number, words):
    with RecordingClient() as recorder:
        for name in "ab":
            recorder.client.submit(name, make_job(tmp_path / name, steps=1000))
        recorder.until(messages.Progress, lambda m: m.step > 0)
        os.kill(recorder.client.pid, getattr(signal, number))
        began = time.monotonic()
        lost = recorder.until(Lost)
        assert time.monotonic() - began < 1
        assert words in lost.message and lost.jobs == ("a", "b") and not recorder.client.jobs


@pytest.mark.parametrize(
    "prompt, words", [("crash", "exited with code 3"), ("oom", "ran out of memory"), ("abort", "ran out of memory")]
)
def test_a_job_that_takes_the_worker_with_it(tmp_path, prompt, words):
    with RecordingClient() as recorder:
        folder = make_job(tmp_path / "a", prompt)
        if prompt == "crash":
            (folder / "log.txt").write_text("out of memory, when it was tried before\n")
        recorder.client.submit("a", folder)
        lost = recorder.until(Lost)
        assert words in lost.message and lost.jobs == ("a",)


@pytest.mark.parametrize(
    "code, tail, words",
    [
        (1, "torch.OutOfMemoryError: CUDA out of memory. Tried", "ran out of memory"),
        (0xC0000017, "", "ran out of memory"),
        (-6, "terminate called after throwing an instance of 'std::bad_alloc'", "ran out of memory"),
        (137, "", "memory ran out"),
        (255, "ssh: connect to host farm-7 port 22: Connection refused", "farm-7 port 22: Connection refused"),
        (1, "out of memory in an earlier job" + "\nline" * 50, "exited with code 1: line"),
        (-99, "", "signal 99"),
        (0, "", "exited with code 0"),
    ],
)
def test_reasons(code, tail, words):
    message, hint, repair = reason(code, tail)
    assert words in message and hint and bool(repair) == ("memory" in message)


@POSIX
def test_a_worker_that_does_not_answer_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_TO_ANSWER", 0.3)
    monkeypatch.setattr(module, "SECONDS_TO_LEAVE", 0.3)
    with RecordingClient() as recorder:
        recorder.client.submit("a", make_job(tmp_path / "a", steps=1000))
        recorder.until(messages.Progress, lambda m: m.step > 0)
        os.kill(recorder.client.pid, signal.SIGSTOP)
        os.waitpid(recorder.client.pid, os.WUNTRACED)  # on a busy machine its threads continue for a while
        recorder.client.poll()
        recorder.client.cancel("a")
        lost = recorder.until(Lost)
        assert "did not respond" in lost.message and lost.jobs == ("a",) and not recorder.client.alive


def test_a_worker_in_a_long_step_is_not_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_TO_ANSWER", 0.3)
    with RecordingClient() as recorder:
        recorder.client.submit("a", make_job(tmp_path / "a", steps=3, seconds=1.5))
        recorder.until(messages.Progress, lambda m: m.stage == "sampling")
        recorder.client.cancel("a")
        assert recorder.until((messages.Cancelled, Lost)) == messages.Cancelled("a")


def test_closing_a_deaf_worker_takes_its_time_but_ends_it(tmp_path):
    with RecordingClient() as recorder:
        recorder.client.submit("a", make_job(tmp_path / "a", "hang"))
        recorder.until(messages.Progress, lambda m: m.stage == "sampling")
        time.sleep(0.2)
        began = time.monotonic()
        recorder.client.close(0.3)
        assert time.monotonic() - began < 5 and not recorder.client.alive


def test_nothing_waits_for_a_worker_that_does_not_read(tmp_path):
    with RecordingClient(speaker("time.sleep(60)")) as recorder:
        began = time.monotonic()
        for i in range(2000):
            recorder.client.submit(f"job-{i}", tmp_path / ("x" * 200))
        recorder.client.poll()
        assert time.monotonic() - began < 5
        recorder.client.close(0.2)
        assert not recorder.client.alive


def test_what_cannot_be_sent_is_said_at_once(tmp_path):
    with RecordingClient() as recorder:
        for job in ("../a", "NUL", ""):
            with pytest.raises(ClientError, match="not a valid job name"):
                recorder.client.submit(job, tmp_path)
        recorder.client.submit("a", make_job(tmp_path / "a", steps=1000))
        with pytest.raises(ClientError, match="already been submitted"):
            recorder.client.submit("a", tmp_path / "a")
        recorder.client.submit("b", tmp_path / "nowhere")
        recorder.until(messages.Refused, job="b")
        assert list(recorder.client.jobs) == ["a"]
        recorder.client.move("a", 0)
        recorder.until(messages.Refused, job="a")
        assert list(recorder.client.jobs) == ["a"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux shows its open files so simply")
def test_a_hundred_jobs_leave_no_file_open(tmp_path):
    with RecordingClient(COMMAND) as recorder:
        counts = []
        for i in range(100):
            recorder.client.submit(f"job-{i}", make_job(tmp_path / str(i), steps=1, seconds=0))
            recorder.until(messages.Done)
            counts.append(len(os.listdir(f"/proc/{recorder.client.pid}/fd")))
        assert counts[-1] <= counts[9]
