"""Killing the worker or its host with SIGKILL at any time loses no job, and the benchmark would notice it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from backend.bench import kills, worker
from backend.bench.kills import dummy_job, kill_hosts, kill_workers
from backend.job_folder.state import DONE, JobState, write_state

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL to send")

JOBS, HOSTS = 50, 5


@pytest.mark.slow
def test_fifty_jobs_whose_worker_is_killed_once_in_each(tmp_path):
    seen = kill_workers(tmp_path, dummy_job, JOBS, seed=50)
    assert (seen.jobs, seen.kills, seen.done, seen.same, seen.half) == (JOBS, JOBS, JOBS, JOBS, 0)


def test_a_killed_host_loses_no_job_and_leaves_no_process(tmp_path):
    seen = kill_hosts(tmp_path, HOSTS)
    assert (seen.jobs, seen.done, seen.same, seen.half) == (3 * HOSTS, 3 * HOSTS, 3 * HOSTS, 0)
    assert seen.seconds_left < 5


def test_the_bench_sees_half_a_result(tmp_path):
    folder = dummy_job(tmp_path / "a", 0)
    assert kills.is_whole(folder, b"all")
    write_state(JobState(state=DONE), folder)
    (folder / "result.json").write_bytes(b"al")
    assert not kills.is_whole(folder, b"all") and kills.is_whole(folder, b"al")
    assert not kills.Kills(jobs=2, kills=2, done=2, same=1, half=0).passed


def test_the_bench_weighs_previews_against_the_whole_job(tmp_path):
    for name, share in (("a", 0.1), ("b", 0.4)):
        (tmp_path / name).mkdir()
        seconds = {"loading": 4.0, "sampling": 6.0, "previews": share}
        (tmp_path / name / "result.json").write_text(json.dumps({"seconds": seconds}))
    assert worker.previews(tmp_path) == ("previews, demo jobs", "2.5 % of the job (at most 4.0)", "3 %", False)


def test_the_bench_says_what_holds_and_what_does_not(monkeypatch, capsys):
    rows = [("start", "0.1 s", "1 s", True), ("memory", "+3 %", "2 %", False)]
    monkeypatch.setattr(worker, "measured", lambda *_: iter(rows))
    monkeypatch.setenv("MOTIONCLONE_DATA", os.environ["MOTIONCLONE_DATA"])
    assert worker.main([]) == 1
    assert capsys.readouterr().out.splitlines() == ["| start | 0.1 s | 1 s | yes |", "| memory | +3 % | 2 % | **no** |"]
    assert worker.main(["--json"]) == 1
    assert json.loads(capsys.readouterr().out)[1]["holds"] is False


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux shows what a process holds so simply")
def test_the_bench_sees_a_leak():
    before = worker.held_by(os.getpid())
    with open(os.devnull):
        now = worker.held_by(os.getpid())
    assert now[1] == before[1] + 1 and before[0] > 10 * 2**20 and before[2] >= 1
