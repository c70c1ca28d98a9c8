"""The worker as a pip package: `pip install .` provides the command motionclone-backend."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from install.developing.extension import manifest
from install.paths import ROOT
from install.torch_build import TORCH
from tests.borrowed import make_borrowing

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_pip_installs_what_the_installer_does():
    lines = (ROOT / "install" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert PROJECT["project"]["dependencies"] == [f"torch=={TORCH}", *wanted]


def test_the_version_is_the_manifest_s_alone():
    assert "version" not in PROJECT["project"] and PROJECT["project"]["dynamic"] == ["version"]
    text = (ROOT / "blender_manifest.toml").read_text(encoding="utf-8")
    (found,) = re.findall(PROJECT["tool"]["hatch"]["version"]["pattern"], text, re.MULTILINE)
    assert found == manifest()["version"]


@pytest.fixture(scope="module")
def farm(tmp_path_factory) -> Path:
    """An environment in which the package was installed; it uses our environment's dependencies and pip."""
    python = make_borrowing(tmp_path_factory.mktemp("farm") / "venv")
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return python.with_name("motionclone-backend.exe" if os.name == "nt" else "motionclone-backend")


def run(command: Path, *arguments: str, folder: Path) -> str:
    """Runs a command from a folder outside the checkout."""
    done = subprocess.run([str(command), *arguments], cwd=folder, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_command_lists_the_models_of_its_own_version(farm, tmp_path):
    models = json.loads(run(farm, "models", "--json", folder=tmp_path))
    assert "demo" in [model["name"] for model in models]
    (version,) = farm.parents[1].rglob("motionclone_backend-*.dist-info")
    assert version.name == f"motionclone_backend-{manifest()['version']}.dist-info"


@pytest.mark.slow
def test_the_benchmarks_stay_in_the_repository(farm, tmp_path):
    done = subprocess.run([str(farm), "bench", "motion"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "Run this command in a clone of the repository." in done.stderr


@pytest.mark.slow
def test_the_command_clones_a_clip(farm, moving_clip, tmp_path):
    quick = ("--set", "steps=4", "--set", "guided_steps=2", "--set", "warm_up_steps=1", "--set", "cool_down_steps=1")
    prompt = "a red ball on green ground under a blue sky"
    result = json.loads(run(farm, "clone", str(moving_clip), "--prompt", prompt, *quick, "--json", folder=tmp_path))
    assert Path(result["video"]).stat().st_size > 0
