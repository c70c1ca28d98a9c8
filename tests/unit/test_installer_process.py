"""The installer as run by the add-on: its output, its ends, and the real installer."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from tests.extension import ROOT, part
from tests.systems import kill_now

installer = part("setup.installer")
PATIENCE = 60


def reported(*messages):
    said = installer.Report()
    for message in messages:
        said.read_line(message if isinstance(message, str) else json.dumps(message))
    return said


def test_progress_is_told_in_bytes_and_shares():
    said = reported({"kind": "progress", "stage": "download", "done": 212e6, "total": 848e6, "text": "torch"})
    assert (said.factor, said.stage, said.megabytes) == (0.25, "download", (212, 848))
    said.read_line(json.dumps({"kind": "progress", "stage": "check", "done": 0, "total": 0, "text": "Testing"}))
    assert (said.factor, said.text, said.megabytes) == (None, "Testing", None)


def test_failures_keep_message_and_hint():
    said = reported({"kind": "failed", "message": "No space.", "hint": "Free 2 GB."})
    assert (said.problem.message, said.problem.hint) == ("No space.", "Free 2 GB.")


@pytest.mark.parametrize(
    "line", ["", "no json", "[]", "3", "null", "{}", '{"kind": "news"}', '{"kind": "plan"}', '{"kind": ["plan"]}']
)
def test_lines_that_say_nothing_are_passed_over(line):
    assert reported(line) == installer.Report()


def test_findings_and_models_are_kept():
    finding = {"id": "a", "text": "There is no x.", "hint": ""}
    templates = [{"template": "There is no {what}.", "values": {"what": "x"}}]
    (kept,) = reported({"healthy": False, "findings": [finding], "templates": templates}).findings
    assert kept == finding and kept["text"].template == "There is no {what}."
    assert reported({"folder": "x", "models": [{"name": "a"}]}).models == [{"name": "a"}]


def run(root: Path, *arguments: str):
    """Runs the finished installer of `root`."""
    process = installer.Installer(root, arguments)
    until_ended(process)
    return process.reported


def until_ended(process):
    deadline = time.monotonic() + PATIENCE
    while process.poll():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def fake(tmp_path):
    """fake(code): a folder in which `python -m install` runs the code."""

    def make(code: str) -> Path:
        root = tmp_path / "Erweiterung 猫"
        (root / "install").mkdir(parents=True)
        (root / "install" / "__init__.py").touch()
        (root / "install" / "__main__.py").write_text(f"import json, sys, time\n{code}\n", encoding="utf-8")
        return root

    return make


def test_the_real_installer_tells_its_plan():
    said = run(ROOT, "backend", "--plan", "--where", str(ROOT / "no such folder"))
    assert said.problem is None and said.plan.download_bytes > 100e6 and said.plan.disk_bytes > said.plan.download_bytes
    assert not (ROOT / "no such folder").exists()


def test_a_folder_of_someone_else_s_is_the_real_installer_s_problem(tmp_path):
    (tmp_path / "theirs").touch()
    said = run(ROOT, "backend", "--where", str(tmp_path))
    assert str(tmp_path) in said.problem.message and said.problem.hint


def test_an_end_without_a_word_is_a_problem(fake):
    said = run(fake("print('Traceback', file=sys.stderr); print('OSError: the disk', file=sys.stderr); sys.exit(3)"))
    assert "OSError: the disk" in said.problem.message and said.problem.repair == "motionclone.doctor"


def test_the_add_on_asks_for_json_and_talk_is_no_message(fake):
    said = run(fake("print('hello'); print(json.dumps({'kind': 'note', 'text': ' '.join(sys.argv[1:])}))"), "wheels")
    assert said.note == "wheels --json" and said.problem is None


def test_blender_s_own_python_settings_stay_behind(fake, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    assert run(fake("print(json.dumps({'kind': 'done', 'text': 'started'}))")).done


def test_cancelled_it_says_so(fake):
    code = (
        "try:\n    print(json.dumps({'kind': 'note', 'text': 'begun'}), flush=True); time.sleep(600)\n"
        "except KeyboardInterrupt:\n    print(json.dumps({'kind': 'cancelled'}))\n    sys.exit(130)"
    )
    process = installer.Installer(fake(code), ())
    deadline = time.monotonic() + PATIENCE
    while process.reported.note != "begun":
        process.poll()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.cancel()
    until_ended(process)
    assert process.reported.cancelled and process.reported.problem is None


def test_cancelled_without_a_last_word_it_did_not_fail(fake, processes, monkeypatch):
    """Like on Windows, which ends programs without asking them."""
    code = "print(json.dumps({'kind': 'note', 'text': 'begun'}), flush=True); time.sleep(600)"
    process = installer.Installer(fake(code), ())
    deadline = time.monotonic() + PATIENCE
    while process.reported.note != "begun":
        process.poll()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    monkeypatch.setattr(processes[0], "send_signal", lambda _: kill_now(processes[0].pid))
    process.cancel()
    until_ended(process)
    assert process.reported.cancelled and process.reported.problem is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends programs without asking them")
def test_closing_ends_one_that_does_not_listen(fake):
    code = (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print(json.dumps({'kind': 'note', 'text': 'deaf'}), flush=True)\ntime.sleep(600)"
    )
    process = installer.Installer(fake(code), ())
    while process.reported.note != "deaf":
        process.poll()
        time.sleep(0.02)
    process.close(seconds=0.2)
    assert not process.poll()
