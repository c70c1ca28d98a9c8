"""Memory is counted correctly: for computations of known size, on the meta device, and for each policy."""

import json
from functools import cache, partial

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from backend.__main__ import main
from backend.backbones.animatediff.memory_needs import NEEDS
from backend.backbones.animatediff.weights.sd15 import UNET
from backend.bench import costs
from backend.bench import memory as bench
from backend.bench.live_bytes import held
from backend.memory.policy import BALANCED, POLICIES

CLIP = (16, 64, 64)
UNIT = 16 * 64 * 64 * 320 * 2  # see Needs


@pytest.fixture(scope="module")
def sd15():
    return bench.sd15()


@pytest.fixture(scope="module")
def peaks(sd15):
    """The peak memory of a job without controls, by policy. Each is counted once for all tests."""
    return cache(lambda name: bench.peaks(sd15, (), POLICIES[name], CLIP))


@pytest.fixture(params=["cpu", "meta"])
def x(request):
    return torch.ones(1000, device=request.param)  # 4000 bytes that were there before


def test_what_lives_at_once_is_counted(x):
    def chain():
        y = x * 2
        y = y + 1  # two live until the first is let go
        y = y.view(10, 100).t()  # a view adds nothing
        return (y.contiguous() + y).sum()

    assert held(chain).peak == 12000
    assert held(lambda: x.view(10, 100)).peak == 0
    assert held(lambda: [x + n for n in range(5)]).peak == 20000
    assert held(lambda: x.new_empty(1000).copy_(x).add_(1)).peak == 4000


def test_what_autograd_keeps_is_counted_once_and_without_weights(x):
    weight = torch.ones_like(x)

    def run():
        with torch.enable_grad():
            z = x.clone().requires_grad_()  # kept by the square
            y = (z.square() * weight).exp()  # exp keeps its result, the product its weight, which is told
            torch.autograd.grad((y + y.exp()).sum(), z)  # and the second its own

    counted = held(run, [weight])
    assert counted.saved == 12000
    assert counted.peak >= 12000


def test_what_is_computed_again_counts_when_it_is(x):
    def run(again):
        with torch.enable_grad():
            z = x.clone().requires_grad_()
            layer = lambda y: y.exp().exp().exp().exp()  # noqa: E731
            y = checkpoint(layer, z, use_reentrant=False) if again else layer(z)
            torch.autograd.grad(y.sum(), z)

    kept, again = held(lambda: run(False)), held(lambda: run(True))
    assert kept.saved == 16000 and again.saved == 4000
    assert 16000 < again.peak <= kept.peak + 8000  # the input, what is kept of four layers, and a gradient


def test_the_gpu_s_attention_never_holds_all_pairs():
    query = torch.ones(1, 8, 4096, 40, device="meta", dtype=torch.float16)
    attend = torch.nn.functional.scaled_dot_product_attention
    assert held(lambda: torch.nn.functional.scaled_dot_product_attention(query, query, query)).peak < 4e6
    assert torch.nn.functional.scaled_dot_product_attention is attend


@pytest.mark.slow
@pytest.mark.parametrize("name", POLICIES)
def test_the_policies_know_what_sd15_needs(sd15, peaks, name):
    needs, counted = NEEDS[name], peaks(name)
    guided = [counted.guided - counted.weights]  # by up_blocks.1
    for blocks in (["up_blocks.1", "up_blocks.2"], ["up_blocks.3"]):
        guided.append(bench.guided_held(sd15, (), POLICIES[name], CLIP, blocks).peak)
    plain = counted.plain - counted.weights
    for told, most in zip((*needs.guided, needs.plain), (*guided, plain), strict=True):
        assert told - 2 < most / UNIT <= told


@pytest.mark.slow
def test_balanced_keeps_what_was_promised(sd15, peaks):
    control = bench.sparse_control(CLIP)
    with_control = bench.peaks(sd15, (control,), BALANCED, CLIP)
    for controls, counted, most in (((), peaks(BALANCED.name), 7e9), ((control,), with_control, 9e9)):
        assert counted.most <= most
        assert counted.most <= 1.5 * bench.plain_peak(sd15, controls, CLIP)


@pytest.fixture
def shallow(monkeypatch):
    """Stable Diffusion 1.5 and SparseCtrl with one layer per block, for tests that do not need the real figures."""
    monkeypatch.setitem(UNET, "layers_per_block", 1)
    monkeypatch.setattr(costs, "MotionAdapter", partial(costs.MotionAdapter, motion_layers_per_block=1))
    monkeypatch.setattr(bench, "SparseControlNetModel", partial(bench.SparseControlNetModel, layers_per_block=1))


@pytest.mark.slow
def test_bench_memory_prints_every_policy(shallow, monkeypatch, capsys):
    monkeypatch.setattr(bench, "SWITCHES", ())
    monkeypatch.setattr(bench, "POLICIES", {name: POLICIES[name] for name in ("fast", "balanced")})
    monkeypatch.setattr(bench, "KINDS", ("nothing", "transformers"))
    assert main(["bench", "memory", "--frames", "2", "--size", "128x64", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == [bench.PLAIN, "fast", "balanced"]
    assert 2 < printed["fast"]["cost"] < printed["balanced"]["cost"] < 3
    assert 0 < printed["balanced"]["saved"] < printed["fast"]["saved"]
    table = bench.table(printed)
    assert table.count("\n") == 4 and "| balanced |" in table


@pytest.mark.parametrize("wrong", [["--size", "500x512"], ["--size", "512"], ["--frames", "33"], ["--frames", "x"]])
def test_bench_memory_refuses_what_animatediff_cannot_take(wrong, capsys):
    with pytest.raises(SystemExit) as left:
        main(["bench", "memory", *wrong])
    assert left.value.code == 2
    assert wrong[1] in capsys.readouterr().err
