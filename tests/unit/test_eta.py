"""The estimated time left of the whole job, from the cost and the duration of its steps."""

from __future__ import annotations

import pytest

from backend.job import eta as module
from backend.job.eta import EtaEstimator, ExpectedStage


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_a_guided_step_counts_for_more_than_a_plain_one_and_the_stages_after_count_too(clock):
    eta = EtaEstimator()
    eta.plan(
        [
            ExpectedStage("sampling", [3.0, 3.0, 1.0, 1.0]),
            ExpectedStage("decoding", [0.5, 0.5]),
            ExpectedStage("writing", seconds=7.0),
        ]
    )
    eta.begin("sampling", 4, 0)
    assert eta.left() is None
    clock(6.0)
    eta.step()
    assert eta.left() == pytest.approx(2 * (3 + 1 + 1 + 1) + 7)
    clock(6.0)
    eta.step()
    assert eta.left() == pytest.approx(2 * (1 + 1 + 1) + 7)
    clock(1.0)  # plain steps are cheaper still than was thought
    eta.step()
    assert eta.left() == pytest.approx(1 + 13 / 7 + 7)
    eta.begin("decoding", 2, 0)
    assert eta.left() == pytest.approx(13 / 7 + 7)
    clock(0.1)  # faster than was thought
    eta.step()
    assert eta.left() == pytest.approx(0.1 + 7)
    eta.begin("writing", 0, 0)
    assert eta.left() == pytest.approx(7)


def test_a_job_that_goes_on_from_a_checkpoint_counts_the_steps_that_are_left(clock):
    eta = EtaEstimator()
    eta.plan([ExpectedStage("sampling", [3.0, 3.0, 1.0, 1.0])])
    eta.begin("sampling", 4, 3 - 1)
    clock(2.0)
    eta.step()
    assert eta.left() == pytest.approx(2.0)


def test_stages_that_were_left_out_count_no_more_and_unknown_ones_not_at_all(clock):
    eta = EtaEstimator()
    eta.plan([ExpectedStage("motion", [1.0] * 100), ExpectedStage("sampling", [1.0] * 4)])
    eta.begin("loading", 0, 0)
    assert eta.left() is None
    eta.begin("sampling", 4, 0)
    clock(1.0)
    eta.step()
    assert eta.left() == pytest.approx(3.0)
    for _ in range(3):
        eta.step()
    eta.begin("tidying", 0, 0)
    assert eta.left() is None


def test_without_a_plan_a_stage_tells_of_itself(clock):
    eta = EtaEstimator()
    eta.begin("sampling", 4, 0)
    clock(1.0)
    eta.step()
    assert eta.left() == pytest.approx(3.0)
