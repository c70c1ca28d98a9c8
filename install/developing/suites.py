"""Creates the test environments and runs all test suites, in parallel if there are enough processors."""

from __future__ import annotations

import os
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..backend import TEST_REQUIREMENTS, Backend
from ..failures import InstallError
from ..paths import ROOT
from ..pythons import find_python
from .blender import BPY, Host, make_bpy
from .parallel import MINUTES, Program, run_in_parallel, usable_processors
from .window import RELEASES, make_window, unavailable_reason

UNIT_LIMIT, BLENDER_LIMIT, WINDOW_LIMIT, CHECK_LIMIT = 30 * MINUTES, 20 * MINUTES, 30 * MINUTES, 10 * MINUTES
MAX_PROCESSES = 8  # each holds torch in memory
BLENDER_TESTS, WINDOW_TESTS = ROOT / "tests" / "blender", ROOT / "tests" / "window"


@dataclass(frozen=True)
class Count:
    """The results of one or more suites."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


@dataclass(frozen=True)
class Suite:
    """Tests or a check that one program runs. report: its JUnit file; without one, the program counts as one test."""

    program: Program
    report: Path | None = None


def run_all() -> int:
    """Runs every suite. Returns 0 when all tests passed. The last line of output is 'N passed, N failed'."""
    print("Backend environment", flush=True)
    python = Backend().make(for_tests=True)
    hosts = _make_hosts()  # first, because the unit tests build the zip with one of them
    windows = _make_windows()
    slots = usable_processors() + 1  # tests wait for other programs in a third of their time
    with tempfile.TemporaryDirectory(prefix="motionclone-", ignore_cleanup_errors=True) as folder:
        results = run([_unit_suite(python, Path(folder), slots)], slots)
        results |= run(_other_suites(python, hosts, windows, Path(folder)), slots)
    return print_summary(results)


def run(suites: Sequence[Suite], slots: int) -> dict[str, Count]:
    counts = {}

    def ended(program: Program, code: int | None) -> None:
        (suite,) = (suite for suite in suites if suite.program is program)
        counts[program.title] = _count(suite, code)

    run_in_parallel([suite.program for suite in suites], slots, ended)
    return {suite.program.title: counts[suite.program.title] for suite in suites}


def _count(suite: Suite, code: int | None) -> Count:
    """The result of a suite. One that crashes or hangs leaves no complete report and counts as a failure."""
    if suite.report is None:
        return Count(failed=1) if code != 0 else Count(passed=1)
    count = read_report(suite.report)
    if count is None or (code != 0 and not count.failed):
        print(f"  The suite ended with exit code {code} instead of a full report.", flush=True)
        return (count or Count()) + Count(failed=1)
    return count


def _unit_suite(python: Path, folder: Path, slots: int) -> Suite:
    """The unit tests, distributed over several processes as tests/conftest.py says."""
    others = [f"--ignore={tests}" for tests in (BLENDER_TESTS, WINDOW_TESTS)]
    processes = ["-n", str(min(slots, MAX_PROCESSES))]
    return _pytest("unit and agreement", python, ["tests", *others, *processes], UNIT_LIMIT, folder)


def _other_suites(python: Path, hosts: Sequence[Host], windows: Mapping[str, Path], folder: Path) -> list[Suite]:
    """The other suites. The longest come first, so that all slots finish at about the same time."""
    suites = []
    for title, window in windows.items():
        variables = {"MOTIONCLONE_WINDOW": str(window)}
        suites.append(_pytest(title, python, [str(WINDOW_TESTS)], WINDOW_LIMIT, folder, variables))
    for host in hosts:
        user = folder / f"user of {host.title}"
        user.mkdir()
        variables = {"MOTIONCLONE_BACKEND_PYTHON": str(python), "BLENDER_USER_RESOURCES": str(user)}
        suites.append(_pytest(host.title, host.program, [str(BLENDER_TESTS)], BLENDER_LIMIT, folder, variables))
    checks = {"types (pyright)": ["pyright"], "style (ruff)": ["ruff", "check", "."]}
    for title, command in checks.items():
        suites.append(Suite(Program(title, [str(python), "-m", *command], CHECK_LIMIT)))
    return suites


def _pytest(
    title: str,
    python: Path,
    arguments: Sequence[str],
    limit: int,
    folder: Path,
    variables: Mapping[str, str] | None = None,
) -> Suite:
    report = folder / f"{title}.xml"
    command = [str(python), "-m", "pytest", "-q", "--durations=10", f"--junitxml={report}", *arguments]
    # The tests' models are tiny, and on a busy machine two threads mostly wait for each other.
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    return Suite(Program(title, command, limit, {"OMP_NUM_THREADS": threads, **(variables or {})}), report)


def print_summary(results: Mapping[str, Count]) -> int:
    """Prints each suite's results and, in the last line, the total. Returns 0 when all tests passed."""
    print()
    for title, count in results.items():
        print(f"{title}: {count}.")
    total = sum(results.values(), Count())
    print(total, flush=True)
    return 1 if total.failed else 0


def _make_hosts() -> list[Host]:
    """Creates a bpy environment for each Blender version whose Python is installed. In CI there must be at least
    one."""
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


def _make_windows() -> dict[str, Path]:
    """The Debian folder of each Blender with a window. If there can be none, the reason is printed; CI does not accept
    that."""
    reason = unavailable_reason()
    if reason and _in_ci():
        raise InstallError(f"The tests in Blender's window could not run, which CI does not accept: {reason}.")
    if reason:
        print(f"Not tested in Blender's window: {reason}.", flush=True)
        return {}
    return {f"Blender {series} in its window": make_window(release) for release, series in RELEASES.items()}


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true")


def _pytest_requirement() -> str:
    """The one requirement that bpy's environments share with the backend's test environment."""
    lines = TEST_REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("pytest>"))


def read_report(report: Path) -> Count | None:
    """The results in a JUnit report, or None when it cannot be read."""
    try:
        suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        return None
    tests, failures, errors, skipped = (
        sum(int(suite.get(kind, 0)) for suite in suites) for kind in ("tests", "failures", "errors", "skipped")
    )
    return Count(tests - failures - errors - skipped, failures + errors, skipped)


def run_limited(command: Sequence[str], limit: int, variables: Mapping[str, str]) -> int | None:
    """Runs a program and returns its exit code, or None when it and its children had to be stopped after `limit`
    seconds."""
    codes = []
    run_in_parallel([Program("", command, limit, variables)], 1, lambda _, code: codes.append(code))
    return codes[0]
