"""Trains the embedded demo model from scratch on two CPU cores: see `python -m backend.demo_training --help`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

STAGES = ("autoencoder", "frames", "clips", "export", "sparse_rgb", "depth_control", "export-controls")
PORT = 29611


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m backend.demo_training", description=__doc__)
    parser.add_argument("stage", choices=STAGES, help="in this order; stages that train go on where they stopped")
    parser.add_argument(
        "--state", type=Path, default=Path(".training"), help="folder of checkpoints (default: %(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=60, help="wall time of this run (default: %(default)g)")
    parser.add_argument("--cool-down", action="store_true", help="let the learning rate fall to the end of this run")
    parser.add_argument(
        "--processes", type=int, default=2, help="of one thread each, that share a step (default: %(default)s)"
    )
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.state.mkdir(parents=True, exist_ok=True)
    if options.stage == "export":
        from .export import export

        export(options.state, Path(__file__).parents[1] / "models" / "demo")
        return 0
    if options.stage == "export-controls":
        from . import controls

        controls.export(options.state)
        return 0
    return _start_all(options.processes) if options.rank is None else _train(options)


def _start_all(processes: int) -> int:
    # One thread each: two cooperating threads in one process are slower on layers as small as these.
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "backend.demo_training", *sys.argv[1:], "--rank"]
    ranks = [subprocess.Popen([*command, str(rank)], env=env) for rank in range(processes)]
    return max(rank.wait() for rank in ranks)


def _train(options: argparse.Namespace) -> int:
    import torch
    import torch.distributed as dist

    from . import autoencoder, controls, denoiser

    torch.set_num_threads(1)
    torch.manual_seed(1000 + options.rank)
    dist.init_process_group(
        "gloo",
        init_method=f"tcp://127.0.0.1:{PORT + STAGES.index(options.stage)}",
        rank=options.rank,
        world_size=options.processes,
    )
    if options.stage == "autoencoder":
        autoencoder.train(options.state, options.minutes, options.rank, options.cool_down)
    elif options.stage in controls.STAGES:
        controls.train(options.stage, options.state, options.minutes, options.rank, options.cool_down)
    else:
        denoiser.train(options.stage, options.state, options.minutes, options.rank, options.cool_down)
    dist.destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main())
