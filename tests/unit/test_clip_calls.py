"""How the add-on has clips read by the backend: what it learns of one, and what it is told when that cannot be."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from backend.__main__ import main
from backend.clips import read_picture, write_video
from tests.extension import part
from tests.unit.test_clips_read import sweep

calls, Problem = part("setup.backend_call"), part("backend.job_folder.problem").Problem
BACKEND = partial(calls.backend_command, [sys.executable, "-m", "backend", "serve"])


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("Ü video") / "sweep é.mp4", sweep(30), 24)


def answer(asked):
    deadline = time.monotonic() + 60
    while (found := asked.answer()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def test_what_a_clip_is(video):
    facts = answer(calls.examine(BACKEND, video))
    assert facts == calls.ClipFacts(path=video, size=(48, 64), frames=30, seconds=pytest.approx(1.25))


def test_a_clip_s_frames_are_written_into_a_job(video, tmp_path):
    assert answer(calls.write_frames(BACKEND, video, 5, (32, 32), tmp_path / "reference")) == []
    files = sorted((tmp_path / "reference").iterdir())
    assert [path.name for path in files] == [f"{k:04d}.png" for k in range(5)]
    assert read_picture(files[0])[0].shape == (32, 32, 3)


def test_a_refusal_comes_in_two_parts(tmp_path):
    with pytest.raises(Problem) as caught:
        answer(calls.examine(BACKEND, tmp_path / "nothing.mp4"))
    assert caught.value.message == f"There is no file or folder {tmp_path / 'nothing.mp4'}."
    assert caught.value.hint == "Check the path and its spelling."


@pytest.mark.parametrize(
    "program, sentence",
    [
        ("print('hello')", "did not answer like MotionClone's backend"),
        ("print('{\"width\": 3}')", "did not answer like MotionClone's backend"),
        ("import sys; sys.exit('No module named nothing')", "could not read clip.mp4: No module named nothing"),
        ("import sys; sys.exit(3)", "could not read clip.mp4: exit code 3"),
    ],
)
def test_what_is_no_backend_is_told(program, sentence):
    with pytest.raises(Problem, match=sentence):
        answer(calls.examine(lambda _: [sys.executable, "-c", program], Path("clip.mp4")))


def test_who_never_answers_is_not_waited_for_and_ended(processes, monkeypatch):
    monkeypatch.setattr(calls, "SECONDS", 0.2)
    asked = calls.examine(lambda _: [sys.executable, "-c", "import time; time.sleep(600)"], Path("clip.mp4"))
    with pytest.raises(Problem, match="did not read clip.mp4"):
        answer(asked)
    assert processes[0].poll() is not None


def test_paths_reach_a_shell_whole():
    command = calls.backend_command(
        ["ssh", "render", "cd x; py -m backend serve --idle 9"], ("examine", "/a b/$x's.mp4")
    )
    assert command == ["ssh", "render", "cd x; py -m backend examine '/a b/$x'\"'\"'s.mp4'"]


def test_the_command_line_says_it_too(video, tmp_path, capsys):
    assert main(["examine", str(video)]) == 0
    assert capsys.readouterr().out.splitlines()[:3] == ["width: 64", "height: 48", "frames: 30"]
    assert main(["examine", str(tmp_path / "nothing.mp4")]) == 1
    assert "There is no file or folder" in capsys.readouterr().err
    how = ["--count", "1", "--size", "64x48", "--to", str(tmp_path), "--json"]
    assert main(["frames", str(video), *how]) == 1
    assert json.loads(capsys.readouterr().out)["message"] == "--count is 1, but motion needs at least two frames."
    with pytest.raises(SystemExit):
        main(["frames", str(video), *how[:2], "--size", "64", *how[4:]])
