"""The host's side: a worker that cannot start, dies, hangs or speaks otherwise, and what the user is told of it."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from backend.wire import client as module
from backend.wire import messages as say
from backend.wire.client import Client, ClientError, Lost
from backend.wire.last_words import reason
from tests.workers import COMMAND, ROOT, Talk, make_job

POSIX = pytest.mark.skipif(os.name == "nt", reason="the signals are not those of Windows")


def speaker(code: str) -> list[str]:
    """A worker that does what `code` says."""
    return [sys.executable, "-c", f"import sys, time\n{code}"]


def test_a_worker_that_cannot_start(tmp_path):
    with pytest.raises(ClientError, match="cannot be started"):
        Client([str(tmp_path / "no python")], ROOT)


def test_a_worker_that_is_no_worker_is_lost_with_its_last_words():
    with Talk(speaker("print('No module named backend', file=sys.stderr); sys.exit(1)")) as talk:
        lost = talk.until(Lost)
        assert lost.message == "The worker ended with exit code 1: No module named backend" and lost.hint
        with pytest.raises(ClientError, match="has ended"):
            talk.client.ping()


@pytest.mark.parametrize(
    "prints, words",
    [
        ('{"kind": "hello", "protocol": 2, "version": "9", "news": []}', "speaks protocol 2, this one 1"),
        ("Welcome to farm-7!", "is not JSON"),
        ('{"kind": "submit", "job": "a", "folder": "/"}', "no kind of message here"),
    ],
)
def test_what_is_not_understood_ends_the_worker(prints, words):
    with Talk(speaker(f"print({prints!r}, flush=True); time.sleep(60)")) as talk:
        lost = talk.until(Lost)
        assert words in lost.message and "same version" in lost.hint
        assert not talk.client.alive


@POSIX
@pytest.mark.parametrize("number, words", [("SIGKILL", "memory ran out"), ("SIGSEGV", "ended by SIGSEGV")])
def test_a_dead_worker_is_told_within_a_second_with_its_jobs(tmp_path, number, words):
    with Talk() as talk:
        for name in "ab":
            talk.client.submit(name, make_job(tmp_path / name, steps=1000))
        talk.until(say.Progress, lambda m: m.step > 0)
        os.kill(talk.client.pid, getattr(signal, number))
        began = time.monotonic()
        lost = talk.until(Lost)
        assert time.monotonic() - began < 1
        assert words in lost.message and lost.jobs == ("a", "b") and not talk.client.jobs


@pytest.mark.parametrize(
    "prompt, words", [("crash", "exit code 3"), ("oom", "ran out of memory"), ("abort", "ran out of memory")]
)
def test_a_job_that_takes_the_worker_with_it(tmp_path, prompt, words):
    with Talk() as talk:
        folder = make_job(tmp_path / "a", prompt)
        if prompt == "crash":
            (folder / "log.txt").write_text("out of memory, when it was tried before\n")
        talk.client.submit("a", folder)
        lost = talk.until(Lost)
        assert words in lost.message and lost.jobs == ("a",)


@pytest.mark.parametrize(
    "code, tail, words",
    [
        (1, "torch.OutOfMemoryError: CUDA out of memory. Tried", "ran out of memory"),
        (0xC0000017, "", "ran out of memory"),
        (-6, "terminate called after throwing an instance of 'std::bad_alloc'", "ran out of memory"),
        (137, "", "memory ran out"),
        (255, "ssh: connect to host farm-7 port 22: Connection refused", "farm-7 port 22: Connection refused"),
        (1, "out of memory in an earlier job" + "\nline" * 50, "exit code 1: line"),
        (-99, "", "signal 99"),
        (0, "", "exit code 0"),
    ],
)
def test_reasons(code, tail, words):
    message, hint = reason(code, tail)
    assert words in message and hint


@POSIX
def test_a_worker_that_does_not_answer_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_TO_ANSWER", 0.3)
    monkeypatch.setattr(module, "SECONDS_TO_LEAVE", 0.3)
    with Talk() as talk:
        talk.client.submit("a", make_job(tmp_path / "a", steps=1000))
        talk.until(say.Progress, lambda m: m.step > 0)
        os.kill(talk.client.pid, signal.SIGSTOP)
        os.waitpid(talk.client.pid, os.WUNTRACED)  # on a busy machine its threads go on for a while
        talk.client.poll()
        talk.client.cancel("a")
        lost = talk.until(Lost)
        assert "did not answer" in lost.message and lost.jobs == ("a",) and not talk.client.alive


def test_a_worker_in_a_long_step_is_not_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_TO_ANSWER", 0.3)
    with Talk() as talk:
        talk.client.submit("a", make_job(tmp_path / "a", steps=3, seconds=1.5))
        talk.until(say.Progress, lambda m: m.stage == "sampling")
        talk.client.cancel("a")
        assert talk.until((say.Cancelled, Lost)) == say.Cancelled("a")


def test_closing_a_deaf_worker_takes_its_time_but_ends_it(tmp_path):
    with Talk() as talk:
        talk.client.submit("a", make_job(tmp_path / "a", "hang"))
        talk.until(say.Progress, lambda m: m.stage == "sampling")
        time.sleep(0.2)
        began = time.monotonic()
        talk.client.close(0.3)
        assert time.monotonic() - began < 5 and not talk.client.alive


def test_nothing_waits_for_a_worker_that_does_not_read(tmp_path):
    with Talk(speaker("time.sleep(60)")) as talk:
        began = time.monotonic()
        for i in range(2000):
            talk.client.submit(f"job-{i}", tmp_path / ("x" * 200))
        talk.client.poll()
        assert time.monotonic() - began < 5
        talk.client.close(0.2)
        assert not talk.client.alive


def test_what_cannot_be_sent_is_said_at_once(tmp_path):
    with Talk() as talk:
        for job in ("../a", "NUL", ""):
            with pytest.raises(ClientError, match="cannot name a job"):
                talk.client.submit(job, tmp_path)
        talk.client.submit("a", make_job(tmp_path / "a", steps=1000))
        with pytest.raises(ClientError, match="submitted already"):
            talk.client.submit("a", tmp_path / "a")
        talk.client.submit("b", tmp_path / "nowhere")
        talk.until(say.Refused, job="b")
        assert list(talk.client.jobs) == ["a"]
        talk.client.move("a", 0)
        talk.until(say.Refused, job="a")
        assert list(talk.client.jobs) == ["a"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux shows its open files so simply")
def test_a_hundred_jobs_leave_no_file_open(tmp_path):
    with Talk(COMMAND) as talk:
        counts = []
        for i in range(100):
            talk.client.submit(f"job-{i}", make_job(tmp_path / str(i), steps=1, seconds=0))
            talk.until(say.Done)
            counts.append(len(os.listdir(f"/proc/{talk.client.pid}/fd")))
        assert counts[-1] <= counts[9]
