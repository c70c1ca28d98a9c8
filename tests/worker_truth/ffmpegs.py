"""An ffmpeg that is missing, cannot be run, hangs, or fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from backend.bench.recording_client import DUMMY, ROOT, RecordingClient, make_job
from backend.clips import write_frames, write_video
from backend.clips.ffmpeg_process import CHOSEN
from backend.wire import messages
from tests.worker_truth.case import Case, Tried, run_child, state_of

FRAMES = np.full((4, 32, 32, 3), 90, np.uint8)
SECONDS = 3.0  # in which a cancelled job must have ended
HANGS = {
    "sleeps": "exec sleep 600",
    "has a child": "sleep 600",
    "ignores signals": "trap '' TERM INT; sleep 600; sleep 600",
}


def job_in(root: Path) -> Path:
    """A job without a model whose result is a video."""
    job = make_job(root / "a job ü", steps=1)
    write_frames(job / "reference", FRAMES)
    return job


def script(root: Path, text: str) -> Path:
    path = root / "ffmpeg ü"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def with_ffmpeg(path: Path) -> dict[str, str]:
    return {**os.environ, CHOSEN: str(path)}


def missing(root: Path) -> Tried:
    job = job_in(root)
    (told,) = run_child("dummy", str(job), no_ffmpeg=True)
    state = state_of(job)
    holds = "ffmpeg, which reads and writes videos, is missing from" in told["message"] and "--repair" in told["hint"]
    return holds and state["state"] == "failed" and state["message"] == told["message"], told["message"]


def chosen_wrongly(root: Path) -> Tried:
    said = []
    for number, path in enumerate((root / "nowhere" / "ffmpeg", root / "no program")):
        if number:
            path.write_text("no program")
        with RecordingClient(DUMMY, environment=with_ffmpeg(path)) as recorder:
            recorder.client.submit("a", job_in(root / str(number)))
            said.append(recorder.until(messages.Failed))
    holds = all("cannot be started" in one.message and CHOSEN in one.hint for one in said)
    return holds and not any("room" in f"{one.message} {one.hint}" for one in said), said[0].message


def hanging(kind: str) -> Case:
    def tried(root: Path) -> Tried:
        job = job_in(root)
        with RecordingClient(DUMMY, environment=with_ffmpeg(script(root, HANGS[kind]))) as recorder:
            recorder.client.submit("a", job)
            recorder.until(messages.Progress, lambda m: m.stage == "writing")
            time.sleep(0.5)
            began = time.monotonic()
            recorder.client.cancel("a")
            recorder.until(messages.Cancelled)
            seconds = time.monotonic() - began
            recorder.client.submit("b", make_job(root / "b"))
            recorder.until(messages.Done)
        left = list(job.glob("*.part"))
        return state_of(job)["state"] == "cancelled" and seconds < SECONDS and not left, f"ended after {seconds:.2f} s"

    return Case(f"ffmpeg hangs ({kind}): the job is cancelled, the next is done", tried)


def given_up(root: Path) -> Tried:
    job, path = job_in(root), script(root, "sleep 600")
    (told,) = run_child("dummy", str(job), environment={CHOSEN: str(path)}, silent=1)
    return "has not answered for 1 seconds" in told["message"] and str(path) in told["message"], told["message"]


def interrupted(root: Path) -> Tried:
    clip = write_video(root / "clip.mp4", FRAMES, 12)
    command = [sys.executable, "-m", "backend", "examine", str(clip)]
    process = subprocess.Popen(command, cwd=ROOT, env=with_ffmpeg(script(root, "sleep 600")), stderr=subprocess.DEVNULL)
    time.sleep(3)
    running, began = process.poll() is None, time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait(30)
    seconds = time.monotonic() - began
    return running and seconds < SECONDS, f"ended after {seconds:.2f} s"


def failing(root: Path) -> Tried:
    words = "echo first >&2; echo 'x264: no such luck' >&2; exit 3"
    job = job_in(root)
    with RecordingClient(DUMMY, environment=with_ffmpeg(script(root, words))) as recorder:
        recorder.client.submit("a", job)
        told = recorder.until(messages.Failed).message
    log = (job / "log.txt").read_text(encoding="utf-8")
    return told.endswith("x264: no such luck") and "first\nx264: no such luck" in log, told


CASES = [
    Case("ffmpeg is missing: it is named, and what repairs it", missing),
    Case("ffmpeg was chosen wrongly: the variable is named", chosen_wrongly),
    *map(hanging, HANGS),
    Case("ffmpeg is silent: it is given up and named", given_up),
    Case("ffmpeg hangs in a terminal: Ctrl-C ends it", interrupted),
    Case("ffmpeg fails: its last words are told, the log has the rest", failing),
]
