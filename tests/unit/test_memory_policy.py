"""Which memory policy is chosen, how it is applied and undone, and the error when memory runs out."""

import json
from dataclasses import replace

import pytest
import torch

from backend.__main__ import main
from backend.backbones.animatediff.backbone import load_animatediff
from backend.backbones.animatediff.memory_needs import NEEDS, ModelShape, TakeNeeds
from backend.clips import read_clip
from backend.errors import OutOfMemory
from backend.job_folder.problem import Problem
from backend.memory import main_memory
from backend.memory import policy as memory
from backend.memory.device import on_device
from backend.memory.policy import BALANCED, FAST, POLICIES, THRIFTY, choose_policy, free_bytes, thriftier
from backend.models.entry import find_entry

GB = 10**9
SD15 = ModelShape(width=320, number_bytes=2, latent_scale=8, movable_bytes=827_000_000)
CLIP = (16, 64, 64)


@pytest.mark.parametrize(
    "free, clip, deepest_block, controls, expected",
    [
        (20.4 * GB, CLIP, 1, 0, "fast"),  # a card of 24 GB, of which the loaded model takes 3.4
        (12.4 * GB, CLIP, 1, 0, "balanced"),
        (8.4 * GB, CLIP, 1, 0, "balanced"),
        (2.6 * GB, CLIP, 1, 0, "thrifty"),
        (4.0 * GB, CLIP, 1, 0, "balanced"),
        (4.0 * GB, CLIP, 1, 1, "thrifty"),
        (4.0 * GB, CLIP, 2, 0, "thrifty"),
        (4.0 * GB, CLIP, None, 0, "fast"),
        (4.0 * GB, CLIP, 0, 0, "balanced"),
        (4.0 * GB, (8, 64, 64), 2, 0, "balanced"),
        (14.0 * GB, (16, 64, 64), 1, 0, "fast"),
        (14.0 * GB, (32, 64, 64), 1, 0, "balanced"),
        (14.0 * GB, (16, 96, 128), 1, 0, "balanced"),
        (None, CLIP, 1, 0, "balanced"),
    ],
)
def test_the_fastest_that_fits_is_chosen(free, clip, deepest_block, controls, expected):
    assert choose_policy("auto", free, TakeNeeds(SD15, clip, deepest_block, controls)).name == expected


@pytest.mark.parametrize("requested", POLICIES)
def test_a_wish_is_granted_whatever_is_free(requested):
    assert (
        choose_policy(requested, 100 * GB, TakeNeeds(SD15, CLIP, 1))
        == choose_policy(requested, None, TakeNeeds(SD15, CLIP, 1))
        == POLICIES[requested]
    )


def test_wider_numbers_need_more():
    assert choose_policy("auto", 20 * GB, TakeNeeds(replace(SD15, number_bytes=4), CLIP, 1)).name == "balanced"


def test_pictures_pass_the_vae_in_tiles_only_when_they_must():
    large = (16, 128, 128)
    assert choose_policy("thrifty", 2 * GB, TakeNeeds(SD15, large, 1)).tile_vae
    assert not choose_policy("thrifty", 2 * GB, TakeNeeds(SD15, CLIP, 1)).tile_vae
    assert not choose_policy("fast", 2 * GB, TakeNeeds(SD15, large, 1)).tile_vae


def test_policies_go_from_the_fastest_to_the_smallest():
    assert [thriftier(name) for name in POLICIES] == ["balanced", "thrifty", None]
    for one, next_one in ((FAST, BALANCED), (BALANCED, THRIFTY)):
        more, less = NEEDS[one.name], NEEDS[next_one.name]
        assert less.plain < more.plain and all(b < a for a, b in zip(more.guided, less.guided))


def chosen_for(model, take):
    needs = model.memory_needs(take.settings, take.frames, take.size, 0)
    return memory.policy_for("auto", model.device, needs)


def test_auto_is_fast_for_a_small_model_on_a_cpu(model, take):
    assert chosen_for(model, take) == FAST


def test_auto_saves_when_the_computer_has_little_left(model, take, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 100_000)
    assert chosen_for(model, take).name == "thrifty"


def test_what_is_free_is_told_in_bytes():
    free = free_bytes(torch.device("cpu"))
    assert free is None or 2**20 < free < 2**50


def test_a_system_that_tells_the_whole_memory_only_is_taken_to_have_half_of_it_free(monkeypatch, tmp_path):
    whole, free = main_memory.main_memory()
    assert whole and free and 2**28 < free <= whole < 2**50
    monkeypatch.setattr(main_memory, "MEMINFO", tmp_path / "nowhere")
    told, half = main_memory.main_memory()
    assert told == pytest.approx(whole, rel=0.05) and half == told // 2


def test_switches_are_taken_back_also_after_an_error(model):
    policy = replace(THRIFTY, tile_vae=True)
    with pytest.raises(ValueError), model.with_policy(policy) as spared:
        assert spared.separate_prompts and spared.denoiser().separate_prompts and model.vae.use_tiling
        raise ValueError
    assert not model.separate_prompts and not model.vae.use_tiling
    assert not any("forward" in vars(layer) for layer in model.unet.modules())


class Lent:
    """A module that records the devices it was on."""

    def __init__(self, device):
        self.device, self.moves = torch.device(device), []

    def to(self, device):
        self.device = torch.device(device)
        self.moves.append(self.device.type)


def test_what_is_offloaded_is_fetched_for_its_work_and_brought_back(model):
    lent = Lent("cuda")
    with replace(model, text_encoder=lent, vae=Lent("cuda")).with_policy(BALANCED):
        with on_device(torch.device("cuda"), lent) as there:
            assert there.device.type == "cuda"
        assert lent.device.type == "cpu"
    assert lent.moves == ["cpu", "cuda", "cpu", "cuda"]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        MemoryError(),
    ],
)
@pytest.mark.parametrize("name, advice", [("fast", "balanced"), ("balanced", "thrifty"), ("thrifty", None)])
def test_an_empty_memory_names_the_setting_and_the_next_policy(model, error, name, advice):
    with pytest.raises(OutOfMemory) as told, model.with_policy(POLICIES[name]):
        raise error
    assert told.value.thriftier == advice
    assert f"memory set to {name}" in told.value.message
    assert (f"Set memory to {advice}" if advice else "Lower the setting context_length") in told.value.hint


def test_a_model_that_does_not_fit_is_said(tiny, monkeypatch):
    def empty(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("backend.backbones.animatediff.backbone.fill", empty)
    with pytest.raises(Problem, match="'tiny' does not fit into the free memory"):
        load_animatediff(find_entry("tiny"), torch.device("cpu"), torch.float32)


def test_a_job_tells_its_policy_and_gives_the_same_frames(tiny, moving_clip, tmp_path):
    frames = {}
    for name in ("fast", "thrifty"):
        job = tmp_path / name
        command = ["clone", str(moving_clip), "--prompt", "a ball", "--model", "tiny", "--job", str(job)]
        assert main([*command, "--set", f"memory={name}"]) == 0
        assert json.loads((job / "result.json").read_text(encoding="utf-8"))["memory_policy"] == name
        frames[name] = read_clip(job / "result").frames.astype(int)
    assert abs(frames["fast"] - frames["thrifty"]).max() <= 1


def test_other_errors_stay_what_they_are(model):
    with pytest.raises(RuntimeError, match="shape"), model.with_policy(FAST):
        raise RuntimeError("shape mismatch")
    with pytest.raises(Problem, match="broke"), model.with_policy(FAST):
        raise Problem("Sampling broke.")
