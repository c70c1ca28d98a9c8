"""Quick cases of tests.worker_truth, which must still detect the faults that it injects."""

from __future__ import annotations

import sys

import pytest

from backend.backbones.animatediff.backbone import AnimateDiff
from backend.clips import ffmpeg_process
from backend.job import attempts, checkpoint, previews, progress
from backend.memory import policy as memory
from tests.worker_truth import __main__ as driver
from tests.worker_truth.case import Case

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its scripts and disks are Linux's")


def test_quick_cases_hold(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["worker_truth", "--only", "is missing,installer's log,cache,storage"])
    monkeypatch.setenv("MOTIONCLONE_DATA", "")
    assert driver.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "4 cases, 0 failed."


def test_what_does_not_hold_or_breaks_is_counted(monkeypatch, capsys):
    def broken(folder):
        raise AssertionError("no such luck")

    monkeypatch.setattr(driver, "CASES", [Case("one", lambda _: (False, "why")), Case("two", broken)])
    monkeypatch.setattr(sys, "argv", ["worker_truth"])
    monkeypatch.setenv("MOTIONCLONE_DATA", "")
    assert driver.main() == 1
    out = capsys.readouterr().out
    assert "FAILED  one" in out and "AssertionError: no such luck" in out and out.endswith("2 cases, 2 failed.\n")


def test_what_it_breaks_is_where_it_looks():
    assert hasattr(AnimateDiff, "with_policy") and hasattr(attempts, "generate") and hasattr(memory, "choose_policy")
    assert hasattr(checkpoint, "SECONDS") and hasattr(progress, "WRITE_SECONDS")
    assert hasattr(previews.Previews, "_strip") and {"SECONDS", "SHARE"} < vars(previews).keys()
    assert hasattr(ffmpeg_process, "SECONDS_SILENT") and hasattr(ffmpeg_process, "CHOSEN")
