"""A worker that does not see the host's folders: files are transferred completely, or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.job_folder.lock import is_locked, unfinished
from backend.job_folder.state import read_state
from backend.wire import messages
from backend.wire.bundle import RESULTS
from backend.wire.client import ClientError, Lost
from backend.wire.encoding import PIECE_BYTES
from backend.wire.transfers import Transfers
from tests.systems import kill_group, link_folder
from tests.workers import COMMAND, PATIENCE, RecordingClient, make_job

HOST_SEES = {"job.json", "reference", "state.json", "preview", *RESULTS}


@pytest.fixture
def away(tmp_path_factory) -> Path:
    """The disks of the other machine."""
    folder = tmp_path_factory.mktemp("other machine")
    for name in ("data", "tmp"):
        (folder / name).mkdir()
    return folder


@pytest.fixture
def connect(away) -> Callable[..., RecordingClient]:
    """Connects to a worker on the other machine."""
    environment = os.environ | {"MOTIONCLONE_DATA": str(away / "data"), "TMPDIR": str(away / "tmp")}
    return lambda command=COMMAND: RecordingClient(command, environment=environment, remote=True)


def job_with_reference(folder: Path, size: int = 700_000, **settings) -> Path:
    make_job(folder, **settings)
    (folder / "reference").mkdir()
    for i, share in enumerate((0, 1, size)):
        (folder / "reference" / f"{i:04}.png").write_bytes(os.urandom(share))
    (folder / "reference" / ".DS_Store").write_bytes(b"not sent")
    (folder / "frame_start.txt").write_text("not sent either")
    return folder


def here(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def copies(away: Path) -> list[Path]:
    return list((away / "data" / "received").glob("*"))


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs a system with user namespaces for its own mounts")
def test_a_worker_that_sees_none_of_the_host_s_files(connect, away, tmp_path):
    """The host's folder is empty for the worker, so everything that comes back came over the connection."""
    folder = job_with_reference(tmp_path / "jobs" / "a", size=1_000_000, bytes=900_000)
    hidden = f"mount -t tmpfs none '{tmp_path}' && test -z \"$(ls -A '{tmp_path}')\" && exec {' '.join(COMMAND)}"
    with connect(["unshare", "-rm", "sh", "-c", hidden]) as recorder:
        recorder.client.submit("a", folder)
        assert is_locked(folder) and read_state(folder).state == "queued"
        assert recorder.until(messages.Progress, lambda m: m.stage == "sending").steps > 4
        recorder.until(messages.Queued)
        recorder.until(messages.Progress, lambda m: m.stage == "sampling")
        assert read_state(folder).state == "running"
        assert recorder.until(messages.Progress, lambda m: m.stage == "fetching").steps > 4
        assert recorder.until(messages.Done).device == "dummy" and not recorder.client.jobs
        assert read_state(folder).state == "done" and not is_locked(folder)
        assert (folder / "result.mp4").stat().st_size == 900_000
        assert {p.name for p in folder.iterdir()} <= HOST_SEES | {"frame_start.txt"}
        wait_for(lambda: not copies(away))


def test_each_piece_is_sent_once_and_in_order(tmp_path):
    sent, told = [], []
    transfers = Transfers(sent.append, told.append)
    transfers.add("a", job_with_reference(tmp_path / "a", size=3 * PIECE_BYTES))
    wait_for(lambda: sent)
    offer = sent.pop()
    for number in range(offer.pieces):
        transfers.receive(messages.Want("a", number))
    assert [piece.number for piece in sent] == list(range(offer.pieces)) and offer.pieces > 4
    assert [(m.stage, m.step, m.steps) for m in told] == [
        ("sending", number + 1, offer.pieces) for number in range(offer.pieces)
    ]
    transfers.receive(messages.Want("a", offer.pieces - 1))
    assert f"requested piece {offer.pieces - 1} instead of {offer.pieces}" in told[-1].message
    transfers.release_all()


def test_results_are_those_of_a_worker_that_shares_the_folders(connect, tmp_path):
    near = make_job(tmp_path / "near", seed=7, bytes=300_000)
    with RecordingClient() as recorder:
        recorder.client.submit("a", near)
        recorder.until(messages.Done)
    with connect() as recorder:
        far = [make_job(tmp_path / f"far {i}", seed=seed, bytes=300_000) for i, seed in enumerate((7, 8, 9))]
        for i, folder in enumerate(far):
            recorder.client.submit(f"job-{i}", folder)
        assert [recorder.until(messages.Done).job for _ in far] == ["job-0", "job-1", "job-2"]
    assert {k: v for k, v in here(far[0]).items()} == here(near)


def test_previews_come_over_the_line_while_the_job_runs(connect, tmp_path):
    folder = make_job(tmp_path / "a", steps=40, seconds=0.05)
    with connect() as recorder:
        recorder.client.submit("a", folder)
        first = recorder.until(messages.Preview)
        assert first.step < 40 and read_state(folder).state == "running"
        earlier = (folder / first.file).read_bytes()
        assert earlier[:4] == b"\x89PNG" and earlier[-8:-4] == b"IEND"
        later = recorder.until(messages.Preview)
        assert later.step > first.step
        recorder.until(messages.Done)
        assert (folder / later.file).read_bytes() != earlier and not is_locked(folder)


def is_sent(recorder: RecordingClient, job: str) -> bool:
    """Whether the job waits at the worker, so that it can be moved there."""
    try:
        recorder.client.move(job, 1)
    except ClientError:
        return False
    return True


def test_a_remote_job_fails_prints_and_is_cancelled_like_any_other(connect, away, tmp_path):
    with connect() as recorder:
        for name, prompt in (("a", "print"), ("b", "error"), ("c", "c"), ("d", "d"), ("e", "e")):
            steps = 1000 if name == "c" else 3
            recorder.client.submit(name, make_job(tmp_path / name, prompt, steps=steps))
        recorder.until(messages.Done, job="a")
        assert "printed to stdout" in (tmp_path / "a" / "log.txt").read_text()
        failed = recorder.until(messages.Failed, job="b")
        assert "ZeroDivisionError" in failed.message and failed.hint == f"The details are in {Path('b') / 'log.txt'}."
        assert "Traceback" in (tmp_path / "b" / "log.txt").read_text()
        assert read_state(tmp_path / "b").hint == failed.hint
        recorder.until(messages.Progress, lambda m: m.stage == "sampling" and m.step > 0, job="c")
        wait_for(lambda: is_sent(recorder, "e"))
        recorder.client.remove("e")
        recorder.until(messages.Removed, job="e")
        recorder.client.cancel("c")
        recorder.until(messages.Cancelled, job="c")
        recorder.until(messages.Done, job="d")
        assert read_state(tmp_path / "c").state == "cancelled" and not (tmp_path / "e" / "state.json").exists()
        assert not unfinished(tmp_path) and not any(is_locked(tmp_path / name) for name in "abcde")
        wait_for(lambda: not copies(away))


def test_a_job_that_ended_while_the_line_was_broken_is_given_back_and_not_run_again(connect, away, tmp_path):
    folder = make_job(tmp_path / "a", steps=5, seconds=0.2)
    with connect() as recorder:
        recorder.client.submit("a", folder)
        recorder.until(messages.Progress, lambda m: m.stage == "sampling" and m.step > 0)
        recorder.client.leave()
        wait_for(lambda: not recorder.client.alive)
    assert unfinished(tmp_path) == [folder] and not (folder / "result.json").exists()
    (copy,) = copies(away)
    assert read_state(copy).state == "done"
    with connect() as recorder:
        began = time.monotonic()
        recorder.client.submit("again", folder)
        recorder.until(messages.Done)
        assert time.monotonic() - began < 5 * 0.2 + 1
        assert not [m for m in recorder.received if isinstance(m, messages.Progress) and m.stage == "sampling"]
    assert (folder / "result.json").is_file() and not unfinished(tmp_path)


@pytest.mark.parametrize("direction", ["sending", "fetching"])
def test_a_transfer_that_breaks_is_never_taken_for_whole(connect, away, tmp_path, direction):
    """A connection with a megabyte per second is cut in the middle; then the transfer is repeated without a cut."""
    folder = job_with_reference(tmp_path / "a", size=1_500_000, bytes=1_500_000, steps=1)
    before = {"result.json": b"an earlier take's", "result.mp4": b"as well"}
    for name, content in before.items():
        (folder / name).write_bytes(content)
    with connect(slow_line(1_000_000)) as recorder:
        recorder.client.submit("a", folder)
        recorder.until(messages.Progress, lambda m: m.stage == direction and m.step >= 3)
        kill_group(recorder.client.pid)
        assert recorder.until(Lost).jobs == ("a",)
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert unfinished(tmp_path) == [folder] and not is_locked(folder)
    wait_for(lambda: all(not p.is_dir() or "." in p.name or read_state(p).state == "done" for p in copies(away)))
    with connect() as recorder:
        recorder.client.submit("b", folder)
        recorder.until(messages.Done)
    assert (folder / "result.mp4").stat().st_size == 1_500_000
    assert {p.name for p in folder.iterdir()} <= HOST_SEES | {"frame_start.txt"}


def test_neither_poll_nor_a_cancel_waits_for_a_transfer(connect, tmp_path):
    """Twenty megabytes over a connection with two per second: other commands still get through."""
    big = job_with_reference(tmp_path / "big", size=20_000_000)
    with connect(slow_line(2_000_000)) as recorder:
        recorder.until(messages.Hello)
        longest = 0.0
        began = time.monotonic()
        recorder.client.submit("big", big)
        longest = max(longest, time.monotonic() - began)
        recorder.client.submit("next", make_job(tmp_path / "next", steps=1))
        recorder.until(messages.Progress, lambda m: m.stage == "sending")
        with pytest.raises(ClientError, match="still being sent"):
            recorder.client.move("big", 0)
        for order, answer in (
            (recorder.client.ping, messages.Pong),
            (lambda: recorder.client.cancel("big"), messages.Cancelled),
        ):
            began = time.monotonic()
            order()
            while True:
                start = time.monotonic()
                heard = recorder.client.poll()
                longest = max(longest, time.monotonic() - start)
                if any(isinstance(message, answer) for message in heard):
                    break
                assert (
                    time.monotonic() - began < 3
                )  # two pieces of 350 kB are sent before it, twice over the connection
                time.sleep(0.005)
        assert longest < 0.5
        assert read_state(big).state == "cancelled" and not is_locked(big)
        recorder.until(messages.Done, job="next")


def test_what_cannot_be_sent_is_said(connect, away, tmp_path):
    odd, none = (make_job(tmp_path / name) for name in ("odd", "none"))
    (odd / "reference").mkdir()
    (odd / "reference" / "tüte.png").write_bytes(b"")
    (none / "job.json").unlink()
    with connect() as recorder:
        for folder in (odd, none):
            recorder.client.submit(folder.name, folder)
        assert "use only A-Z" in recorder.until(messages.Failed, job="odd").message
        assert "not include job.json" in recorder.until(messages.Refused, job="none").message
        assert not recorder.client.jobs and read_state(odd).state == "failed"
        recorder.client.submit("a", make_job(tmp_path / "a", steps=1000))
        with connect() as second, pytest.raises(ClientError, match="in use by another worker"):
            second.client.submit("a", tmp_path / "a")
        with pytest.raises(ClientError, match="not a valid job name"):
            recorder.client.submit("../a", odd)
        with pytest.raises(ClientError, match="cannot be written"):
            recorder.client.submit("b", tmp_path / "nowhere")


def test_a_link_is_not_sent(connect, away, tmp_path):
    folder = make_job(tmp_path / "a")
    link_folder(folder / "reference", away)
    with connect() as recorder:
        recorder.client.submit("a", folder)
        failed = recorder.until(messages.Failed, job="a")
        assert "is a link, which cannot be sent" in failed.message and failed.hint
        assert not recorder.client.jobs and read_state(folder).state == "failed"


RELAY = """
import os, subprocess, sys, threading, time
rate, command = float(sys.argv[1]), sys.argv[2:]
worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def carry(source, target):
    while data := os.read(source, 16384):
        time.sleep(len(data) / rate)
        while data:
            data = data[os.write(target, data):]
    os.close(target)
threading.Thread(target=carry, args=(0, worker.stdin.fileno()), daemon=True).start()
carry(worker.stdout.fileno(), 1)
os._exit(worker.wait())
"""


def slow_line(rate: float) -> list[str]:
    """A worker behind a connection with this many bytes per second in each direction."""
    return [sys.executable, "-c", RELAY, str(rate), *COMMAND]


def wait_for(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
