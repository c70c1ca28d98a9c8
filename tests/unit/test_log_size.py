"""Logs keep their beginning and their end, and never exceed a few megabytes, whoever writes to them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from backend.job_folder import log_size
from backend.job_folder.writing import open_log
from backend.wire import messages
from backend.wire.exit_reason import LogTail
from backend.worker.one_job import as_problem
from install import logs
from install.doctor import LOG_LINES
from tests.workers import RecordingClient, make_job

FIRST, LAST = b"the first words\n", b"the last words\n"


@pytest.fixture(params=["a job's", "the installer's"])
def shorten(request):
    return {"a job's": log_size.shorten, "the installer's": logs.shorten}[request.param]


def test_the_beginning_and_the_end_stay_and_what_is_left_out_is_said(tmp_path, shorten):
    log = tmp_path / "log.txt"
    log.write_bytes(FIRST + b"x" * 9_000_000 + b"\n" + LAST)
    shorten(log)
    content = log.read_bytes()
    assert content.startswith(FIRST) and content.endswith(LAST) and len(content) < 2.1 * 2**20
    assert content.count(log_size.LEFT_OUT) == 1 and logs.LEFT_OUT == log_size.LEFT_OUT
    shorten(log)
    assert log.read_bytes() == content


def test_what_is_short_enough_stays_as_it_is(tmp_path, shorten):
    log = tmp_path / "log.txt"
    for content in (b"", FIRST, b"x" * log_size.MAX_BYTES):
        log.write_bytes(content)
        shorten(log)
        assert log.read_bytes() == content


@pytest.mark.skipif(sys.platform == "win32", reason="Windows' links and pipes are others")
def test_a_log_elsewhere_is_left_alone(tmp_path):
    theirs, log = tmp_path / "theirs", tmp_path / "log.txt"
    theirs.write_bytes(b"y" * 9_000_000)
    for make in (lambda: log.symlink_to(theirs), lambda: os.link(theirs, log), lambda: os.mkfifo(log), log.mkdir):
        make()
        log_size.shorten(log)
        assert theirs.stat().st_size == 9_000_000
        log.rmdir() if log.is_dir() and not log.is_symlink() else log.unlink()
    log_size.shorten(log)
    assert not log.exists()


def test_nothing_of_what_others_append_meanwhile_is_lost_from_the_end(tmp_path, monkeypatch):
    """A child keeps writing numbered lines through its own descriptor; none of its last lines is missing."""
    monkeypatch.setattr(log_size, "SECONDS", 0.001)
    monkeypatch.setattr(log_size, "MAX_BYTES", 50_000)
    monkeypatch.setattr(log_size, "KEPT", 10_000)
    true, times = log_size._close_gap, []
    monkeypatch.setattr(log_size, "_close_gap", lambda *given: (times.append(given), true(*given)))
    code = "import os\nfor n in range(200_000): os.write(1, f'{n}\\n'.encode())"
    descriptor = open_log(tmp_path)
    with log_size.limited_log(tmp_path / "log.txt"):
        subprocess.run([sys.executable, "-c", code], stdout=descriptor, check=True)
    os.close(descriptor)
    content = (tmp_path / "log.txt").read_bytes()
    assert len(content) <= 50_000 and content.startswith(b"0\n1\n2\n") and content.count(log_size.LEFT_OUT) == 1
    assert len(times) > 1
    end = [int(line) for line in content.splitlines()[-500:]]
    assert end == list(range(200_000 - 500, 200_000))


def test_a_log_is_shortened_while_its_job_runs(tmp_path):
    log = tmp_path / "log.txt"
    with log_size.limited_log(log):
        descriptor = open_log(tmp_path)
        for _ in range(100):
            os.write(descriptor, b"x" * 100_000)
        deadline = time.monotonic() + 10
        while log.stat().st_size > log_size.MAX_BYTES and time.monotonic() < deadline:
            time.sleep(0.05)
        assert log.stat().st_size <= log_size.MAX_BYTES
        os.write(descriptor, LAST)
        os.close(descriptor)
    assert log.read_bytes().endswith(LAST)
    assert "log's watch" not in [thread.name for thread in threading.enumerate()]


def test_the_worker_bounds_what_earlier_runs_and_a_crash_s_traceback_leave(tmp_path):
    """An old, huge log, a job that fails unexpectedly, and one that crashes."""
    folder = make_job(tmp_path / "a", "error")
    (folder / "log.txt").write_bytes(FIRST + b"x" * 9_000_000)
    with RecordingClient() as recorder:
        recorder.client.submit("a", folder)
        assert "ZeroDivisionError" in recorder.until(messages.Failed).message
    content = (folder / "log.txt").read_bytes()
    assert content.startswith(FIRST) and b"ZeroDivisionError: as the prompt asked" in content[-500:]
    assert len(content) < log_size.MAX_BYTES


def test_an_error_with_endless_words_is_bounded_too(tmp_path):
    as_problem(ZeroDivisionError("x" * 9_000_000 + "the end"), tmp_path)
    content = (tmp_path / "log.txt").read_bytes()
    assert len(content) < log_size.MAX_BYTES and content.startswith(b"ZeroDivisionError") and b"the end" in content


def test_a_crash_s_last_words_are_found_in_a_log_that_was_shortened(tmp_path):
    log, tail = tmp_path / "log.txt", LogTail()
    log.write_bytes(b"x" * 3_900_000)
    tail.follow(tmp_path)
    log.write_bytes(log.read_bytes() + b"y" * 500_000 + b"std::bad_alloc\n")
    log_size.shorten(log)
    assert log.stat().st_size < 3_900_000 and tail.text.endswith("std::bad_alloc\n")


def test_the_installer_s_log_is_bounded_while_pip_talks(tmp_path):
    log = tmp_path / "install.log"
    logs.append(log, "$ pip install\n")
    for number in range(200):
        logs.append(log, f"{number} " + "x" * 50_000 + "\n")
        assert log.stat().st_size <= logs.MAX_BYTES
    logs.append(log, "ERROR: the reason \udce9\n")
    assert log.read_bytes().startswith(b"$ pip install\n")
    assert logs.last_lines(log, LOG_LINES)[-1] == "ERROR: the reason \\udce9"
    assert logs.last_lines(tmp_path / "none", 5) == []
