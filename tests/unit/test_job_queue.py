"""The add-on's queue with a true worker, whose jobs need no model: how jobs stand, and what becomes of them when the
worker dies, is stopped, or does not listen."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from backend.job_folder.lock import FolderLock, is_locked
from tests.extension import ROOT, part
from tests.systems import WINDOWS, kill_now
from tests.workers import COMMAND, PATIENCE, make_job

queues = part("jobs.job_queue")
Problem = part("backend.job_folder.problem").Problem
messages = sys.modules[queues.messages.__name__]
KILLED = "The worker ended" if WINDOWS else "killed the worker"  # Windows does not tell who ended it
client = sys.modules[queues.Client.__module__]
read_state = sys.modules[queues.JobState.__module__].read_state
SLOW = {"steps": 1000, "seconds": 0.02}


def start(command=COMMAND) -> object:
    return queues.Start(command=tuple(command), cwd=ROOT, environment=os.environ)


@pytest.fixture
def queue(processes):
    queue = queues.JobQueue()
    yield queue
    queue.stop()
    queue.release()


def until(queue, condition) -> list:
    """Pumps until it holds; -> the changes, one after the other."""
    changes, deadline = [], time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, (queue.jobs.order, queue.jobs.states, queue.jobs.worker, queue.problem)
        changes += queue.pump(0.005).items()
        time.sleep(0.005)
    return changes


def ended(queue, *jobs: str):
    return lambda: not set(jobs) & set(queue.jobs.order)


def runs(queue, job: str):
    return lambda: queue.jobs.states[job].stage == "sampling"


def submit(queue, folder: Path, **settings) -> str:
    return queue.submit(start(), make_job(folder, **settings))


def test_a_job_is_done_and_was_seen_on_its_way(queue, tmp_path):
    assert queue.jobs.worker.state == "stopped" and not queue.busy
    job = submit(queue, tmp_path / "job-1", steps=30)
    assert queue.jobs.worker.state == "starting" and queue.jobs.order == [job] and queue.busy
    states = [state for name, state in until(queue, ended(queue, job)) if name == job]
    assert [state.state for state in states if state.finished] == ["done"] == [queue.jobs.states[job].state]
    assert "sampling" in {state.stage for state in states}
    step, picture = queue.jobs.previews[job]
    assert step > 0 and picture.read_bytes().startswith(b"\x89PNG")
    assert (queue.jobs.worker.state, queue.jobs.worker.device) == ("ready", "dummy")
    assert queue.problem is None and queue.lost == []


def test_one_after_the_other_in_the_order_that_the_user_wants(queue, tmp_path):
    first, *waiting = (submit(queue, tmp_path / f"job-{n}", seed=n, **SLOW) for n in range(4))
    until(queue, runs(queue, first))
    assert queue.jobs.order == [first, *waiting]
    queue.move("job-3", 0)
    until(queue, lambda: queue.jobs.order == [first, "job-3", "job-1", "job-2"])
    queue.move(first, 2)  # it runs already
    until(queue, lambda: queue.problem)
    assert "is running" in str(queue.problem)
    queue.remove("job-1")
    until(queue, ended(queue, "job-1"))
    assert queue.jobs.states["job-1"].state == "cancelled" and not (tmp_path / "job-1/state.json").exists()
    queue.cancel("job-2")
    queue.cancel(first)
    until(queue, ended(queue, first, "job-2"))
    assert [read_state(tmp_path / name).state for name in (first, "job-2")] == ["cancelled", "cancelled"]
    until(queue, runs(queue, "job-3"))


def test_when_the_worker_is_killed_its_job_fails_and_the_others_go_on_in_a_new_one(queue, processes, tmp_path):
    first, second, third = (submit(queue, tmp_path / f"job-{n}", seed=n, **SLOW) for n in range(3))
    until(queue, runs(queue, first))
    kill_now(processes[-1].pid)
    until(queue, runs(queue, second))
    assert len(processes) == 2 and queue.jobs.order == [second, third]
    state = queue.jobs.states[first]
    assert state.state == "failed" and KILLED in state.message and state == read_state(tmp_path / first)
    assert queue.lost == [first] and queue.problem is None, "the take tells it"
    queue.submit(start(), tmp_path / first)
    assert queue.lost == [] and queue.jobs.order == [second, third, first]
    for job in (second, third):
        queue.cancel(job)
    until(queue, runs(queue, first))


def test_a_worker_that_never_gets_to_work_is_not_started_over_and_over(queue, tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('No module named torch')"]
    jobs = [queue.submit(start(command), make_job(tmp_path / f"job-{n}")) for n in range(3)]
    until(queue, ended(queue, *jobs))
    for job in jobs:
        assert queue.jobs.states[job].state == "failed" and "torch" in queue.jobs.states[job].message
        assert read_state(tmp_path / job).state == "failed"
    assert queue.lost == jobs and queue.jobs.worker.state == "lost" and not queue.busy


def test_a_job_that_kills_each_worker_stops_nobody_else(queue, tmp_path):
    jobs = [
        queue.submit(start(), make_job(tmp_path / f"job-{n}", prompt=prompt, seed=n))
        for n, prompt in enumerate(["oom", "a ball", "crash", "a cube"])
    ]
    until(queue, ended(queue, *jobs))
    states = [queue.jobs.states[job] for job in jobs]
    assert [state.state for state in states] == ["failed", "done", "failed", "done"]
    assert "out of memory" in states[0].message and "exited with code 3" in states[2].message


def test_a_program_that_cannot_be_started(queue, tmp_path):
    with pytest.raises(Problem, match="cannot be started") as caught:
        queue.submit(start([str(tmp_path / "none")]), make_job(tmp_path / "job"))
    assert caught.value.repair == "motionclone.install_backend" and queue.jobs.order == []


def test_a_worker_that_died_idle_is_started_anew(queue, processes, tmp_path):
    job = submit(queue, tmp_path / "job-1")
    until(queue, ended(queue, job))
    kill_now(processes[-1].pid)
    processes[-1].wait()
    job = submit(queue, tmp_path / "job-2")
    until(queue, ended(queue, job))
    assert queue.jobs.states[job].state == "done" and queue.problem is None


def test_that_an_idle_worker_died_is_shown_and_no_problem(queue, processes, tmp_path):
    until(queue, ended(queue, submit(queue, tmp_path / "job-1")))
    kill_now(processes[-1].pid)
    until(queue, lambda: queue.jobs.worker.state == "lost")
    assert queue.problem is None and KILLED in queue.jobs.worker.message


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot halt a process")
def test_a_worker_that_does_not_listen_is_ended_and_the_job_is_cancelled(queue, processes, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "SECONDS_TO_ANSWER", 0.3)
    monkeypatch.setattr(client, "SECONDS_TO_LEAVE", 0.3)
    job, other = (submit(queue, tmp_path / f"job-{n}", seed=n, **SLOW) for n in range(2))
    until(queue, runs(queue, job))
    os.kill(processes[-1].pid, signal.SIGSTOP)
    queue.cancel(job)
    until(queue, runs(queue, other))
    assert queue.jobs.states[job].state == "cancelled" == read_state(tmp_path / job).state
    assert queue.lost == []


def test_a_stopped_worker_leaves_its_jobs_to_be_run_again(queue, tmp_path):
    job, other = (submit(queue, tmp_path / f"job-{n}", seed=n, **SLOW) for n in range(2))
    until(queue, runs(queue, job))
    assert queue.stop() == [job, other] and queue.jobs.order == []
    assert queue.jobs.worker.state == "stopped" and queue.jobs.states[job].state == "queued"
    until(queue, lambda: not queue.busy)
    assert [read_state(tmp_path / name).state for name in (job, other)] == ["queued", "queued"]
    queue.submit(start(), tmp_path / job)
    until(queue, runs(queue, job))


def test_blender_s_end_lets_a_running_job_finish_in_its_folder(queue, processes, tmp_path):
    job, other = submit(queue, tmp_path / "job-1", steps=200, seconds=0.01), submit(queue, tmp_path / "job-2")
    until(queue, runs(queue, job))
    queue.release()
    assert processes[-1].wait(PATIENCE) == 0
    assert (read_state(tmp_path / job).state, read_state(tmp_path / other).state) == ("done", "queued")


@pytest.mark.parametrize(
    "finish, states", [(200, ["done"] * 3), (1, ["done", "queued", "queued"]), (0, ["queued"] * 3)]
)
def test_blender_s_end_with_jobs_that_wait(queue, processes, tmp_path, finish, states):
    jobs = [submit(queue, tmp_path / f"job-{n}", seed=n, steps=50) for n in range(3)]
    until(queue, runs(queue, jobs[0]))
    began = time.monotonic()
    queue.release(finish)
    assert time.monotonic() - began < 1.5, "Blender waits for no job"
    assert processes[-1].wait(PATIENCE) == 0
    assert [read_state(tmp_path / job).state for job in jobs] == states
    assert not any(is_locked(tmp_path / job) for job in jobs)
    queue.jobs.order.clear()  # a Blender of its own
    left = [job for job, state in zip(jobs, states, strict=True) if state == "queued"]
    for job in left:
        queue.submit(start(), tmp_path / job)
    until(queue, ended(queue, *left))
    assert [read_state(tmp_path / job).state for job in jobs] == ["done"] * 3


def test_blender_s_end_while_the_worker_is_still_starting(queue, processes, tmp_path):
    jobs = [submit(queue, tmp_path / f"job-{n}", seed=n) for n in range(3)]
    queue.release(2)
    assert processes[-1].wait(PATIENCE) == 0
    assert [read_state(tmp_path / job).state for job in jobs] == ["done", "done", "queued"]


def test_blender_s_end_ends_an_idle_worker(queue, processes, tmp_path):
    until(queue, ended(queue, submit(queue, tmp_path / "job-1")))
    queue.release()
    assert processes[-1].poll() is not None and not queue.busy


def test_another_command_takes_effect_when_nothing_runs(queue, processes, tmp_path):
    until(queue, ended(queue, submit(queue, tmp_path / "job-1")))
    queue.submit(start([*COMMAND, "--idle", "5"]), make_job(tmp_path / "job-2"))
    assert len(processes) == 2
    until(queue, ended(queue, "job-2"))
    assert queue.jobs.states["job-2"].state == "done"


def test_what_a_worker_does_not_take_is_told(queue, tmp_path):
    lock = FolderLock(make_job(tmp_path / "taken"))
    try:
        job = queue.submit(start(), tmp_path / "taken")
        until(queue, ended(queue, job))
    finally:
        lock.release()
    assert queue.jobs.states[job].state == "failed" and "in use by another worker" in queue.jobs.states[job].message
    assert not (tmp_path / "taken/state.json").exists()  # it is the other's


def test_bad_names_doubles_and_too_many(queue, tmp_path, monkeypatch):
    with pytest.raises(Problem, match="not a valid job name"):
        submit(queue, tmp_path / "my job")
    job = submit(queue, tmp_path / "job-1", **SLOW)
    with pytest.raises(Problem, match="is already waiting or running"):
        queue.submit(start(), tmp_path / "job-1")
    monkeypatch.setattr(queues, "MAX_JOBS", 1)
    with pytest.raises(Problem, match="1 jobs are waiting already"):
        submit(queue, tmp_path / "job-2")
    assert queue.jobs.order == [job]


def test_a_look_ends_with_its_time_and_loses_nothing(queue, tmp_path, monkeypatch):
    job = submit(queue, tmp_path / "job-1", **SLOW)
    until(queue, runs(queue, job))
    flood = [*(messages.Progress(job, "flood", step, 50_000) for step in range(50_000)), messages.Done(job)]
    received = iter([flood])
    monkeypatch.setattr(queues.Client, "poll", lambda _: next(received, []))
    queue.pump(0.0)
    assert queue.busy and queue.jobs.states[job].step < 10_000  # however fast the machine is, this takes time
    until(queue, ended(queue, job))
    assert queue.jobs.states[job].state == "done"


def test_places_that_are_told_while_the_first_job_begins_mix_nothing_up():
    """The worker takes the first job out of the queue before it tells so."""
    states = part("jobs.job_states").JobStates()
    for job in "abcd":
        states.add(job, Path(job))
    for job, place in (("a", 0), ("b", 1), ("c", 1), ("d", 2)):
        states.take(messages.Queued(job, place))
    states.take(messages.Progress("a", "starting"))
    assert states.order == ["a", "b", "c", "d"]
    for job, place in (("d", 0), ("b", 1), ("c", 2)):
        states.take(messages.Queued(job, place))
    assert states.order == ["a", "d", "b", "c"]
