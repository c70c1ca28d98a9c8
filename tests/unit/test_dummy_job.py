"""The dummy job writes the same messages, files and pictures as a real one, with its reference clip as the result."""

from __future__ import annotations

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from backend.clips import read_clip, write_frames
from backend.job.progress import PREVIEW, Progress
from backend.job_folder.pictures import png
from backend.job_folder.request import JobRequest, Shot, write_request
from backend.wire import messages
from backend.worker.dummy_job import DummyEngine
from tests.workers import ROOT, RecordingClient, make_job

STAGES = ["starting", "loading", "encoding", "motion", "sampling", "decoding", "in-betweening", "writing"]


def numbered(count: int) -> np.ndarray:
    """Frames that show their number."""
    frames = np.zeros((count, 48, 64, 3), np.uint8)
    for i, frame in enumerate(frames):
        cv2.putText(frame, str(i), (4, 38), cv2.FONT_HERSHEY_SIMPLEX, 1.3, (255, 255, 255), 3)
    return frames


def nearest(frames: np.ndarray, picture: np.ndarray) -> int:
    return int(np.abs(frames.astype(int) - picture).mean((1, 2, 3)).argmin())


@pytest.mark.parametrize("shot, expected", [(4, [0, 1, 2, 3]), (7, [0, 1, 1, 2, 2, 3, 3]), (2, [0, 3]), (1, [0])])
def test_it_returns_its_reference_on_the_frames_of_the_shot(tmp_path, shot, expected):
    frames, folder = numbered(4), tmp_path / "Auftrag ü"
    write_frames(folder / "reference", frames)
    write_request(JobRequest(prompt="x", shot=Shot(frames=shot, fps=29.97)), folder)
    result = DummyEngine().run(folder, Progress(folder, lambda state: None))
    np.testing.assert_array_equal(read_clip(folder / "result").frames, frames)
    assert result["video"] == str(folder / "result.mp4") and json.loads((folder / "result.json").read_text()) == result
    if shot == 1:  # a video with one frame is not a clip, but it is written
        assert (folder / "result.mp4").stat().st_size > 0
        return
    video = read_clip(folder / "result.mp4")
    assert [nearest(frames, picture) for picture in video.frames] == expected
    assert np.abs(video.frames.astype(int) - frames[expected]).mean() < 2  # one of them, not a blend of two
    assert video.fps == pytest.approx(29.97, rel=1e-3)


def test_it_goes_through_the_stages_of_a_true_job_and_shows_previews(tmp_path):
    folder = make_job(tmp_path / "a", steps=12)
    write_frames(folder / "reference", numbered(4))
    with RecordingClient() as recorder:
        recorder.client.submit("a", folder)
        told = [recorder.until((messages.Progress, messages.Preview))]
        while not isinstance(told[-1], messages.Done):
            told.append(recorder.until((messages.Progress, messages.Preview, messages.Done)))
    seen = list(dict.fromkeys(message.stage for message in told if isinstance(message, messages.Progress)))
    assert seen == STAGES
    shown = [message for message in told if isinstance(message, messages.Preview)]
    assert [message.step for message in shown] == [2, 4, 6, 8, 10, 12]
    assert {message.file for message in shown} == {PREVIEW}
    strip = cv2.imread(str(folder / PREVIEW))
    assert strip.shape[1] == 4 * strip.shape[0] and strip.std() > 20


def test_the_engine_itself_needs_neither_torch_nor_numpy(tmp_path):
    folder = make_job(tmp_path / "a")
    code = (
        "import sys; from pathlib import Path; from backend.worker.dummy_job import DummyEngine\n"
        "from backend.job.progress import Progress\n"
        f"folder = Path({str(folder)!r}); DummyEngine().run(folder, Progress(folder))\n"
        "assert not {'torch', 'numpy', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)


def test_pictures_of_the_standard_library_are_read_as_they_were_written():
    for height, width in ((1, 1), (20, 33)):
        picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
        data = np.frombuffer(png(picture.tobytes(), width, height), np.uint8)
        np.testing.assert_array_equal(cv2.imdecode(data, cv2.IMREAD_UNCHANGED)[..., ::-1], picture)
    with pytest.raises(ValueError, match="no picture of 3 x 2"):
        png(b"123", 3, 2)
