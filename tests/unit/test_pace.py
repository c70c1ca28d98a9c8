"""The time that is left: of the whole job, by what each step costs, from what steps took."""

from __future__ import annotations

import pytest

from backend.job import pace as module
from backend.job.pace import Ahead, Pace


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_a_guided_step_counts_for_more_than_a_plain_one_and_the_stages_after_count_too(clock):
    pace = Pace()
    pace.plan([Ahead("sampling", [3.0, 3.0, 1.0, 1.0]), Ahead("decoding", [0.5, 0.5]), Ahead("writing", seconds=7.0)])
    pace.begin("sampling", 4, 0)
    assert pace.left() is None
    clock(6.0)
    pace.step()
    assert pace.left() == pytest.approx(2 * (3 + 1 + 1 + 1) + 7)
    clock(6.0)
    pace.step()
    assert pace.left() == pytest.approx(2 * (1 + 1 + 1) + 7)
    clock(1.0)  # plain steps are cheaper still than was thought
    pace.step()
    assert pace.left() == pytest.approx(1 + 13 / 7 + 7)
    pace.begin("decoding", 2, 0)
    assert pace.left() == pytest.approx(13 / 7 + 7)
    clock(0.1)  # faster than was thought
    pace.step()
    assert pace.left() == pytest.approx(0.1 + 7)
    pace.begin("writing", 0, 0)
    assert pace.left() == pytest.approx(7)


def test_a_job_that_goes_on_from_a_checkpoint_counts_the_steps_that_are_left(clock):
    pace = Pace()
    pace.plan([Ahead("sampling", [3.0, 3.0, 1.0, 1.0])])
    pace.begin("sampling", 4, 3 - 1)
    clock(2.0)
    pace.step()
    assert pace.left() == pytest.approx(2.0)


def test_stages_that_were_left_out_count_no_more_and_unknown_ones_not_at_all(clock):
    pace = Pace()
    pace.plan([Ahead("motion", [1.0] * 100), Ahead("sampling", [1.0] * 4)])
    pace.begin("loading", 0, 0)
    assert pace.left() is None
    pace.begin("sampling", 4, 0)
    clock(1.0)
    pace.step()
    assert pace.left() == pytest.approx(3.0)
    for _ in range(3):
        pace.step()
    pace.begin("tidying", 0, 0)
    assert pace.left() is None


def test_without_a_plan_a_stage_tells_of_itself(clock):
    pace = Pace()
    pace.begin("sampling", 4, 0)
    clock(1.0)
    pace.step()
    assert pace.left() == pytest.approx(3.0)
