"""Trains the embedded demo model from scratch on a CPU or GPU: `python -m backend.demo_training --help`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

STAGES = (
    "autoencoder",
    "frames",
    "clips",
    "export",
    "sparse_rgb",
    "sparse_scribble",
    "depth_control",
    "export-controls",
    "cost",
)


def main() -> int:
    parser = make_parser()
    options = parser.parse_args()
    if not 0 <= options.cool_down <= 1:
        parser.error("--cool-down is a share from 0 to 1.")
    options.state.mkdir(parents=True, exist_ok=True)
    _start(options)
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend.demo_training", description=__doc__)
    parser.add_argument(
        "stage", choices=STAGES, help="the stage to run, in this order; training stages continue where they stopped"
    )
    parser.add_argument(
        "--state", type=Path, default=Path(".training"), help="the folder for checkpoints (default: %(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=60, help="duration of this run (default: %(default)g)")
    parser.add_argument(
        "--cool-down",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="the last part of the run, in which the learning rate decreases",
    )
    parser.add_argument("--device", help="cuda or cpu (default: cuda if available)")
    parser.add_argument("--batch", type=int, help="clips or frames per step (default: by stage and device)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile the model for square clips of 16 frames, which takes a minute or two",
    )
    return parser


def _start(options: argparse.Namespace) -> None:
    import torch

    from . import autoencoder, controls, cost, denoiser, export
    from .trainer import Run

    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    torch.set_num_threads(options.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    run = Run(options.state, options.minutes, device, options.cool_down, options.batch, options.compile)
    if options.stage == "autoencoder":
        autoencoder.train(run)
    elif options.stage in controls.STAGES:
        controls.train(options.stage, run)
    elif options.stage == "export":
        export.export(options.state, Path(__file__).parents[1] / "models" / "demo")
    elif options.stage == "export-controls":
        controls.export(options.state)
    elif options.stage == "cost":
        print(json.dumps(cost.measure(run)))
    else:
        denoiser.train(options.stage, run)


if __name__ == "__main__":
    sys.exit(main())
