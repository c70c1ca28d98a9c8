"""Bounds hold where they are said to be, and nothing within them is refused."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
import torch

from backend.job_folder.lock import NAME, FolderLock, Occupied
from backend.job_folder.reading import MAX_DEPTH, UnfitJSON, parse_json
from backend.job_folder.writing import open_log
from backend.motion.location_masks import plain_regions
from backend.motion.semantic import semantic_loss
from backend.wire import pipes
from backend.wire.bundle import INPUTS, BundleError, pack


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_a_document_may_be_as_deep_as_the_bound_however_many_brackets_it_has():
    assert parse_json(b"[" + b",".join([nested(MAX_DEPTH - 1)] * 3) + b"]")
    assert parse_json(b'["' + b"[" * 1000 + b'"]') == ["[" * 1000]
    with pytest.raises(UnfitJSON, match=f"more than {MAX_DEPTH}"):
        parse_json(b"[" + b",".join([b"[]", nested(MAX_DEPTH)]) + b"]")


def test_what_was_written_to_a_worker_no_longer_counts_as_waiting(monkeypatch):
    """A worker that reads may be told any amount in its life."""
    monkeypatch.setattr(pipes, "MAX_UNSENT", 100_000)
    read, write = os.pipe()
    received = []

    def drain() -> None:
        while content := os.read(read, 65536):
            received.append(len(content))

    reader = threading.Thread(target=drain)
    reader.start()
    outbox, deadline = pipes.Outbox(os.fdopen(write, "wb", buffering=0)), time.monotonic() + 20
    for count in range(1, 21):
        outbox.put(b"x" * 60_000)
        while sum(received) < count * 60_000 and time.monotonic() < deadline:
            time.sleep(0.001)
    outbox.end(10.0)
    reader.join(10.0)
    os.close(read)
    assert sum(received) == 20 * 60_000 and not outbox.overflowed


def test_a_bundle_has_no_piece_before_its_first_or_after_its_last(tmp_path):
    (tmp_path / "job.json").write_bytes(b"{}")
    packed = pack(tmp_path, INPUTS)
    assert packed.pieces == 1 and packed.piece(0)[0] == "job.json"
    for number in (-1, 1):
        with pytest.raises(BundleError):
            packed.piece(number)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux shows open files so simply")
def test_a_log_that_is_also_another_s_file_is_let_go_of(tmp_path):
    (tmp_path / "theirs.txt").write_text("theirs")
    os.link(tmp_path / "theirs.txt", tmp_path / "log.txt")
    before = len(os.listdir("/proc/self/fd"))
    os.close(open_log(tmp_path))
    assert len(os.listdir("/proc/self/fd")) == before
    assert (tmp_path / "theirs.txt").read_text() == "theirs" and (tmp_path / "log.txt").stat().st_nlink == 1


@pytest.mark.parametrize("content", ["", "[]", '{"pid": "x"}'])
def test_a_lock_that_names_nobody_is_said_without_a_name(tmp_path, monkeypatch, content):
    monkeypatch.setattr("backend.job_folder.lock.SECONDS_TO_WAIT", 0.0)
    held = FolderLock(tmp_path)
    try:
        (tmp_path / NAME).write_text(content)
        with pytest.raises(Occupied) as refused:
            FolderLock(tmp_path)
        assert str(refused.value).endswith("is in use by another worker.")
    finally:
        held.release()


def test_looks_are_compared_region_by_region_or_as_whole_frames():
    """Two frames of two positions with keys of one number; the subject is the first position in one, the second in the
    other."""
    unguided, controlled = torch.tensor([[[1.0], [3.0]]] * 2), torch.tensor([[[5.0], [2.0]], [[6.0], [2.0]]])
    first, second = (plain_regions(torch.tensor([mask] * 2), (1, 2)) for mask in ([1.0, 0.0], [0.0, 1.0]))

    def loss(regions, kind="spatial", weight=2.0) -> float:
        keys = [{"layer": keys if kind == "spatial" else keys.transpose(0, 1)} for keys in (unguided, controlled)]
        return float(semantic_loss(*keys, {"layer": weight}, kind, regions and {"layer": regions}))

    whole = ((3.5 - 2) ** 2 + (4 - 2) ** 2) / 2
    assert loss(None) == loss(None, "temp") == pytest.approx(2 * whole)
    subject, background = (2 - 1) ** 2, ((5 - 3) ** 2 + (6 - 3) ** 2) / 2
    assert loss((first, second)) == loss((first, second), "temp") == pytest.approx(2 * (subject + background), rel=1e-3)
