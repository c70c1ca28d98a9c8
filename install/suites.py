"""Makes what the tests need and runs them all, one suite after the other."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .backend import TEST_REQUIREMENTS, Backend
from .blender import BPY, Host, make_bpy
from .failures import InstallError
from .places import ROOT
from .pythons import find_python
from .window import RELEASES, make_window, why_not

MINUTES = 60
UNIT_LIMIT, BLENDER_LIMIT, WINDOW_LIMIT = 35 * MINUTES, 12 * MINUTES, 20 * MINUTES
BLENDER_TESTS, WINDOW_TESTS = ROOT / "tests" / "blender", ROOT / "tests" / "window"


@dataclass(frozen=True)
class Count:
    """How many tests of one or more suites ended how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def run_all() -> int:
    """0 when every test of every suite passed. The last line counts them: 'N passed, N failed'."""
    print("Backend environment", flush=True)
    python = Backend().make(for_tests=True)
    hosts = _make_hosts()  # first: the unit tests build the zip with one of them
    others = [f"--ignore={folder}" for folder in (BLENDER_TESTS, WINDOW_TESTS)]
    results = {
        "style (ruff)": _run_checker(python, "Style", ["ruff", "check", "."]),
        "types (pyright)": _run_checker(python, "Types", ["pyright"]),
        "unit and agreement": _run_pytest(python, ["tests", *others], UNIT_LIMIT, {}),
    }
    results |= _run_blender_suites(hosts, python)
    results |= _run_window_suites(python)
    return told(results)


def told(results: Mapping[str, Count]) -> int:
    """Prints each suite's count and, in the last line, that of all; 0 when every test passed."""
    print()
    for title, count in results.items():
        print(f"{title}: {count}.")
    total = sum(results.values(), Count())
    print(total, flush=True)
    return 1 if total.failed else 0


def _run_checker(python: Path, title: str, command: Sequence[str]) -> Count:
    """The whole check counts as one test."""
    print(f"\n{title}", flush=True)
    answer = subprocess.run([str(python), "-m", *command], cwd=ROOT)
    return Count(failed=1) if answer.returncode else Count(passed=1)


def _make_hosts() -> list[Host]:
    """One of each Blender version; one whose Python is missing is said, and in CI there must be one."""
    hosts = []
    for series, (release, needed) in sorted(BPY.items()):
        if find_python(needed) is None:
            print(f"  Blender {release} is not tested: Python {needed} was not found.", flush=True)
            continue
        print(f"Blender {release}", flush=True)
        hosts.append(make_bpy(series, extra=[_pytest_requirement()]))
    if not hosts and _in_ci():
        raise InstallError(
            "No Blender suite could run, which CI does not accept.",
            "Install Python " + " or ".join(sorted({python for _, python in BPY.values()})) + ".",
        )
    return hosts


def _run_blender_suites(hosts: Sequence[Host], backend: Path) -> dict[str, Count]:
    results = {}
    for host in hosts:
        print(f"\n{host.title}", flush=True)
        with tempfile.TemporaryDirectory(prefix="motionclone-", ignore_cleanup_errors=True) as user:
            surroundings = {"MOTIONCLONE_BACKEND_PYTHON": str(backend), "BLENDER_USER_RESOURCES": user}
            results[host.title] = _run_pytest(host.program, [str(BLENDER_TESTS)], BLENDER_LIMIT, surroundings)
    return results


def _run_window_suites(backend: Path) -> dict[str, Count]:
    """One suite a Blender with a window. Where there can be none, this is said, and CI does not accept it."""
    reason = why_not()
    if reason and _in_ci():
        raise InstallError(f"The tests in Blender's window could not run, which CI does not accept: {reason}.")
    if reason:
        print(f"\nNot tested in Blender's window: {reason}.", flush=True)
        return {}
    results = {}
    for release, series in RELEASES.items():
        title = f"Blender {series} in its window"
        print(f"\n{title}", flush=True)
        surroundings = {"MOTIONCLONE_WINDOW": str(make_window(release))}
        results[title] = _run_pytest(backend, [str(WINDOW_TESTS)], WINDOW_LIMIT, surroundings)
    return results


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true")


def _pytest_requirement() -> str:
    """The one test need that bpy's environments share with the backend's."""
    lines = TEST_REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("pytest"))


def _run_pytest(python: Path, arguments: Sequence[str], limit: int, surroundings: Mapping[str, str]) -> Count:
    """Runs one suite with its own report file: a suite that crashes or hangs leaves none and counts as one failure."""
    with tempfile.TemporaryDirectory(prefix="motionclone-") as folder:
        report = Path(folder) / "report.xml"
        command = [str(python), "-m", "pytest", "-q", "--durations=10", f"--junitxml={report}", *arguments]
        # The tests' models are tiny, and on a busy machine two threads mostly wait for each other.
        threads = os.environ.get("OMP_NUM_THREADS", "1")
        code = run_limited(command, limit, {"OMP_NUM_THREADS": threads, **surroundings})
        count = read_report(report)
    if count is None or (code and not count.failed):
        print(f"  The suite ended with exit code {code} instead of a full report.", flush=True)
        return (count or Count()) + Count(failed=1)
    return count


def read_report(report: Path) -> Count | None:
    """The counts of a JUnit report, or None where there is none to read."""
    try:
        suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        return None
    tests, failures, errors, skipped = (
        sum(int(suite.get(kind, 0)) for suite in suites) for kind in ("tests", "failures", "errors", "skipped")
    )
    return Count(tests - failures - errors - skipped, failures + errors, skipped)


def run_limited(command: Sequence[str], limit: int, surroundings: Mapping[str, str]) -> int | None:
    """The exit code, or None when the program and all that it started had to be stopped after `limit` seconds."""
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **surroundings}, start_new_session=True) as process:
        try:
            return process.wait(limit)
        except BaseException as error:
            _stop_all(process)
            if isinstance(error, subprocess.TimeoutExpired):
                print(f"  Stopped after {limit // MINUTES} minutes.", flush=True)
                return None
            raise


def _stop_all(process: subprocess.Popen[bytes]) -> None:
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True)
