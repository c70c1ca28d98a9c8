"""Which torch build a machine gets, and that it is locked."""

from __future__ import annotations

import os

import pytest

from install.backend import backend_layers
from install.checks import pins
from install.failures import InstallError
from install.machine import Machine, Nvidia, parse_driver, parse_smi, this_machine
from install.paths import ROOT
from install.torch_build import BUILDS, LOCKS, NAMES, TORCH, choose_build

LINUX, WINDOWS, APPLE = Machine("linux", "x86_64"), Machine("windows", "x86_64"), Machine("darwin", "arm64")
CPU, PLAIN = f"torch=={TORCH}+cpu", f"torch=={TORCH}"


def with_nvidia(machine: Machine, driver: tuple[int, ...] | None, capability: tuple[int, ...] | None) -> Machine:
    return Machine(machine.system, machine.arch, Nvidia(driver, capability))


@pytest.mark.parametrize(
    ("machine", "name", "requirement", "index"),
    [
        (LINUX, "cpu", CPU, "cpu"),
        (Machine("linux", "arm64"), "cpu", CPU, "cpu"),
        (WINDOWS, "cpu", PLAIN, None),
        (APPLE, "apple", PLAIN, None),
        (Machine("darwin", "arm64", macos=(26, 1)), "apple", PLAIN, None),
        (Machine("linux", "x86_64", rocm=True), "rocm", PLAIN + "+rocm7.2", "rocm7.2"),
        (Machine("linux", "arm64", rocm=True), "cpu", CPU, "cpu"),
        (Machine("windows", "x86_64", rocm=True), "cpu", PLAIN, None),
        (Machine("linux", "x86_64", Nvidia((580, 65, 6), (8, 9)), rocm=True), "cuda13", PLAIN, None),
        (with_nvidia(LINUX, (590, 1), (12, 0)), "cuda13", PLAIN, None),
        (with_nvidia(LINUX, (580, 65, 6), None), "cuda13", PLAIN, None),
        (with_nvidia(LINUX, (580, 65, 6), (7, 5)), "cuda13", PLAIN, None),
        (with_nvidia(LINUX, (580, 65, 6), (7, 0)), "cuda12", PLAIN + "+cu126", "cu126"),
        (with_nvidia(LINUX, (579, 99), (8, 9)), "cuda12", PLAIN + "+cu126", "cu126"),
        (with_nvidia(LINUX, (525, 60, 13), (6, 1)), "cuda12", PLAIN + "+cu126", "cu126"),
        (with_nvidia(WINDOWS, (581, 29), (8, 6)), "cuda13", PLAIN + "+cu130", "cu130"),
        (with_nvidia(WINDOWS, (537, 42), (8, 6)), "cuda12", PLAIN + "+cu126", "cu126"),
        (with_nvidia(Machine("linux", "arm64"), (580, 95), (12, 1)), "cuda13", PLAIN, None),
    ],
)
def test_each_machine_gets_its_build_of_torch(machine, name, requirement, index):
    build = choose_build(machine)
    assert (build.name, build.requirement, build.index_url) == (name, requirement, BUILDS + index if index else None)
    assert not build.note and build.name in NAMES


@pytest.mark.parametrize(
    ("machine", "why"),
    [
        (with_nvidia(LINUX, None, None), "does not respond"),
        (with_nvidia(LINUX, (470, 256, 2), (8, 6)), "470.256.2 is too old"),
        (with_nvidia(LINUX, (575, 64), (12, 0)), "575.64 is too old"),
        (with_nvidia(LINUX, (470, 256, 2), (3, 5)), "GPU is too old"),
        (with_nvidia(Machine("linux", "arm64"), (550, 54), (9, 0)), "550.54 is too old"),
    ],
)
def test_an_nvidia_gpu_that_cannot_be_used_leaves_the_processor_and_a_note(machine, why):
    build = choose_build(machine)
    assert build.name == "cpu" and why in build.note


@pytest.mark.parametrize(
    "machine",
    [
        Machine("darwin", "x86_64"),
        Machine("darwin", "arm64", macos=(13, 7)),
        Machine("linux", "i686"),
        Machine("windows", "arm64"),
        Machine("freebsd", "x86_64"),
    ],
)
def test_a_machine_without_a_build_is_told(machine):
    with pytest.raises(InstallError, match="no .*build of torch|needs macOS") as error:
        choose_build(machine)
    assert error.value.hint


def test_a_build_can_be_chosen_where_there_is_one():
    assert choose_build(with_nvidia(LINUX, (590, 1), (9, 0)), "cpu").requirement == CPU
    with pytest.raises(InstallError, match="no rocm build") as error:
        choose_build(WINDOWS, "rocm")
    assert "cpu, cuda13, cuda12" in error.value.hint


def test_what_pip_is_set_up_with_comes_before_the_public_index():
    locked = ["--no-deps", "--require-hashes", "-r", str(LOCKS / "torch-cpu.txt")]
    assert choose_build(LINUX).pip_attempts() == [locked, [*locked, "--index-url", BUILDS + "cpu"]]
    assert len(choose_build(APPLE).pip_attempts()) == 1


@pytest.mark.parametrize("machine", [LINUX, WINDOWS, APPLE, with_nvidia(LINUX, (590, 1), None)])
def test_every_requirement_of_a_locked_build_has_hashes_and_torch_is_the_one_that_is_meant(machine):
    build = choose_build(machine)
    assert build.lock and build.requirement.removeprefix("torch==") in pins(LOCKS / build.lock)["torch"]
    for layer in backend_layers(build):
        for lock in layer.files:
            blocks = lock.read_text().replace("\\\n", "").splitlines()[1:]
            assert blocks and all("==" in block and "--hash=sha256:" in block for block in blocks)


def test_the_locks_hold_what_the_requirements_ask_for():
    pinned = pins(LOCKS / "backend.txt")
    for line in (ROOT / "install" / "requirements.txt").read_text().splitlines():
        name = line.partition("==")[0].partition(">=")[0]
        assert line.startswith("#") or name in pinned
        assert "==" not in line or pinned[name] == {line.partition("==")[2]}


def test_the_drivers_own_words_are_understood():
    assert parse_smi("580.65.06, 8.9\n580.65.06, 12.0\n") == Nvidia((580, 65, 6), (12, 0))
    assert parse_smi("470.82\n") == Nvidia((470, 82), None)
    assert parse_smi("NVIDIA-SMI has failed because it couldn't communicate with the driver.") == Nvidia()
    old = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024"
    new = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder)"
    assert (parse_driver(old), parse_driver(new), parse_driver("")) == ((535, 183, 1), (580, 65, 6), None)


@pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")
def test_the_gpu_s_own_tool_is_asked(tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 535.54.03, 7.5\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])
    assert this_machine().nvidia == Nvidia((535, 54, 3), (7, 5))


def test_processors_are_named_alike_everywhere(monkeypatch):
    for said, meant in (("AMD64", "x86_64"), ("aarch64", "arm64"), ("arm64", "arm64"), ("x86_64", "x86_64")):
        monkeypatch.setattr("platform.machine", lambda said=said: said)
        assert this_machine(environ={}).arch == meant
