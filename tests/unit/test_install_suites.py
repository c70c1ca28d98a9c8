"""How `python3 -m install test` runs its suites: in parallel, each with a time limit, and none outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from install.developing import parallel, suites
from install.developing.parallel import Program, run_in_parallel
from install.paths import ROOT

REPORT = '<testsuites><testsuite tests="9" failures="1" errors="1" skipped="2"/></testsuites>'


def python(source: str, title: str = "a suite", limit: int = 60) -> Program:
    return Program(title, [sys.executable, "-c", source], limit)


def test_reports_are_counted_and_a_missing_one_is_no_count(tmp_path):
    report = tmp_path / "report.xml"
    assert suites.read_report(report) is None
    report.write_text(REPORT)
    assert suites.read_report(report) == suites.Count(5, 2, 2)
    assert str(suites.Count(5, 2, 2)) == "5 passed, 2 failed, 2 skipped"
    assert str(suites.Count(5)) == "5 passed, 0 failed"


def test_a_suite_that_crashes_or_hangs_is_a_failure(tmp_path):
    report = tmp_path / "report.xml"
    crash = suites.Suite(python("import os; os._exit(139)", "crash"), report)
    hang = suites.Suite(python("import time; time.sleep(60)", "hang", limit=1), report)
    check = suites.Suite(python("raise SystemExit(1)", "check"))
    assert suites.run([crash, hang, check], 2) == {
        title: suites.Count(failed=1) for title in ("crash", "hang", "check")
    }
    full = REPORT.replace('failures="1" errors="1"', 'failures="0" errors="0"')
    late = suites.Suite(python(f"open({str(report)!r}, 'w').write({full!r}); raise SystemExit(3)", "late"), report)
    assert suites.run([late], 2) == {"late": suites.Count(7, 1, 2)}, "all passed, but the program ended otherwise"
    good = suites.Suite(python(f"open({str(report)!r}, 'w').write({full!r})", "good"), report)
    assert suites.run([good, suites.Suite(python("", "check"))], 2) == {
        "good": suites.Count(7, 0, 2),
        "check": suites.Count(1),
    }


def test_limited_runs_give_the_exit_code_or_none():
    assert suites.run_limited([sys.executable, "-c", "import time; time.sleep(60)"], 1, {}) is None
    assert (
        suites.run_limited([sys.executable, "-c", "import os; raise SystemExit(int(os.environ['A']))"], 30, {"A": "3"})
        == 3
    )


def test_as_many_at_once_as_there_are_lanes_and_in_their_order(tmp_path):
    """Each notes how many it saw running; the first two wait for each other."""
    source = """
import sys, time
from pathlib import Path
name, folder = sys.argv[1], Path(sys.argv[2])
(folder / f"{name}.running").touch()
seen = len(list(folder.glob("*.running")))
deadline = time.monotonic() + 30
while seen < 2 and name in ("0", "1") and time.monotonic() < deadline:
    time.sleep(0.01)
    seen = len(list(folder.glob("*.running")))
time.sleep(0.3)
print("heard", name)
(folder / f"{name}.seen").write_text(str(max(seen, len(list(folder.glob("*.running"))))))
(folder / f"{name}.running").unlink()
"""
    programs = [Program(str(i), [sys.executable, "-c", source, str(i), str(tmp_path)], 60) for i in range(5)]
    codes = {}
    run_in_parallel(programs, 2, lambda program, code: codes.update({program.title: code}))
    assert codes == dict.fromkeys("01234", 0)
    most = [int((tmp_path / f"{i}.seen").read_text()) for i in range(5)]
    assert max(most) == 2 and most[:2] == [2, 2]


def test_what_each_says_is_told_in_one_piece(capfd):
    source = "import sys, time\nfor i in range(3): print(sys.argv[1], i, flush=True); time.sleep(0.3)"
    programs = [Program(name, [sys.executable, "-c", source, name], 60) for name in ("one", "two")]
    run_in_parallel(programs, 2, lambda program, code: print(program.title, "ended with", code))
    said = capfd.readouterr().out
    for name in ("one", "two"):
        assert f"\n{name} 0\n{name} 1\n{name} 2\n{name} ended with 0\n" in said


def test_a_failure_in_between_passes_and_stops_the_others_even_if_they_have_just_ended(monkeypatch):
    def ended(program: Program, code: int | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "LOOK", 1.0)  # long enough for both to end
    with pytest.raises(KeyboardInterrupt):
        run_in_parallel([python("", "one"), python("", "another")], 2, ended)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_that_runs(tmp_path, number):
    """Including what the suites have started."""
    child = f"import subprocess, time; subprocess.Popen(['sleep', '61.{os.getpid()}']); time.sleep(60)"
    source = f"""
import signal, sys
from install.developing.parallel import Program, run_in_parallel
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.default_int_handler)  # as install/commands.py does
programs = [Program(name, [sys.executable, "-c", {child!r}], 60) for name in "abc"]
run_in_parallel(programs, 2, print)
"""
    process = subprocess.Popen([sys.executable, "-c", source], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    mark = f"sleep\x0061.{os.getpid()}\0"
    wait_until(lambda: sum(mark in line for line in running()) == 2)
    process.send_signal(number)
    assert process.wait(30) != 0 and "KeyboardInterrupt" in process.stderr.read()
    wait_until(lambda: not any(mark in line for line in running()))


def running() -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().decode("utf-8", "replace"))
        except OSError:  # it has ended meanwhile
            continue
    return lines


def wait_until(true) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
