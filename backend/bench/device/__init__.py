"""`python -m backend bench device`: checks whether MotionClone works correctly on this device, and how fast.

It uses a model of Stable Diffusion 1.5's size with random weights, so nothing is downloaded. Each section prints its
figures immediately and cannot stop the others. The final table can be pasted into a bug report. It takes less than
eight minutes on a recent GPU; --tiny tests the benchmark itself in seconds on a CPU.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from ...job_folder.problem import Problem
from .report import Report

SECTIONS = ("environment", "vectors", "policies", "resume", "deterministic", "decoding", "diffusers", "seeds")
MIN_SECONDS = 45.0  # a section is skipped when less time is left


def main(arguments: Sequence[str]) -> int:
    options = make_parser().parse_args(arguments)
    chosen = _chosen(options.only)
    report = Report(options.minutes * 60, options.out)
    for name, section in _sections(options).items():
        if name not in chosen:
            continue
        if report.seconds_left < MIN_SECONDS and not options.tiny:
            report.add(name, skipped="no time left")
            continue
        report.attempt(name, section)
    print(json.dumps(report.rows) if options.json else f"\n{report.table()}")
    return 1 if report.failed else 0


def _sections(options: argparse.Namespace) -> dict[str, Callable[[Report], None]]:
    """The sections. Imported late, so that `--help` does not load torch."""
    from . import continuing, environment, pictures, policies, repeating, vectors
    from .model import Shape

    shape = Shape.tiny() if options.tiny else Shape.sd15()
    works: dict[str, Callable[[Report], None]] = {
        "environment": environment.section,
        "vectors": vectors.section,
        "policies": lambda report: policies.section(report, shape),
        "resume": lambda report: continuing.section(report, shape),
        "deterministic": lambda report: repeating.section(report, shape),
        "decoding": lambda report: pictures.decoding(report, shape),
        "diffusers": lambda report: policies.against_diffusers(report, shape),
        "seeds": lambda report: policies.seeds_together(report, shape),
    }
    return {name: works[name] for name in SECTIONS}


def _chosen(only: str) -> set[str]:
    """The names of the chosen sections. Raises Problem for an unknown one."""
    names = {name.strip() for name in only.split(",")} if only else set(SECTIONS)
    for name in sorted(names - set(SECTIONS)):
        raise Problem("--only: there is no section {name}.", "Choose from {sections}.").about(
            name=repr(name), sections=", ".join(SECTIONS)
        )
    return names


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backend bench device", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="use a tiny model, to test the benchmark itself")
    parser.add_argument(
        "--only", default="", metavar="A,B", help=f"run only some of the sections: {', '.join(SECTIONS)}"
    )
    parser.add_argument(
        "--minutes", type=float, default=8, help="start no section after this time (default: %(default)g)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="also write the figures to this file, as lines of JSON"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of the table")
    return parser
