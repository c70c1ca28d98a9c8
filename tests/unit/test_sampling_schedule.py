"""Timesteps and ramps are pure functions, and each property is tested alone."""

import pytest

from backend.sampling.schedule import guidance_ramp, plan_steps, uneven_timesteps


@pytest.mark.parametrize(
    "steps, guided, share", [(100, 50, 0.3), (300, 180, 0.4), (24, 12, 0.5), (5, 5, 0.3), (7, 1, 0.9)]
)
def test_guided_steps_cover_their_share_of_the_schedule(steps, guided, share):
    timesteps = uneven_timesteps(steps, guided, share)
    assert len(timesteps) == steps
    assert timesteps == sorted(timesteps, reverse=True)
    border = int((1 - share) * 1000)
    assert all(t >= border for t in timesteps[:guided])
    assert all(t < border for t in timesteps[guided:])


def test_without_guided_steps_the_whole_schedule_is_even():
    assert uneven_timesteps(5, 0, 0.3) == [999, 749, 500, 250, 0]


def test_ramp_rises_stays_and_falls():
    ramp = [guidance_ramp(i, 10, 4, 3) for i in range(12)]
    assert ramp == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 2 / 3, 1 / 3, 0, 0])


def test_ramp_without_warm_up_and_cool_down_is_flat():
    assert [guidance_ramp(i, 3, 0, 0) for i in range(4)] == [1, 1, 1, 0]


def test_each_step_knows_the_next_and_the_last_ends_clean():
    steps = plan_steps([999, 500, 0], 1, 0, 0)
    assert [s.next_timestep for s in steps] == [500, 0, -1]
    assert [s.ramp for s in steps] == [1, 0, 0]
