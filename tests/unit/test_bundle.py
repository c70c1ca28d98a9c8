"""Files in pieces arrive unchanged, and nothing else is accepted."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from backend.job_folder.writing import is_link
from backend.wire import bundle as module
from backend.wire import messages
from backend.wire.bundle import INPUTS, BundleError, IncomingBundle, pack
from backend.wire.encoding import PIECE_BYTES, encode
from backend.worker.dummy_job import DummyEngine
from backend.worker.streams import Printed
from backend.worker.worker import Worker
from tests.systems import link_folder

SIZES = (0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES)


@pytest.fixture
def sent(tmp_path):
    folder = tmp_path / "sent"
    (folder / "reference" / "deeper").mkdir(parents=True)
    (folder / "job.json").write_bytes(b"{}")
    for i, size in enumerate(SIZES):
        (folder / "reference" / f"{i:04}.png").write_bytes(os.urandom(size))
    (folder / "reference" / "deeper" / "0.png").write_bytes(b"x")
    (folder / "result.mp4").write_bytes(b"not a job's to read")
    return pack(folder, INPUTS)


def carried(bundle, to: Path, change=lambda number, place, data: (number, place, data)) -> IncomingBundle:
    arrival = IncomingBundle(to, INPUTS, bundle.digest, bundle.pieces)
    for number in range(bundle.pieces):
        arrival.add(*change(number, *bundle.piece(number)))
    return arrival


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_files_arrive_as_they_were(sent, tmp_path):
    assert sent.pieces == 1 + 1 + sum(max(1, -(-size // PIECE_BYTES)) for size in SIZES)
    arrival = carried(sent, tmp_path / "come")
    assert arrival.is_complete()
    expected = {place: data for place, data in contents(sent.folder).items() if place != "result.mp4"}
    assert contents(tmp_path / "come") == expected
    (tmp_path / "home" / "reference").mkdir(parents=True)
    (tmp_path / "home" / "reference" / "9999.png").write_bytes(b"of an earlier one")
    arrival.move_into(tmp_path / "home", print)
    assert contents(tmp_path / "home") == expected and not (tmp_path / "come").exists()


def test_two_pieces_are_asked_for_at_a_time(sent, tmp_path):
    arrival = IncomingBundle(tmp_path / "come", INPUTS, sent.digest, sent.pieces)
    asked = [*arrival.wanted_first]
    for number in range(sent.pieces):
        assert number in asked and len(asked) - number <= 2
        asked += [n for n in [arrival.add(number, *sent.piece(number))] if n is not None]
    assert asked == [*range(sent.pieces)]


@pytest.mark.parametrize(
    "change",
    [
        lambda number, place, data: (number, place, "" if number == 5 else data),
        lambda number, place, data: (number, place, base64.b64encode(b"y").decode() if number == 1 else data),
        lambda number, place, data: (number, place.replace("0003", "0003x"), data),
    ],
    ids=["cut", "changed", "renamed"],
)
def test_what_changed_on_its_way_is_not_whole(sent, tmp_path, change):
    with pytest.raises(BundleError, match="changed during the transfer"):
        carried(sent, tmp_path / "come", change).is_complete()


def test_a_file_that_is_written_while_it_is_sent_is_noticed(sent, tmp_path):
    (sent.folder / "reference" / "0001.png").write_bytes(b"other")
    with pytest.raises(BundleError, match="changed during the transfer"):
        carried(sent, tmp_path / "come").is_complete()


def test_fewer_pieces_are_not_whole(sent, tmp_path):
    arrival = IncomingBundle(tmp_path / "come", INPUTS, sent.digest, sent.pieces)
    for number in range(sent.pieces - 1):
        arrival.add(number, *sent.piece(number))
        assert not arrival.is_complete()


PLACES = ["../x", "/x", "reference", "reference/../../x", "reference/con", "result.mp4", "state.json", "worker.lock"]
PIECES = some.tuples(
    some.integers(0, 3),
    some.sampled_from([*PLACES, "job.json", "reference/a.png", "reference/b.png", "reference/a.png/c"]) | some.text(),
    some.binary(max_size=9).map(lambda data: base64.b64encode(data).decode()),
)


@settings(max_examples=200, deadline=None)
@given(some.lists(PIECES, max_size=5))
def test_no_pieces_write_outside_of_their_folder(tmp_path_factory, pieces):
    outside = tmp_path_factory.mktemp("outside")
    arrival = IncomingBundle(outside / "come", INPUTS, "0" * 64, 4)
    for piece in pieces:
        try:
            arrival.add(*piece)
        except (BundleError, OSError):
            break
    assert {path.name for path in outside.iterdir()} == {"come"}
    assert {path.name for path in (outside / "come").iterdir()} <= {"job.json", "reference"}
    assert not any(path.is_symlink() for path in outside.rglob("*"))
    with pytest.raises((BundleError, AssertionError)):
        assert arrival.is_complete()


@pytest.mark.parametrize("limit", ["MAX_FILES", "MAX_BYTES"])
def test_limits_hold_on_both_sides(sent, tmp_path, monkeypatch, limit):
    monkeypatch.setattr(module, limit, 3)
    with pytest.raises(BundleError, match="too much to send"):
        pack(sent.folder, INPUTS)
    with pytest.raises(BundleError, match="More than"):
        carried(sent, tmp_path / "come")


def test_a_folder_for_what_comes_is_made_anew(sent, tmp_path):
    (tmp_path / "outside").mkdir()
    link_folder(tmp_path / "come", tmp_path / "outside")
    assert carried(sent, tmp_path / "come").is_complete()
    assert not list((tmp_path / "outside").iterdir()) and not is_link(tmp_path / "come")


@pytest.fixture
def worker(data_folder):
    """A function that sends a message to a worker and returns its answers."""
    said: list = []
    worker = Worker(DummyEngine(), said.append, Printed(), 60.0)

    def talk(message) -> list:
        said.clear()
        worker.take(encode(message))
        return list(said)

    return talk


def received(data_folder: Path) -> list[str]:
    return [path.name for path in (data_folder / "received").rglob("*")]


def test_a_worker_refuses_what_was_not_offered(worker, sent, data_folder):
    for message in (messages.Piece("a", 0, "job.json", ""), messages.Want("a", 0), messages.Taken("a")):
        (refused,) = worker(message)
        assert isinstance(refused, messages.Refused) and refused.job == "a"
    assert worker(messages.Offer("a", sent.digest, sent.pieces)) == [messages.Want("a", 0), messages.Want("a", 1)]
    assert "already a job" in worker(messages.Offer("a", sent.digest, sent.pieces))[0].message
    assert worker(messages.Piece("a", 0, *sent.piece(0))) == [messages.Want("a", 2)]
    (refused,) = worker(messages.Piece("a", 5, *sent.piece(5)))
    assert "Piece 5 arrived instead of piece 1 of" in refused.message and refused.job == "a"
    assert "were expected" in worker(messages.Piece("a", 1, *sent.piece(1)))[0].message
    assert not received(data_folder)


def test_a_worker_takes_no_wrong_bundle_for_a_job(worker, sent, data_folder):
    for pieces, digest in ((sent.pieces, "0" * 64), (1, sent.digest)):
        worker(messages.Offer("a", digest, pieces))
        for number in range(pieces):
            answer = worker(messages.Piece("a", number, *sent.piece(number)))
        assert "changed during the transfer" in answer[-1].message and not received(data_folder)
    assert "not include job.json" in worker(messages.Offer("a", "0" * 64, 0))[-1].message
    (sent.folder / "job.json").unlink()
    other = pack(sent.folder, INPUTS)
    worker(messages.Offer("a", other.digest, other.pieces))
    answers = [worker(messages.Piece("a", number, *other.piece(number))) for number in range(other.pieces)]
    assert "not include job.json" in answers[-1][-1].message and not received(data_folder)


def test_a_transfer_that_is_cancelled_leaves_nothing(worker, sent, data_folder):
    worker(messages.Offer("a", sent.digest, sent.pieces))
    worker(messages.Piece("a", 0, *sent.piece(0)))
    assert received(data_folder)
    assert worker(messages.Cancel("a")) == [messages.Cancelled("a")]
    assert not received(data_folder)
    for number in range(2):
        worker(messages.Offer("a", sent.digest, sent.pieces))
        assert worker(messages.Remove("a")) == [messages.Removed("a")], number


def test_copies_that_nobody_fetched_are_removed_after_a_week(worker, sent, data_folder):
    old, young = data_folder / "received" / ("a" * 64), data_folder / "received" / ("b" * 64)
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (1, 1))
    worker(messages.Offer("a", sent.digest, sent.pieces))
    assert not old.exists() and young.exists()
