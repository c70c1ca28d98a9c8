"""What a device must do: deterministic numbers on request, no more than its own memory, attention as it supports it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch

from backend.backbones.animatediff.memory_needs import ATTENTION_MATRICES, NEEDS, ModelShape, TakeNeeds
from backend.job_folder.problem import Problem
from backend.memory import device
from backend.memory.device import deterministic_mode, has_fused_attention, limit_to_device_memory
from backend.memory.policy import BALANCED, FAST, THRIFTY, choose_policy

GB = 10**9
CLIP = (16, 64, 64)
SD15 = ModelShape(width=320, number_bytes=2, latent_scale=8, movable_bytes=827_000_000)
UNFUSED = ModelShape(width=320, number_bytes=2, latent_scale=8, movable_bytes=827_000_000, fused=False)
UNIT = 16 * 64 * 64 * 320 * 2


@pytest.mark.parametrize("threads", [1, 3])
def test_on_a_processor_sums_are_split_among_the_same_number_of_threads_however_many_there_are(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with deterministic_mode(True):
            assert torch.get_num_threads() == device.THREADS
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_everything_is_as_it_was_afterwards(monkeypatch):
    monkeypatch.setattr(device, "THREADS", 2)
    threads, filled = torch.get_num_threads(), torch.utils.deterministic.fill_uninitialized_memory
    with pytest.raises(ZeroDivisionError), deterministic_mode(True):
        assert torch.are_deterministic_algorithms_enabled() and torch.get_num_threads() == 2
        raise ZeroDivisionError
    assert not torch.are_deterministic_algorithms_enabled() and torch.get_num_threads() == threads
    assert torch.utils.deterministic.fill_uninitialized_memory == filled
    with deterministic_mode(False):
        assert not torch.are_deterministic_algorithms_enabled()


def test_what_a_device_cannot_repeat_is_said_with_the_setting():
    with (
        pytest.raises(Problem, match="cannot repeat a computation exactly: kthvalue") as told,
        deterministic_mode(True),
    ):
        raise RuntimeError("kthvalue CUDA does not have a deterministic implementation, but you set ...")
    assert "deterministic to false" in told.value.hint
    with pytest.raises(RuntimeError, match="shape"), deterministic_mode(True):
        raise RuntimeError("shape mismatch")


def test_on_windows_no_more_than_the_card_has_is_taken(monkeypatch):
    shares = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (6 * GB, 8 * GB))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda: 1 * GB)
    monkeypatch.setattr("torch.cuda.set_per_process_memory_fraction", shares.append)
    for platform in ("linux", "win32"):
        monkeypatch.setattr(device, "sys", SimpleNamespace(platform=platform))
        limit_to_device_memory()
    assert shares == [7 / 8]
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (0, 8 * GB))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda: 0)
    limit_to_device_memory()
    assert shares[-1] == device.MIN_SHARE and sys.platform  # a job can still begin and say that it does not fit


def test_attention_is_asked_of_the_device_itself(monkeypatch):
    assert has_fused_attention(torch.device("cpu"), torch.float32)
    monkeypatch.setattr("torch._fused_sdp_choice", lambda *_: 0)
    assert not has_fused_attention(torch.device("cpu"), torch.float32)

    def none(*_):
        raise NotImplementedError("no such operator on this device")

    monkeypatch.setattr("torch._fused_sdp_choice", none)
    assert not has_fused_attention(torch.device("cpu"), torch.float32)


@pytest.mark.parametrize(
    "policy, clip, counted",  # units of a guided step, counted on the meta device with attention that is not fused
    [
        (FAST, CLIP, 1137.7),
        (BALANCED, CLIP, 299.4),
        (THRIFTY, CLIP, 146.0),
        (FAST, (16, 32, 32), 508.0),
        (BALANCED, (16, 32, 32), 226.1),
        (THRIFTY, (16, 32, 32), 151.2),
    ],
)
def test_where_attention_is_not_fused_its_matrices_count(policy, clip, counted):
    unit = UNIT * clip[1] * clip[2] // 4096
    assert TakeNeeds(UNFUSED, clip, 1).sampling(policy) / unit == pytest.approx(counted, rel=0.15)
    assert TakeNeeds(UNFUSED, clip, 1).sampling(policy) > TakeNeeds(SD15, clip, 1).sampling(policy) * 1.5
    assert set(ATTENTION_MATRICES) == {"plain", "kept", "again"} and NEEDS[policy.name].guided[0] < counted


@pytest.mark.parametrize("free, expected", [(20.4, "balanced"), (12.4, "thrifty"), (150.0, "fast")])
def test_so_a_thriftier_policy_is_chosen_there(free, expected):
    assert choose_policy("auto", int(free * GB), TakeNeeds(UNFUSED, CLIP, 1)).name == expected
