"""A remote job whose connection or machine was lost: completed work is not repeated."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from backend.bench.recording_client import SERVE
from backend.clips import read_clip
from backend.job.checkpoint import NAME
from backend.job.job import run_job
from backend.job.new_job import make_job as make_clone
from backend.job.progress import Progress
from backend.job_folder.lock import FolderLock, is_locked, unfinished
from backend.job_folder.state import read_state
from backend.wire import messages
from backend.wire.client import Lost
from tests.systems import kill_group
from tests.workers import COMMAND, RecordingClient, make_job

STEPS = 6
SECONDS = 600  # loading torch on a busy machine may take minutes
# A worker that records every step and stops after the third.
STANDS_STILL = """
import sys, time
from pathlib import Path
from backend.job import checkpoint
from backend.__main__ import main

keep, kept = checkpoint.Checkpoint.keep, []

def keep_and_stand(self, memory):
    keep(self, memory)
    kept.append(memory)
    if len(kept) == 3:
        Path(sys.argv[1]).touch()
        time.sleep(600)

checkpoint.SECONDS, checkpoint.Checkpoint.keep = 0.0, keep_and_stand
sys.exit(main(["serve"]))
"""


@pytest.fixture
def away(tmp_path_factory, tiny, data_folder) -> dict[str, str]:
    """The other machine, which has the model too."""
    folder = tmp_path_factory.mktemp("other machine")
    shutil.copytree(data_folder / "models", folder / "models")
    return os.environ | {"MOTIONCLONE_DATA": str(folder)}


def connect(away: dict[str, str], command: list[str]) -> RecordingClient:
    return RecordingClient(command, environment=away, remote=True)


def copies(away: dict[str, str]) -> list[Path]:
    return list((Path(away["MOTIONCLONE_DATA"]) / "received").glob("*"))


def clone_job(folder: Path, clip: Path) -> Path:
    from backend.__main__ import make_parser

    line = ["clone", str(clip), "--prompt", "a red ball", "--model", "tiny", "--set", f"steps={STEPS}"]
    return make_clone(make_parser().parse_args([*line, "--set", "guided_steps=4", "--job", str(folder)]))


def test_it_goes_on_from_its_checkpoint_when_line_and_worker_were_gone(away, moving_clip, tmp_path):
    whole, cut = clone_job(tmp_path / "whole", moving_clip), clone_job(tmp_path / "cut", moving_clip)
    run_job(whole, Progress(whole, lambda _: None))
    stands = tmp_path / "stands still"
    with connect(away, [sys.executable, "-c", STANDS_STILL, str(stands)]) as recorder:
        recorder.client.submit("a", cut)
        wait_for(stands.exists)
        kill_group(recorder.client.pid)
        assert recorder.until(Lost).jobs == ("a",)
    (copy,) = copies(away)
    assert (copy / NAME).is_file() and not (copy / "result.json").exists()
    assert cut in unfinished(tmp_path) and not (cut / NAME).exists()

    with connect(away, SERVE) as recorder:
        recorder.client.submit("b", cut)
        recorder.until(messages.Queued)
        assert not [m for m in recorder.received if getattr(m, "stage", "") == "sending"], "the files are there already"
        assert recorder.until(messages.Progress, lambda m: m.stage == "sampling", patience=SECONDS).step >= 3
        recorder.until(messages.Done, patience=SECONDS)
        wait_for(lambda: not copies(away))
    assert read_state(cut).state == "done" and not (cut / NAME).exists()
    np.testing.assert_array_equal(read_clip(cut / "result").frames, read_clip(whole / "result").frames)


def test_whoever_comes_back_too_soon_is_told_so_and_gets_the_results_later(away, tmp_path):
    """The connection was lost; the worker has noticed it and finishes its job, which the test simulates."""
    folder = make_job(tmp_path / "a", steps=1000, seconds=0.01)
    with connect(away, COMMAND) as recorder:
        recorder.client.submit("a", folder)
        recorder.until(messages.Progress, lambda m: m.stage == "sampling")
    (copy,) = copies(away)
    lock = FolderLock(copy)
    with connect(away, COMMAND) as recorder:
        recorder.client.submit("a", folder)
        refused = recorder.until(messages.Refused, job="a").message
        assert refused.startswith("The other machine is still running this job") and "Run it again" in refused
        assert str(copy) not in refused
        assert not recorder.client.jobs and not is_locked(folder) and unfinished(tmp_path) == [folder]
        (copy / "result.json").write_text("{}")
        (copy / "log.txt").write_text("done meanwhile")
        (copy / "state.json").write_text('{"state": "done"}')
        lock.release()
        recorder.client.submit("a", folder)
        recorder.until(messages.Done)
        assert not [m for m in recorder.received if getattr(m, "stage", "") == "sampling"]
        wait_for(lambda: not copies(away))
    assert (folder / "log.txt").read_text() == "done meanwhile" and read_state(folder).state == "done"


def wait_for(condition) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
