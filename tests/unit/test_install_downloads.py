"""Interrupted downloads of wheels: pip with a misbehaving index on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from install.environments import first_match
from install.failures import InstallError
from install.pip import RESUMING_DOWNLOADS, Pip
from install.reports import Report
from tests.install_kills import alone, make_wheels
from tests.installer_runs import ROOT
from tests.package_index import BLOCK, Index, serving

BIG = "torch-2.13.0+cpu-py3-none-any.whl"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> Path:
    """A large wheel and two small ones."""
    folder = tmp_path_factory.mktemp("offered whéels")
    make_wheels(folder, packages=2, files=3)
    return folder


@pytest.fixture
def index(wheels) -> Index:
    return Index(wheels)


@pytest.fixture
def kept(tmp_path) -> Path:
    return tmp_path / "kept ü"


def pip(index: Index, kept: Path, *more: str, lock: str = "torch.txt", to: str = "to") -> subprocess.Popen[str]:
    """Installs the packages of a lock into the folder `to`."""
    options = ["install", "--no-deps", "--target", str(kept.with_name(to)), "-r", str(index.folder / "locks" / lock)]
    with_hashes = ["--require-hashes"] if lock != "names.txt" else []
    return subprocess.Popen(
        [sys.executable, "-m", RESUMING_DOWNLOADS, str(kept), str(kept.parent), *options, *with_hashes, *more],
        cwd=ROOT,
        env=alone({"PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(index: Index, kept: Path, lock: str = "torch.txt", to: str = "to") -> tuple[int, str]:
    with serving(index) as address:
        process = pip(index, kept, "--index-url", address, lock=lock, to=to)
        said, _ = process.communicate(timeout=600)
    return process.returncode, said


def kill_within(index: Index, kept: Path, lock: str = "torch.txt") -> Path:
    """Kills pip while it downloads the large wheel. Returns what is kept of it."""
    index.pause = 0.05
    with serving(index) as address:
        process = pip(index, kept, "--index-url", address, lock=lock)
        deadline = time.monotonic() + 600
        while index.sent < 4 * BLOCK or not list(kept.glob("torch*.part")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    index.pause, index.sent = 0.0, 0
    index.asked.clear()
    return next(kept.glob("torch*.part"))


def installed(kept: Path, to: str = "to") -> bool:
    return (kept.with_name(to) / "torch" / "data11.bin").stat().st_size == 100_000


posix = pytest.mark.skipif(os.name != "posix", reason="SIGKILL")


def test_a_wheel_is_kept_whole_and_not_asked_for_again(index, kept):
    assert run(index, kept)[0] == 0 and (kept / BIG).read_bytes() == (index.folder / BIG).read_bytes()
    sent = index.sent
    code, said = run(index, kept, to="again")
    assert code == 0 and installed(kept, "again") and "Using cached" in said and index.sent == sent


@posix
@pytest.mark.parametrize("mark", ["ETag", "Last-Modified", ""])
def test_a_killed_download_goes_on_where_it_stopped(index, kept, mark):
    index.mark = mark
    there = kill_within(index, kept).stat().st_size
    code, said = run(index, kept)
    assert code == 0 and installed(kept) and f"Continuing {BIG}" in said
    assert there > BLOCK and (f"/files/{BIG}", f"bytes={there - 1}-") in index.asked
    assert [path.name for path in kept.glob("*.whl*")] == [BIG]


@posix
@pytest.mark.parametrize("other", [{"ranges": False}, {"version": "2"}])
def test_a_server_that_cannot_go_on_or_has_another_file_sends_all(index, kept, other):
    kill_within(index, kept)
    for name, value in other.items():
        setattr(index, name, value)
    code, said = run(index, kept)
    assert code == 0 and installed(kept) and "Going on" not in said
    assert index.sent >= (index.folder / BIG).stat().st_size


def test_what_neither_mark_nor_hash_tells_apart_is_not_kept(index, kept):
    index.mark = ""
    (index.folder / "locks" / "names.txt").write_text("torch\n")
    assert run(index, kept, "names.txt")[0] == 0 and not list(kept.glob("*.whl*"))


@posix
def test_a_whole_part_without_hashes_is_still_asked_for(index, kept):
    """Killed after the last byte: only the index can tell whether the content is correct."""
    (index.folder / "locks" / "names.txt").write_text("torch\n")
    assert run(index, kept, "names.txt")[0] == 0
    (part,) = kept.glob("*.whl*")
    assert part.suffix == ".part" and part.stat().st_size == (index.folder / BIG).stat().st_size
    index.sent = 0
    assert run(index, kept, "names.txt", "again")[0] == 0 and index.sent == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_a_line_that_is_cut_is_taken_up_again_where_the_server_can(index, kept, ranges):
    index.cuts, index.ranges = 3, ranges
    code, said = run(index, kept)
    assert (code == 0) == ranges, said
    assert not ranges or (installed(kept) and index.resumed() == 3)


def test_wrong_bytes_are_refused_and_forgotten(index, kept):
    index.wrong = 1
    code, said = run(index, kept)
    assert code and "DO NOT MATCH THE HASHES" in said and not list(kept.glob("*.whl*"))
    assert run(index, kept)[0] == 0 and installed(kept)


@pytest.fixture
def ours(tmp_path, index, monkeypatch) -> Iterator[Pip]:
    """The installer's pip, configured with the index."""
    with serving(index) as address:
        monkeypatch.setattr(os, "environ", alone({"PIP_INDEX_URL": address}))
        (tmp_path / "work").mkdir()
        yield Pip(tmp_path, Path(sys.executable), tmp_path / "work", Report())


def locked(index: Index) -> list[str]:
    lock = str(index.folder / "locks" / "torch.txt")
    return ["--no-deps", "--require-hashes", "-r", lock]


def to(ours: Pip) -> list[str]:
    return ["--target", str(ours.work / "to")]


@pytest.mark.parametrize("what", ["the beginning", "all"])
def test_a_download_that_was_damaged_between_two_runs_is_fetched_anew(ours, index, capsys, what):
    """Like after a power failure, which may leave zeros in a file."""
    if what == "all":
        assert run(index, ours.downloads)[0] == 0
    damaged = ours.downloads / BIG if what == "all" else kill_within(index, ours.downloads)
    with damaged.open("r+b") as file:
        file.seek(1000)
        file.write(bytes(1000))
    arguments = [*locked(index), *to(ours)]
    first_match([*ours.from_kept(arguments), arguments], ours.install)
    assert installed(ours.downloads) and "damaged and is downloaded again" in capsys.readouterr().out


def test_with_every_wheel_there_no_network_is_needed_and_with_one_missing_the_index_is_asked(ours, index):
    assert run(index, ours.downloads)[0] == 0
    index.down, index.asked[:] = True, []
    arguments = [*locked(index), *to(ours)]
    first_match([*ours.from_kept(arguments), arguments], ours.install)
    assert installed(ours.downloads) and not index.asked
    (ours.downloads / BIG).rename(ours.downloads / "other-1-py3-none-any.whl")
    index.down = False
    first_match([*ours.from_kept(arguments), arguments], ours.install)
    assert (ours.downloads / BIG).exists() and index.asked


@posix
def test_a_killed_download_into_a_folder_of_wheels_goes_on(ours, index, tmp_path):
    folder = tmp_path / "for others"
    kill_within(index, folder)
    ours.fetch(locked(index), folder)
    assert [path.name for path in folder.iterdir()] == [BIG] and index.resumed() == 1


def test_an_index_that_answers_with_errors_is_said(ours, index):
    index.down = True
    with pytest.raises(InstallError) as error:
        ours.install([*locked(index), *to(ours)])
    assert "127.0.0.1 has no build" in error.value.message and "Try again later" in error.value.hint
