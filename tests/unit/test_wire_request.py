"""job.json is read strictly and written atomically."""

import json
import os

import pytest

from backend.job_folder.request import JobRequest, RequestError, Shot, read_request, write_request

REQUEST = JobRequest(prompt="ein roter Ball ü", shot=Shot(frames=48, fps=23.976), seed=-3, settings={"steps": 4})


def test_a_request_comes_back_as_it_was(tmp_path):
    write_request(REQUEST, tmp_path)
    assert read_request(tmp_path) == REQUEST
    assert [p.name for p in tmp_path.iterdir()] == ["job.json"]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"promt": "x"}, "unknown key 'promt'. Did you mean 'prompt'"),
        ({"prompt": 3}, "prompt must be text, not 3"),
        ({"seed": True}, "seed must be a whole number"),
        ({"version": 2}, "version 2, but this backend reads version 1"),
        ({"shot": {"frames": 1}}, "shot has no 'fps'"),
        ({"shot": {"frames": 0, "fps": 24}}, "between 1 and 100000"),
        ({"shot": {"frames": 1, "fps": 0}}, "greater than 0"),
        ({"shot": {"frames": 1, "fps": 24, "speed": 2}}, "unknown key 'speed'"),
        ({"shot": 3}, "shot must be an object with named values"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, change, words):
    path = write_request(REQUEST, tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(RequestError, match=words):
        read_request(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"prompt": "x"}', b"[" * 100_000, b'{"seed": NaN}', b"9" * 2_000_000],
)
def test_broken_files_are_refused(tmp_path, content):
    (tmp_path / "job.json").write_bytes(content)
    with pytest.raises(RequestError):
        read_request(tmp_path)


def test_a_folder_without_a_request(tmp_path):
    with pytest.raises(RequestError, match="no job.json"):
        read_request(tmp_path)


def test_a_file_that_someone_is_reading_is_replaced_a_little_later(tmp_path, monkeypatch):
    """On Windows an open file cannot be replaced at once."""
    true, tries = os.replace, []

    def replace(*paths):
        tries.append(paths)
        if len(tries) < 3:
            raise PermissionError(13, "The process cannot access the file", str(paths[1]))
        true(*paths)

    monkeypatch.setattr(os, "replace", replace)
    write_request(REQUEST, tmp_path)
    assert len(tries) == 3 and read_request(tmp_path) == REQUEST


def test_what_cannot_be_written_leaves_no_part_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_request(REQUEST, tmp_path)
    assert not list(tmp_path.iterdir())
