"""`python3 -m install test --windows`: runs the tests of Windows-specific behavior under Wine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..failures import InstallError
from .blender import BPY
from .suites import MINUTES, Count, print_summary, read_report, run_limited
from .window import unavailable_reason
from .wine import TREE, in_wine, install_there, make_wine, windows_path

LIMIT = 40 * MINUTES
BLENDER = "5.2"  # its module needs the same Python version
REPORT = "report.xml"
SILENT = 5 * MINUTES  # per test; then the stack of each thread is printed
# The worker and its connection, the installer, models, job folders, and open files on Windows.
UNIT = (
    *("test_wire_messages", "test_wire_request", "test_wire_settings", "test_wire_files", "test_job_state"),
    *("test_client", "test_worker", "test_worker_folders", "test_job_queue", "test_job_note", "test_remote"),
    *("test_bundle", "test_storage", "test_interpreter", "test_backend_models", "test_clip_calls"),
    *("test_install", "test_install_windows", "test_install_strangers", "test_installer_process"),
    *("test_models_manage", "test_models_found", "test_windows_open_files", "test_checkpoint", "test_clips_write"),
)
# A cloned clip, and jobs that continue after a kill.
JOBS = (
    "tests/unit/test_command_line.py::test_the_motion_of_a_clip_is_read_once",
    "tests/unit/test_job_goes_on.py::test_the_same_with_sigkill",
    "tests/unit/test_remote_goes_on.py::test_it_goes_on_from_its_checkpoint_when_line_and_worker_were_gone",
)
IN_BLENDER = (
    *("test_extension", "test_presets", "test_panels", "test_translations", "test_backend_buttons"),
    *("test_place_strip", "test_place_again", "test_end_to_end"),
)

_BACKEND = "from install.backend import Backend; Backend(build='cpu').make(for_tests=True, check=True)"
_BLENDER = (
    "from install.developing.suites import _pytest_requirement; from install.developing.blender import make_bpy; "
    f"make_bpy({BLENDER!r}, extra=[_pytest_requirement()])"
)


def run_windows() -> int:
    """Runs the tests. Returns 0 when all passed. The last line counts them, as without `--windows`."""
    reason = unavailable_reason()
    if reason:
        raise InstallError(f"The tests under Wine could not run: {reason}.")
    root = make_wine()
    print("Backend environment, in Wine", flush=True)
    install_there(root, _BACKEND, "The backend")
    print(f"Blender {BPY[BLENDER][0]}, in Wine", flush=True)
    install_there(root, _BLENDER, "Blender's module")
    names = [f"tests/unit/{name}.py" for name in UNIT]
    results = {
        "Windows: wire, worker, installer, models and jobs": _run(root, ".venv", [*names, *JOBS]),
        f"Windows: Blender {BPY[BLENDER][0]}": _run(
            root, f".venv-bpy-{BLENDER}", [f"tests/blender/{name}.py" for name in IN_BLENDER]
        ),
    }
    return print_summary(results)


def _run(root: Path, environment: str, arguments: Sequence[str]) -> Count:
    """Runs one suite in an environment's Python. One that crashes or hangs leaves no report and counts as a failure."""
    print(f"\n{environment}: {len(arguments)} files of tests", flush=True)
    report = root / TREE[1:] / REPORT
    report.unlink(missing_ok=True)
    program = windows_path(f"{TREE}/{environment}/Scripts/python.exe")
    extra = {"MOTIONCLONE_BACKEND_PYTHON": windows_path(f"{TREE}/.venv/Scripts/python.exe")}
    options = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=10", f"--junitxml={REPORT}"]
    options += ["-o", f"faulthandler_timeout={SILENT}"]
    code = run_limited(in_wine(root, program, [*options, *arguments], extra), LIMIT, {})
    count = read_report(report)
    if count is None or (code and not count.failed):
        print(f"  The suite ended with exit code {code} instead of a full report.", flush=True)
        return (count or Count()) + Count(failed=1)
    return count
