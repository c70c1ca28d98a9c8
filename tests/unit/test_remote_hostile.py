"""A hostile remote worker can fail its own jobs and nothing else: no file outside the folder, no full memory or disk,
no blocked tick, no harmful text."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from backend.job_folder.state import read_state
from backend.wire import messages, pipes
from backend.wire.bundle import BundleError, IncomingBundle
from backend.wire.client import Client, Lost
from backend.wire.pipes import MAX_AT_ONCE, MAX_UNHEARD, Budget, Inbox, Outbox
from tests.hostile_remote import TRICKS
from tests.workers import ROOT, Line, make_job

ENDS = (messages.Failed, messages.Done, messages.Cancelled, Lost)


def tricked(trick: str, folder: Path, seconds: float = 60.0) -> tuple[list, float]:
    """The messages about a job that such a worker accepted, and the longest poll."""
    command = [sys.executable, "-m", "tests.hostile_remote", trick]
    client, heard, longest = Client(command, ROOT, os.environ | {"FLOOD": "30000"}, remote=True), [], 0.0
    deadline = time.monotonic() + seconds
    try:
        client.submit("take", folder)
        while time.monotonic() < deadline and not any(isinstance(message, ENDS) for message in heard):
            began = time.monotonic()
            new = client.poll()
            longest = max(longest, time.monotonic() - began)
            assert len(new) <= MAX_AT_ONCE
            heard += new
            time.sleep(0.02)
    finally:
        client.close(0.2)
    return heard, longest


def size_of(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))


@pytest.fixture
def job(tmp_path) -> Path:
    return make_job(tmp_path / "jobs" / "take")


@pytest.mark.parametrize(
    ("trick", "words"),
    [
        ("offers", "offered its results twice"),
        ("huge_offer", "pieces exceed the limit of 10000 files"),
        ("wants", "requested piece 0 instead of 1"),
        ("wants_backwards", "requested piece 1000000 instead of 1"),
        ("huge_result", "0000.png is too large to display (30000 x 30000)"),
        ("foreign_result", "'blender.json' was not expected"),
        ("deep_line", "sent an invalid message"),
        ("endless_line", "sent an invalid message"),
        ("stderr_flood", "exited with code 3"),
    ],
)
def test_its_job_fails_in_a_sentence(job, trick, words):
    (job / "blender.json").write_text("mine")
    before, memory = size_of(job), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    heard, longest = tricked(trick, job)
    end = next(message for message in heard if isinstance(message, ENDS))
    assert words in end.message and "\x1b" not in end.message and longest < 0.5
    assert (job / "blender.json").read_text() == "mine" and size_of(job) - before < 100_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200_000  # KiB


def test_previews_are_small_pictures_of_one_name_now_and_then(job, monkeypatch):
    heard, _ = tricked("previews", job)
    assert size_of(job) < 1_000_000 and [p.name for p in (job / "preview").iterdir()] == ["strip.png"]
    assert {message.file for message in heard if isinstance(message, messages.Preview)} == {"preview/strip.png"}


def test_what_is_no_small_picture_is_no_preview(job):
    heard, _ = tricked("strange_previews", job)
    assert not (job / "preview").exists() and not [
        message for message in heard if isinstance(message, messages.Preview)
    ]


def test_links_in_the_folder_are_not_followed(job, tmp_path):
    secret, there = tmp_path / "secret", tmp_path / "there"
    secret.write_text("mine")
    there.mkdir()
    for name in ("state.json.part", "state.json"):
        (job / name).symlink_to(secret)
    (job / "preview").symlink_to(there)
    (job / ".arriving").symlink_to(there)
    tricked("previews", job)
    assert secret.read_text() == "mine" and not list(there.iterdir())


def test_words_are_only_words(job):
    heard, _ = tricked("words", job)
    failed = next(message for message in heard if isinstance(message, messages.Failed))
    assert failed.hint == "fdp.exehint" and len(failed.message) == 10_000
    assert read_state(job).message == failed.message
    for message in heard:
        assert not any(mark in str(message) for mark in ("\\x1b", "\x1b", "\u202e", "\\u202e", "\u200f"))
    assert {message.stage for message in heard if isinstance(message, messages.Progress) and message.steps == 2} == {
        "fdp.exesampling"
    }


def test_a_flood_of_words_is_no_long_tick(job):
    heard, longest = tricked("refusal_flood", job)
    assert longest < 0.5 and any(isinstance(message, messages.Refused) for message in heard)


def test_jobs_that_nobody_submitted_are_not_told_of(job):
    heard, longest = tricked("name_flood", job)
    assert longest < 0.5 and {getattr(message, "job", "take") for message in heard} == {"take"}


def test_progress_is_told_as_it_is_by_now_and_seldom_written(job, monkeypatch):
    began, writes = time.monotonic(), []
    from backend.wire import transfers

    real = transfers.write_state
    monkeypatch.setattr(transfers, "write_state", lambda *what: (writes.append(1), real(*what)))
    heard, longest = tricked("progress_flood", job)
    assert longest < 0.5 and len(writes) < 30 + 6 * (time.monotonic() - began)


def test_a_budget_allows_a_burst_and_then_so_many_a_second(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(pipes, "time", SimpleNamespace(monotonic=lambda: clock.now))
    budget = Budget(burst=3, per_second=2.0)
    assert [budget.allows() for _ in range(5)] == [True, True, True, False, False]
    clock.now += 0.4
    assert not budget.allows()
    clock.now += 0.2
    assert [budget.allows() for _ in range(2)] == [True, False]
    clock.now += 1000.0
    assert [budget.allows() for _ in range(5)] == [True, True, True, False, False]


def test_what_was_heard_is_bounded_and_the_last_word_comes_last():
    heard = Inbox()
    for number in range(300_000):
        heard.put(messages.Progress(f"{number % 3}", "sampling", number))
    first = heard.take()
    assert len(first) < 300 and first[-1].step == 299_999 and not heard.overflowed
    for _ in range(MAX_UNHEARD + 5):
        heard.put(messages.Refused("no"))
    heard.put(Lost("gone", ""), last=True)
    assert heard.overflowed
    taken = []
    while more := heard.take():
        assert len(more) <= MAX_AT_ONCE
        taken += more
    assert len(taken) == MAX_UNHEARD + 1 and isinstance(taken[-1], Lost)


def test_what_waits_for_a_worker_that_does_not_read_is_bounded(monkeypatch):
    monkeypatch.setattr(pipes, "MAX_UNSENT", 4 * 2**20)
    read, write = os.pipe()
    with os.fdopen(write, "wb", buffering=0) as pipe:
        outgoing = Outbox(pipe)
        for _ in range(20):
            outgoing.put(b"x" * 2**20)
        assert outgoing.overflowed
        os.close(read)
        outgoing.end(1.0)
        time.sleep(0.2)


def test_pieces_without_content_have_an_end(tmp_path):
    with pytest.raises(BundleError, match="limit of 10000 files"):
        IncomingBundle(tmp_path / "x", ("log.txt",), "0" * 64, 2**53)
    assert not (tmp_path / "x").exists()


def test_a_worker_takes_a_few_unfinished_offers_at_once(tmp_path, data_folder):
    with Line() as line:
        for number in range(300):
            line.say(messages.Offer(f"job-{number}", f"{number:064x}", 2))
        refused = [line.until(messages.Refused) for _ in range(292)]
        assert "8 jobs are being sent already" in refused[0].message
        assert len(list((data_folder / "received").iterdir())) == 8
        line.say(messages.Cancel("job-0"))
        line.until(messages.Cancelled, job="job-0")
        line.say(messages.Offer("job-x", "f" * 64, 2))
        line.until(messages.Want, job="job-x")


def test_every_trick_is_tried_here():
    text = Path(__file__).read_text(encoding="utf-8")
    assert [trick for trick in TRICKS if f'"{trick}"' not in text] == []
