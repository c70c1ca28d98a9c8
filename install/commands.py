"""The command line of `python3 -m install`."""

from __future__ import annotations

import argparse
import io
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from .backend import Backend
from .doctor import run_doctor
from .failures import InstallError, as_typed, explained
from .models.commands import add_models
from .paths import ROOT
from .pythons import check_running
from .reports import Report
from .torch_build import NAMES

ABOUT = """\
Installs what MotionClone needs, and tests it.

  demo        clones a small Blender scene's motion into three new clips: pictures and a .blend in demo/
  test        creates the test environments and runs every test
  backend     installs or updates the backend's environment, and tests it
  models      lists, adds, verifies and removes models of the catalogue
  python      prints the backend's Python interpreter, for MOTIONCLONE_BACKEND_PYTHON and for running things by hand
  doctor      finds problems and shows how to fix them
  wheels      downloads the packages for installing on a similar machine without a network
  remove      removes everything that was installed, but not your jobs
  extension   builds the extension's zip and its release notes in dist/
  repository  creates a folder that a web server can serve as an extension repository
"""


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0; 1 for an error that the user can fix or a failed test; 2 for wrong usage; 130 when
    interrupted."""
    chosen = make_parser().parse_args(arguments)
    _speak_utf8()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    report = Report(getattr(chosen, "json", False) and chosen.command != "doctor")
    try:
        if chosen.command not in ("doctor", "python"):
            check_running()
        return chosen.run(chosen, report) or 0
    except InstallError as error:
        report.failed(error)
        return 1
    except OSError as error:
        report.failed(explained(error))
        return 1
    except KeyboardInterrupt:
        report.cancelled()
        return 130


def _demo(chosen: argparse.Namespace, report: Report) -> None:
    _developing("demo").make_demo(chosen.blender)


def _test(chosen: argparse.Namespace, report: Report) -> int:
    part = _developing("wine_suites" if chosen.windows else "suites")
    return part.run_windows() if chosen.windows else part.run_all()


def _backend(chosen: argparse.Namespace, report: Report) -> None:
    report.note("Backend environment")
    wheels = chosen.wheels and chosen.wheels.expanduser().absolute()
    backend = Backend(chosen.where, wheels, chosen.build, report)
    if chosen.plan:
        backend.announce()
        return
    python = backend.make(repair=chosen.repair, check=not chosen.no_check)
    report.done(f"Ready: {python}", str(python))


def _python(chosen: argparse.Namespace, report: Report) -> None:
    print(Backend(chosen.where).existing())


def _wheels(chosen: argparse.Namespace, report: Report) -> None:
    Backend(build=chosen.build, report=report).fetch(chosen.folder.expanduser().absolute())


def _remove(chosen: argparse.Namespace, report: Report) -> None:
    Backend(chosen.where, report=report).remove(chosen.models)


def _doctor(chosen: argparse.Namespace, report: Report) -> int:
    python = chosen.python and chosen.python.expanduser().absolute()
    return run_doctor(Backend(chosen.where), chosen.json, chosen.report, python)


def _extension(chosen: argparse.Namespace, report: Report) -> None:
    part = _developing("extension")
    print(part.build_extension(part.DIST, chosen.blender))
    print(part.write_notes(part.DIST))


def _developing(name: str) -> ModuleType:
    """Imports a module that only developers need. Raises InstallError in an installed extension, which does not have
    it."""
    if not Path(__file__).with_name("developing").is_dir():
        raise InstallError("This command is not part of the extension.", "Run it in a clone of the repository.")
    return import_module(f".developing.{name}", __package__)


def _repository(chosen: argparse.Namespace, report: Report) -> None:
    print(_developing("repository").make_repository(chosen.folder.expanduser().absolute(), chosen.blender))


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=as_typed("python3 -m install"),
        description=f"{ABOUT}\nRun it in {ROOT}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", description="Clones a small Blender scene's motion into three new clips.")
    _add_blender(demo)
    demo.set_defaults(run=_demo)
    test = commands.add_parser("test", description="Creates the test environments and runs every test.")
    test.add_argument(
        "--windows", action="store_true", help="run the tests for Windows under Wine instead (Debian, as root)"
    )
    test.set_defaults(run=_test)
    _add_backend(commands.add_parser("backend", description="Installs or updates the backend's environment."))
    _add_others(commands)
    _add_distribution(commands)
    return parser


def _add_backend(backend: argparse.ArgumentParser) -> None:
    _add_where(backend)
    backend.add_argument("--wheels", type=Path, metavar="DIR", help="install from this folder of wheels, offline")
    _add_build(backend)
    backend.add_argument("--repair", action="store_true", help="check every installed file and fix damaged packages")
    backend.add_argument("--plan", action="store_true", help="only show what would be downloaded, and its size")
    backend.add_argument("--no-check", action="store_true", help="skip the short generation at the end")
    _add_json(backend)
    backend.set_defaults(run=_backend)


def _add_others(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add_models(commands.add_parser("models", description="The catalogue of models: list, add, remove, verify."))
    python = commands.add_parser("python", description="Prints the backend's Python interpreter.")
    _add_where(python)
    python.set_defaults(run=_python)
    wheels = commands.add_parser("wheels", description="Downloads the packages for a similar machine.")
    wheels.add_argument("folder", type=Path, metavar="DIR")
    _add_build(wheels)
    _add_json(wheels)
    wheels.set_defaults(run=_wheels)
    remove = commands.add_parser("remove", description="Removes everything that was installed, but not your jobs.")
    _add_where(remove)
    remove.add_argument("--models", action="store_true", help="also remove the installed models")
    _add_json(remove)
    remove.set_defaults(run=_remove)
    doctor = commands.add_parser("doctor", description="Finds problems and shows how to fix them.")
    _add_where(doctor)
    _add_json(doctor)
    doctor.add_argument(
        "--python", type=Path, metavar="PATH", help="a Python that runs the backend instead of the installed one"
    )
    doctor.add_argument("--report", type=Path, metavar="FILE", help="write a bug report without names and paths")
    doctor.set_defaults(run=_doctor)


def _add_distribution(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    extension = commands.add_parser("extension", description="Builds the extension's zip and its release notes.")
    _add_blender(extension)
    extension.set_defaults(run=_extension)
    repository = commands.add_parser(
        "repository", description="Creates a folder of static files that Blender can use as an extension repository."
    )
    repository.add_argument("folder", type=Path, metavar="DIR")
    _add_blender(repository)
    repository.set_defaults(run=_repository)


def _add_blender(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--blender", metavar="PATH", help="Blender 4.2 or newer (default: one on this machine, or bpy)")


def _add_where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--where", type=Path, metavar="DIR", help="the environment's folder (default: see the README)")


def _add_build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--build", choices=NAMES, help="the build of torch (default: the one that fits this machine)")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON lines, for programs")


def _speak_utf8() -> None:
    """Replaces characters that the console cannot print, so that no path can stop the installer."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
