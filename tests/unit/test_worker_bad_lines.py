"""Ten thousand invalid lines: each is refused with a message or executed, and no file is written outside the job
folders."""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from pathlib import Path

import pytest

from backend.wire import messages
from backend.wire.encoding import encode
from backend.wire.lines import MAX_BYTES, Lines
from backend.worker.dummy_job import DummyEngine
from backend.worker.streams import Printed
from backend.worker.worker import Worker
from tests.workers import Line, make_job

IDS = ["a", "b", "CON", "com1", "../a", "/etc", "", "x" * 65, "ü", "a.b", None, 7, [], "a\0"]
DIGESTS = ["0a" * 32, "0b" * 32]
PLACES = ["job.json", "reference/0000.png", "reference/../../x", "/x", "result.mp4", "state.json", "mask/nul.png"]
VALUES = [*IDS, *DIGESTS, *PLACES, "AAAA", -1, 0, 3, 2**80, 1.5, float("nan"), float("inf"), True, {}, [[]], "\ud800"]
OBEYED = messages.Queued | messages.Cancelled | messages.Removed | messages.Pong | messages.Want
KEYS = ["job", "folder", "position", "protocol", "digest", "pieces", "number", "file", "data", "x"]
KINDS = [*map(str.lower, (kind.__name__ for kind in (*messages.TO_WORKER, *messages.FROM_WORKER))), "", "exec", None, 3]


def strange_lines(sandbox: Path, count: int) -> list[bytes | None]:
    chance = random.Random(count)
    folders = [sandbox / "job", sandbox / "empty", sandbox / "link", sandbox / "gone", sandbox / "job" / ".." / "job"]
    values = [*VALUES, *map(str, folders), "/", "job", "../job", "C:\\job", "\\\\host\\share", "~", "/dev/null"]

    def line() -> bytes | None:
        content = {"kind": chance.choice(KINDS)}
        for key in chance.sample(KEYS, chance.randrange(5)):
            content[key] = chance.choice(values)
        text = json.dumps(content).encode()
        return chance.choice(
            [
                lambda: text,
                lambda: text,
                lambda: encode(messages.Submit(chance.choice("abc"), str(chance.choice(folders)))),
                lambda: encode(chance.choice([messages.Cancel, messages.Remove])(chance.choice("abcd"))),
                lambda: encode(chance.choice([messages.Cancel, messages.Remove])(chance.choice("abcd"))),
                lambda: encode(messages.Move(chance.choice("abc"), chance.randrange(9))),
                lambda: encode(messages.Offer(chance.choice("abcd"), chance.choice(DIGESTS), chance.randrange(4))),
                lambda: encode(messages.Want(chance.choice("abcd"), chance.randrange(4))),
                lambda: json.dumps(
                    {"kind": "piece", "job": chance.choice("abcd"), "number": chance.randrange(3)}
                    | {"file": chance.choice(PLACES), "data": chance.choice(["", "AAAA", "A"])}
                ).encode(),
                lambda: text[: chance.randrange(len(text))],
                lambda: chance.randbytes(chance.randrange(80)),
                lambda: text.replace(b'"', chance.choice([b"'", b"", b'""', b"\xff"]), chance.randrange(1, 5)),
                lambda: b"[" * 10_000 + b"]" * 10_000,
                lambda: b'{"a":' * 10_000,
                lambda: None,
            ]
        )()

    return [line() for _ in range(count)]


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(p): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.fixture
def sandbox(tmp_path) -> Path:
    for name in ("empty", "outside"):
        (tmp_path / name).mkdir()
    make_job(tmp_path / "job")
    make_job(tmp_path / "linked")
    (tmp_path / "linked" / "state.json").symlink_to(tmp_path / "outside" / "state.json")
    (tmp_path / "link").symlink_to(tmp_path / "linked")
    return tmp_path


def test_ten_thousand_strange_lines(sandbox, monkeypatch):
    monkeypatch.setattr("backend.job_folder.lock.SECONDS_TO_WAIT", 0.0)  # hundreds of them find their folder locked
    said: list = []
    worker = Worker(DummyEngine(), said.append, Printed(), 60.0)
    before = tree(sandbox)
    obeyed = refused = 0
    for line in strange_lines(sandbox, 10_000):
        said.clear()
        worker._leaving = False  # there are Shutdowns among the lines
        worker.take(line)
        for message in said:
            encode(message)
        refused += any(isinstance(message, messages.Refused) for message in said)
        obeyed += any(isinstance(message, OBEYED) for message in said)
    assert refused > 5000 and obeyed > 500
    for job in "abcd":
        worker.take(encode(messages.Cancel(job)))
    job = str(sandbox / "job") + os.sep
    assert {k: v for k, v in tree(sandbox).items() if not k.startswith(job)} == {
        k: v for k, v in before.items() if not k.startswith(job)
    }
    assert {p.name for p in (sandbox / "job").iterdir()} <= {"job.json", "state.json"}


def test_a_worker_lives_through_them_and_still_works(sandbox):
    """The same through real pipes, with broken newlines and a line without end."""
    with Line() as line_to_it:
        for line in strange_lines(sandbox, 500):
            if not any(kind in (line or b"") for kind in (b'"shutdown"', b'"finish"')):
                line_to_it.write(b"x" * (MAX_BYTES + 1) + b"\n" if line is None else line + b"\r\n")
        line_to_it.write(b"\0\n\n\xff\n" + b"y" * 3 * MAX_BYTES)
        line_to_it.write(b"\n")
        line_to_it.say(messages.Submit("honest", str(make_job(sandbox / "honest"))))
        line_to_it.until(messages.Done, job="honest")


def test_a_line_without_end_is_not_kept_in_memory():
    lines = Lines(most=100)
    tracemalloc.start()
    try:
        for _ in range(1000):
            assert not list(lines.feed(b"x" * 99))
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()
    assert list(lines.feed(b"\nnext\n")) == [None, b"next"]
