"""The command line of `python3 -m install`."""

from __future__ import annotations

import argparse
import io
import signal
import sys
from collections.abc import Sequence

from .backend import existing_backend, make_backend
from .demo import make_demo
from .environments import ROOT
from .failures import InstallError
from .suites import run_all

ABOUT = """\
Makes what MotionClone needs and shows that it works.

  demo      clones a small Blender scene's motion into three new clips: pictures and a .blend in demo/
  test      makes the test environments and runs every test
  backend   makes the backend's environment, .venv
  python    prints the backend's Python interpreter, for MOTIONCLONE_BACKEND_PYTHON and for running things by hand
"""


def main(arguments: Sequence[str]) -> int:
    """Exit code 0; 1 for something the user can mend or a failed test; 2 for usage; 130 when interrupted."""
    chosen = _parser().parse_args(arguments)
    _speak_utf8()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    try:
        return _run(chosen)
    except InstallError as error:
        print(f"\n{error.message}\n{error.hint}".rstrip(), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\n{error.strerror}: {error.filename}" if error.filename else f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130


def _run(chosen: argparse.Namespace) -> int:
    if chosen.command == "python":
        print(existing_backend())
        return 0
    if chosen.command == "test":
        return run_all()
    if chosen.command == "demo":
        make_demo(chosen.blender)
        return 0
    print("Backend environment", flush=True)
    print(f"Ready: {make_backend()}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m install",
        description=f"{ABOUT}\nRun it in {ROOT}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="demo | test | backend | python")
    demo = commands.add_parser("demo", description="Clones a small Blender scene's motion into three new clips.")
    demo.add_argument("--blender", metavar="PATH", help="Blender 4.2 or newer; found or replaced by bpy when left out")
    commands.add_parser("test", description="Makes the test environments and runs every test.")
    commands.add_parser("backend", description="Makes the backend's environment, .venv.")
    commands.add_parser("python", description="Prints the backend's Python interpreter.")
    return parser


def _speak_utf8() -> None:
    """A path may hold any letter, and an old Windows console must not stop us for it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
