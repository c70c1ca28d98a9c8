"""How long ticks took: the longest count, and work is told from waiting."""

from __future__ import annotations

import time

import pytest

from tests.extension import part

tick_times = part("tick_times")


@pytest.fixture(autouse=True)
def none_yet(monkeypatch):
    monkeypatch.setattr(tick_times, "_longest", {})


def test_waiting_is_no_work():
    with tick_times.timed("worker"):
        time.sleep(0.05)
    worst = tick_times.longest_ticks()["worker"]
    assert worst.ticks == 1 and worst.clock >= 50 and 0 <= worst.work < worst.clock


def test_the_longest_of_each_kind_is_kept():
    for kind, seconds in (("worker", 0.03), ("worker", 0.0), ("panels", 0.0)):
        with tick_times.timed(kind):
            time.sleep(seconds)
    worst = tick_times.longest_ticks()
    assert worst["worker"].ticks == 2 and worst["panels"].ticks == 1
    assert worst["worker"].clock >= 30
    assert tick_times.report().startswith("panels ") and "; worker " in tick_times.report()


def test_a_tick_may_turn_out_to_be_another_kind_and_counts_when_it_fails():
    with pytest.raises(ZeroDivisionError), tick_times.timed("worker") as tick:
        tick.kind = "placing"
        raise ZeroDivisionError
    assert list(tick_times.longest_ticks()) == ["placing"]


def test_before_the_first_there_is_nothing_to_tell():
    assert tick_times.report() == "no timer has run yet"
