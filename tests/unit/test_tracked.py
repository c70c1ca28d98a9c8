"""Tracked files stay small, and the demo model's weights change only with a version, because the history keeps them
all."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.documents import ROOT, prose, rows

MEGABYTE = 1_000_000
MODELS, CARD = ROOT / "backend" / "models", ROOT / "backend" / "models" / "demo" / "README.md"
MAX = {"the models' weights": 40, "recorded numbers": 12, "the rest": 7}  # MB
MAX_OF_A_FILE = 1.0  # MB, of the rest


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if shutil.which("git") is None:
        pytest.skip("asks git")
    asked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if asked.returncode:
        pytest.skip("not a git checkout")
    return [path for name in asked.stdout.decode().split("\0")[:-1] if (path := ROOT / name).is_file()]


def kind(path: Path) -> str:
    if path.is_relative_to(ROOT / "tests" / "reference"):
        return "recorded numbers"
    return "the models' weights" if path.suffix == ".safetensors" else "the rest"


def test_the_tree_stays_small(tracked):
    sizes = dict.fromkeys(MAX, 0.0)
    for path in tracked:
        sizes[kind(path)] += path.stat().st_size / MEGABYTE
    assert all(0 < size <= MAX[what] for what, size in sizes.items()), sizes


def test_no_file_but_weights_and_recorded_numbers_is_large(tracked):
    rest = [path for path in tracked if kind(path) == "the rest"]
    assert len(rest) > 500
    assert not [path for path in rest if path.stat().st_size > MAX_OF_A_FILE * MEGABYTE]


def test_weights_change_only_with_a_version_of_the_model_card(tracked):
    """The card's table has a column per version and a row per file; each column differs from the one before."""
    heads = next(line for line in prose(CARD).splitlines() if line.startswith("| weights |"))
    versions = [cell.strip() for cell in heads.split("|")[2:-1]]
    trained = [row[0] for row in rows(CARD) if len(row) == 5 and row[0].isdigit()]
    assert versions == trained == [str(number) for number in range(1, len(versions) + 1)]
    table = [[cell.strip("`") for cell in row] for row in rows(CARD) if row[0].startswith("`demo")]
    said = {name: digests for name, *digests in table}
    columns = list(zip(*said.values(), strict=True))
    assert len(set(columns)) == len(columns) == len(versions)
    weights = [path for path in tracked if path.is_relative_to(MODELS) and path.suffix == ".safetensors"]
    here = {path.parent.relative_to(MODELS).as_posix(): digest(path) for path in weights}
    assert here == {name: cells[-1] for name, cells in said.items()}, (
        "Other weights need another version: a row of its training and a column of its files in the model card"
    )


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
