"""The backend's command line, `python -m backend`. Torch is imported only by the commands that need it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

USER_ERROR, CANCELLED = 1, 130
BENCHES = ["controls", "device", "in-betweens", "long", "looks", "masks", "memory", "motion", "speed", "worker"]


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0, USER_ERROR or CANCELLED."""
    options = make_parser().parse_args(arguments)
    from . import commands
    from .errors import Cancelled
    from .job_folder.plain_text import clean
    from .job_folder.problem import Problem

    try:
        code = getattr(commands, options.command)(options) or 0
        sys.stdout.flush()
        return code
    except Problem as error:
        words = [clean(text) for text in (f"Error: {error.message}", error.hint) if text]
        print(*words, sep="\n", file=sys.stderr)
        return USER_ERROR
    except BrokenPipeError:  # the reader has enough, like `head`; without this Python prints an error at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return USER_ERROR
    except (Cancelled, KeyboardInterrupt):
        print("Cancelled.", file=sys.stderr)
        return CANCELLED


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend", description="Clones the motion of a reference clip.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    clone = commands.add_parser("clone", help="create a job from a clip and a prompt, and run it")
    clone.add_argument("clip", type=Path, metavar="CLIP", help="the reference clip: a video file or a folder of frames")
    clone.add_argument("--prompt", required=True, metavar="TEXT", help="what the new clip should show")
    clone.add_argument("--negative", default="", metavar="TEXT", help="what to avoid")
    clone.add_argument("--model", default="demo", metavar="NAME", help="a model entry (default: %(default)s)")
    clone.add_argument(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="an integer up to 2^64 - 1; a different seed gives a different clip",
    )
    clone.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting, or choose a family of settings: family=paper (see `settings`)",
    )
    for kind, what in (("image", "a picture of"), ("sketch", "a line drawing of")):
        clone.add_argument(
            f"--{kind}",
            action="append",
            default=[],
            metavar="FILE[@FRAME]",
            help=f"{what} the clip at a frame of the model's clip (default: 0; -1 is the last); repeatable",
        )
    clone.add_argument(
        "--depth", type=Path, metavar="CLIP", help="a depth picture for each frame: near is light, far is dark"
    )
    clone.add_argument(
        "--mask", type=Path, metavar="CLIP", help="the subject of the reference in white, for each frame"
    )
    clone.add_argument(
        "--method", choices=["one-step", "inversion"], help="how the motion is read (same as --set method=...)"
    )
    clone.add_argument(
        "--inversion-prompt", default="", metavar="TEXT", help="what the reference shows (method inversion)"
    )
    clone.add_argument(
        "--object", default="", metavar="OLD:NEW", help="the subject's word in each prompt (method inversion)"
    )
    clone.add_argument(
        "--job", type=Path, metavar="DIR", help="the job folder (default: a new one in your data folder)"
    )
    clone.add_argument("--json", action="store_true", help="print result.json at the end")

    run = commands.add_parser("run", help="run the job in a folder")
    run.add_argument("job", type=Path, metavar="DIR")
    run.add_argument("--json", action="store_true", help="print result.json at the end")

    serve = commands.add_parser("serve", help="run jobs for the add-on, controlled by messages on stdin")
    serve.add_argument("--dummy", action="store_true", help="run dummy jobs without a model, for tests")
    serve.add_argument(
        "--idle",
        type=float,
        default=600,
        metavar="SECONDS",
        help="free the model's memory after this time without a job (default: %(default)s)",
    )

    score = commands.add_parser("score", help="measure how closely a clip follows the motion of another, from -1 to 1")
    score.add_argument("clip", type=Path, metavar="CLIP")
    score.add_argument("reference", type=Path, metavar="REFERENCE")
    score.add_argument("--json", action="store_true")

    examine = commands.add_parser("examine", help="show the properties of a clip and problems with it")
    examine.add_argument("clip", type=Path, metavar="CLIP", help="a video file or a folder of frames")
    examine.add_argument("--json", action="store_true")

    frames = commands.add_parser("frames", help="write frames of a clip as PNG files, as a reference for a model")
    frames.add_argument("clip", type=Path, metavar="CLIP", help="a video file or a folder of frames")
    frames.add_argument("--to", type=Path, required=True, metavar="DIR", help="the output folder")
    frames.add_argument(
        "--count", type=int, required=True, metavar="N", help="the number of frames, evenly spaced in time"
    )
    frames.add_argument(
        "--size",
        type=_size,
        required=True,
        metavar="WIDTHxHEIGHT",
        help="the size that frames are scaled and cropped to",
    )
    frames.add_argument("--json", action="store_true")

    models = commands.add_parser("models", help="list the models")
    models.add_argument("--json", action="store_true")

    settings = commands.add_parser("settings", help="list the settings for --set, with defaults and bounds")
    settings.add_argument("--json", action="store_true")

    storage = commands.add_parser("storage", help="show the disk usage, and free space")
    storage.add_argument("--clean", action="store_true", help="remove caches and incomplete files")
    storage.add_argument(
        "--jobs", type=Path, metavar="DIR", help="the folder of the jobs (default: in your data folder)"
    )
    storage.add_argument("--json", action="store_true")

    doctor = commands.add_parser("doctor", help="find problems of this environment")
    doctor.add_argument("--generate", action="store_true", help="also run a short generation")
    doctor.add_argument("--json", action="store_true")

    bench = commands.add_parser("bench", help="run a benchmark, in a clone of the repository (takes minutes to hours)")
    bench.add_argument("what", choices=BENCHES)
    bench.add_argument("rest", nargs=argparse.REMAINDER, help="options of the benchmark: see `bench motion --help`")
    return parser


def _seed(text: str) -> int:
    from .job_folder.request import HIGHEST_SEED, RequestError, check_seed

    try:
        return check_seed(int(text))
    except RequestError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    except ValueError:  # also raised for thousands of digits
        shown = repr(text) if len(text) <= 40 else f"text of {len(text)} characters"
        message = f"{shown} is no seed; give a whole number from 0 to {HIGHEST_SEED}."
        raise argparse.ArgumentTypeError(message) from None


def _size(text: str) -> tuple[int, int]:
    """Parses WIDTHxHEIGHT to (H, W). Raises ValueError."""
    width, height = text.split("x")
    if not (0 < int(width) <= 8192 and 0 < int(height) <= 8192):
        raise ValueError
    return int(height), int(width)


if __name__ == "__main__":
    sys.exit(main())
