"""Files that may come from strangers are written without following links and read with checks."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path

import pytest

from backend.job_folder import writing
from backend.job_folder.lock import FolderLock, is_locked
from backend.job_folder.plain_text import clean
from backend.job_folder.reading import UnfitFile, UnfitJSON, open_regular, parse_json, read_bytes, read_json
from backend.job_folder.results import movie_of
from backend.job_folder.writing import (
    PART,
    make_folder,
    new_part,
    put_in_place,
    remove_parts,
    replaced,
    write_atomically,
    write_json,
)
from tests.systems import link

POSIX = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


def test_a_link_in_the_place_is_replaced_and_its_target_left_alone(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    for path in (link(tmp_path / "state.json", secret), link(tmp_path / "dead", tmp_path / "nowhere")):
        write_atomically(path, "new")
        assert path.read_text() == "new" and not path.is_symlink()
    assert secret.read_text() == "mine" and not (tmp_path / "nowhere").exists()


def test_a_link_under_the_old_fixed_name_is_not_written_through(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    planted = link(tmp_path / "state.json.part", secret)
    write_json(tmp_path / "state.json", {"a": "é"})
    assert secret.read_text() == "mine" and planted.is_symlink()
    assert (tmp_path / "state.json").read_bytes() == '{\n  "a": "é"\n}\n'.encode()


def test_a_name_that_was_guessed_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(writing.secrets, "token_hex", lambda _: "0" * 12)
    secret = tmp_path / "secret"
    secret.write_text("mine")
    link(tmp_path / f"a.{'0' * 12}.part", secret)
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "a", "new")
    assert secret.read_text() == "mine" and not (tmp_path / "a").exists()


def test_what_cannot_be_written_whole_leaves_the_old_and_no_part(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replaced(path, durable=True) as file:
        file.write(b"half")
        raise ZeroDivisionError
    with pytest.raises(ValueError):
        write_json(path, float("nan"))
    with pytest.raises(OSError):
        write_atomically(tmp_path / "none" / "a", b"")
    with new_part(path) as part:
        part.write_text("never put into its place")
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a"]


def test_files_are_made_with_the_user_s_own_rights(tmp_path):
    (tmp_path / "usual").touch()
    write_atomically(tmp_path / "a", b"")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_a_folder_that_is_a_link_is_not_entered(tmp_path):
    (tmp_path / "there").mkdir()
    link(tmp_path / "preview", tmp_path / "there")
    with pytest.raises(OSError, match="link"):
        make_folder(tmp_path / "preview")
    make_folder(tmp_path / "there")
    make_folder(tmp_path / "new")
    assert (tmp_path / "new").is_dir()


def held_open(monkeypatch, *names: str, seconds: float = 1000.0) -> list[str]:
    """Makes files with these names behave as on Windows while another program has them open."""
    real, until, tried = os.replace, time.monotonic() + seconds, []

    def replace(source, target):
        tried.append(Path(target).name)
        if Path(target).name in names and time.monotonic() < until:
            raise PermissionError(13, "The process cannot access the file", str(source))
        real(source, target)

    monkeypatch.setattr(writing.os, "replace", replace)
    monkeypatch.setattr(writing, "SECONDS_TO_RETRY", 0.5)
    return tried


def test_a_file_that_is_open_for_a_moment_is_waited_for(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")
    tried = held_open(monkeypatch, "a", seconds=0.2)
    write_atomically(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new" and len(tried) > 2


def test_one_that_stays_open_is_an_error_for_what_has_one_name(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")
    held_open(monkeypatch, "a")
    with pytest.raises(PermissionError):
        write_atomically(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_and_gives_what_took_long_another_name_which_is_said(tmp_path, monkeypatch):
    held_open(monkeypatch, "result.mp4")
    said: list[str] = []
    (tmp_path / "result.mp4").write_text("old")
    for expected in ("result-2.mp4", "result-3.mp4"):
        part = tmp_path / "new"
        part.write_text(expected)
        assert put_in_place(part, tmp_path / "result.mp4", said.append) == tmp_path / expected
        assert movie_of(tmp_path).read_text() == expected
        os.utime(tmp_path / expected, (1, 1))
    os.utime(tmp_path / "result.mp4", (2, 2))
    assert movie_of(tmp_path).name == "result.mp4"
    assert "another program has it open" in said[0] and said[0].endswith("The new file is result-2.mp4.")
    assert (tmp_path / "result.mp4").read_text() == "old"
    assert movie_of(tmp_path / "none").name == "result.mp4"


def test_a_folder_that_may_not_be_written_is_not_taken_for_an_open_file(tmp_path, monkeypatch):
    held_open(monkeypatch, "result.mp4")
    (tmp_path / "new").touch()
    with pytest.raises(PermissionError):
        put_in_place(tmp_path / "new", tmp_path / "result.mp4", print)


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path):
    left = tmp_path / f"state.json.{'a1' * 6}.part"
    young = tmp_path / f"result.mp4.{'b2' * 6}.part"
    for path in (left, young, tmp_path / "user.part", tmp_path / "state.json"):
        path.touch()
    os.utime(left, (0, 0))
    assert PART.fullmatch(left.name)
    remove_parts(tmp_path, seconds=60)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([young.name, "user.part", "state.json"])
    remove_parts(tmp_path, ["state.json"])
    assert young.exists()
    remove_parts(tmp_path)
    remove_parts(tmp_path / "none")
    assert not young.exists() and (tmp_path / "user.part").exists()


def test_many_writers_at_once_never_mix(tmp_path):
    path = tmp_path / "a"
    threads = [threading.Thread(target=write_atomically, args=(path, bytes([n]) * 100_000)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(path.read_bytes())) == 1 and len(list(tmp_path.iterdir())) == 1


@POSIX
@pytest.mark.parametrize("kind", ["pipe", "device", "endless", "folder", "sparse", "link to a pipe"])
def test_only_regular_files_of_bounded_size_are_read(tmp_path, kind):
    path = tmp_path / "a"
    if kind == "sparse":
        path.touch()
        os.truncate(path, 2 << 30)
    elif "pipe" in kind:
        os.mkfifo(tmp_path / "pipe")
        link(path, tmp_path / "pipe") if kind != "pipe" else (tmp_path / "pipe").rename(path)
    elif kind == "folder":
        path.mkdir()
    else:
        link(path, Path("/dev/zero" if kind == "endless" else "/dev/tty"))
    began = time.monotonic()
    with pytest.raises(UnfitFile, match="larger than the 1,000 bytes" if kind == "sparse" else "not a file"):
        read_bytes(path, 1000)
    if kind != "sparse":
        with pytest.raises(UnfitFile):
            open_regular(path)
    assert time.monotonic() - began < 1


def test_files_up_to_their_limit_are_read_whole(tmp_path):
    (tmp_path / "a").write_bytes(b"\r\n" * 500)
    assert read_bytes(tmp_path / "a", 1000) == b"\r\n" * 500
    with pytest.raises(UnfitFile):
        read_bytes(tmp_path / "a", 999)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none", 1000)


@pytest.mark.parametrize(
    "content",
    [
        *(b"[" * 51 + b"]" * 51, b"[" * 500_000, b'{"a":' * 100_000),
        *(b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1e999}', b'{"a": ' + b"9" * 5000 + b"}"),
        *(b'{"a": 1, "a": 2}', rb'"\ud800"', rb'{"\udc00": 1}'),
    ],
)
def test_json_that_nobody_writes_is_refused(content):
    with pytest.raises(UnfitJSON):
        parse_json(content)


@pytest.mark.parametrize("content", [b"", b"{", b'"\xff"', b'"' + rb"\"" * 500_000 + b"[" * 60])
def test_what_is_no_json_is_told_apart_and_takes_no_time(content):
    began = time.monotonic()
    with pytest.raises(ValueError) as caught:
        parse_json(content)
    assert not isinstance(caught.value, UnfitJSON) and time.monotonic() - began < 2


def test_json_as_people_write_it_is_read():
    assert parse_json(b"[" * 50 + b"]" * 50)
    assert parse_json(rb'{"a": "[[[[\"[[", "b": "\ud83d\ude00", "c": -1.5e3, "d": 18446744073709551615}') == {
        "a": '[[[["[[',
        "b": "😀",
        "c": -1500.0,
        "d": 2**64 - 1,
    }
    assert len(parse_json(b"[" + b"[1]," * 1000 + b"1]")) == 1001


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;never ends\nnext", "\nnext"),
        ("\u202etxt.exe\u202c \u2066a\u2069\u200f", "txt.exe a"),
        ("a\x00\x08\x7f\u2028b\tc\r\nd", "a b c\nd"),
        ("\ud800x\ufeff\ue000", "?x"),
        ("سلام می‌خواهم 👩‍👧 日本", "سلام می‌خواهم 👩‍👧 日本"),
        ("x" * 20_000, "x" * 9_997 + "..."),
    ],
)
def test_words_of_strangers_are_shown_plain(text, shown):
    assert clean(text) == shown


@POSIX
def test_a_pipe_in_the_place_of_a_lock_makes_nobody_wait(tmp_path):
    os.mkfifo(tmp_path / "worker.lock")
    began = time.monotonic()
    assert not is_locked(tmp_path)
    with pytest.raises(OSError, match="no regular file"):
        FolderLock(tmp_path)
    assert time.monotonic() - began < 1
