"""The cost of a job is what the sampler really asks of the UNet, counted or measured."""

import json

import pytest

from backend.__main__ import main
from backend.bench.costs import Costs, job_costs
from backend.job_folder.families import resolve

COSTS = Costs(single=1.0, pair=2.0, guided=1.57, reading=0.5)
SHORT = {"steps": 10, "guided_steps": 4}


@pytest.mark.parametrize(
    "chosen, whole, guided_step",
    [
        ({}, 4 * 2.57 + 6 * 2 + 0.5, 2.57),
        ({"reuse_gradient": 2}, 2 * 2.57 + 8 * 2 + 0.5, 2.285),
        ({"reuse_negative": 2}, 2 * 2.57 + 2 * 1.57 + 3 * 2 + 3 * 1 + 0.5, 2.07),
        ({"cfg_form": "standard", "cfg_scale": 1}, 4 * 1.57 + 6 + 0.5, 1.57),
        ({"motion_weight": 0}, 20, 0),
        ({"method": "inversion"}, 4 * 2.57 + 6 * 2 + 10, 2.57),
        ({"method": "inversion", "inversion_steps": 100}, 4 * 2.57 + 12 + 100, 2.57),
        ({"sampler": "lcm", "steps": 5}, 4 * 2.57 + 2 + 0.5, 2.57),
    ],
)
def test_a_job_is_the_sum_of_its_passes(chosen, whole, guided_step):
    job = job_costs(resolve({}, SHORT | chosen), COSTS)
    assert (job.whole, job.guided_step) == pytest.approx((whole, guided_step))


@pytest.mark.slow
def test_bench_speed_knows_the_published_costs(tiny, capsys):
    assert main(["bench", "speed", "--model", "tiny", "--rounds", "1", "--json", "--compare", "few:steps=3"]) == 0
    printed = json.loads(capsys.readouterr().out)
    paper, few = printed["costs"]["paper"], printed["costs"]["few"]
    assert paper["whole"] == pytest.approx(229, abs=1)  # as derived from the authors' settings
    assert paper["guided_step"] == pytest.approx(2.57, abs=0.01)
    assert paper["sd15"] == paper["counted"] == paper["timed"] == 1
    assert few["sd15"] == pytest.approx((2 * 2.57 + 2 + 0.53) / 229, rel=0.01)
    assert 0 < few["timed"] < 1 and printed["plain_ratio"] > 0 and printed["deterministic_ratio"] > 0


def test_bench_speed_checks_before_it_starts(capsys):
    assert main(["bench", "speed", "--compare", "x:samplr=lcm"]) == 1
    assert "Did you mean 'sampler'?" in capsys.readouterr().err
