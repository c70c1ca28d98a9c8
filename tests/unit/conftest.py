"""What unit tests share: a data folder of their own, a tiny model in it, and a reference clip that moves.

Torch is imported where it is needed, because the process that hands out the tests loads this file too.
"""

from __future__ import annotations

import copy
import gc
import os
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backend.models.entry import find_entry, read_entry
from install.models.catalogue import Catalogue, read_catalogue
from install.paths import interpreter
from tests.download_kills import made_up_hub, make_catalogue
from tests.hub_server import Hub
from tests.install_kills import alone, command, make_wheels
from tests.installer_runs import finish
from tests.systems import set_home

if TYPE_CHECKING:
    from backend.backbones.animatediff.backbone import AnimateDiff
    from backend.job.take import Take
    from backend.motion.representation import MotionRepresentation

HUB_BYTES = 4_000_000  # of the largest file of the made-up hub


@pytest.fixture(autouse=True)
def data_folder(tmp_path_factory, monkeypatch) -> Path:
    """Nothing a test does reaches the user's own data."""
    folder = tmp_path_factory.mktemp("Daten ü")
    monkeypatch.setenv("MOTIONCLONE_DATA", str(folder))
    return folder


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_counts():
    """Shells let what they start in the background ignore Ctrl-C, and children that tests interrupt inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def only_new_objects_are_searched():
    """Every job that ends collects garbage, which then need not go through all the objects of torch and its like."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def built_tiny_model(tmp_path_factory) -> Path:
    from tests import tiny_model

    models = tmp_path_factory.mktemp("models")
    tiny_model.build(models)
    return models


@pytest.fixture
def tiny(built_tiny_model, data_folder) -> Path:
    """The tiny model's folder, as a user's own model entry 'tiny'."""
    shutil.copytree(built_tiny_model, data_folder / "models")
    return data_folder / "models" / "tiny"


@pytest.fixture(scope="session")
def loaded_tiny_model(built_tiny_model) -> AnimateDiff:
    import torch

    from backend.backbones.animatediff.backbone import load_animatediff

    return load_animatediff(read_entry(built_tiny_model / "tiny.toml"), torch.device("cpu"), torch.float32)


@pytest.fixture
def model(loaded_tiny_model, tiny) -> AnimateDiff:
    """The tiny model, loaded. A copy takes a third of the time."""
    shared = {id(loaded_tiny_model.tokenizer): loaded_tiny_model.tokenizer}
    return replace(copy.deepcopy(loaded_tiny_model, shared), entry=find_entry("tiny"))


@pytest.fixture
def take(model) -> Take:
    from tests.tiny_takes import take_of

    return take_of(model)


@pytest.fixture
def motion(model) -> MotionRepresentation:
    from tests.tiny_takes import read_motion

    return read_motion(model)


@pytest.fixture
def moving_clip(tmp_path) -> Path:
    """A folder of 8 frames of 32x32: a light square crosses a textured ground."""
    import numpy as np

    from backend.clips import write_frames

    rng = np.random.default_rng(0)
    ground = rng.integers(40, 120, (32, 32, 3), dtype=np.uint8)
    frames = np.repeat(ground[None], 8, 0)
    for f, frame in enumerate(frames):
        frame[10:20, 2 + 2 * f : 12 + 2 * f] = (230, 200, 90)
    write_frames(tmp_path / "clip ü", frames)
    return tmp_path / "clip ü"


@pytest.fixture(scope="session")
def made_up_wheels(tmp_path_factory) -> Path:
    """A folder of small generated wheels with locks. An environment that was installed from them is in the folder
    `finished` beside it; tests that change it work on copies."""
    wheels = tmp_path_factory.mktemp("made up whéels") / "wheels"
    make_wheels(wheels, packages=3, files=3)
    where = wheels.parent / "finished" / "venv"
    where.parent.mkdir()
    environ = alone({"MOTIONCLONE_DATA": str(wheels.parent / "data")})
    messages = finish(command(where, wheels, wheels / "locks"), environ)
    assert [message["kind"] for message in messages][0] == "note" and messages[-1]["kind"] == "done"
    assert messages[-1]["python"] == str(interpreter(where))
    assert {message.get("stage") for message in messages} == {None, "python", "download", "unpack"}
    return wheels


@pytest.fixture
def processes(monkeypatch) -> list[subprocess.Popen]:
    """The processes that the test started, in order."""
    started: list[subprocess.Popen] = []

    class Recorded(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    return started


@pytest.fixture
def home(tmp_path, data_folder, monkeypatch) -> Path:
    """An empty home, without this machine's settings of the hub's client."""
    for name in [name for name in os.environ if name.upper().startswith(("HF_", "HUGGINGFACE", "XDG_"))]:
        monkeypatch.delenv(name)
    set_home(monkeypatch, tmp_path / "home")
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def hub() -> Hub:
    """With files for the models of `catalogue`; it serves them only where a test lets it."""
    return made_up_hub(HUB_BYTES)


@pytest.fixture
def catalogue(tmp_path, hub) -> Catalogue:
    return read_catalogue(make_catalogue(tmp_path / "catalogue.toml", hub))
