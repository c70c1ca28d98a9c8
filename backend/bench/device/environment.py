"""The device, driver and library versions, which a bug report needs first."""

from __future__ import annotations

import platform

import diffusers
import torch
import transformers

from ...memory.device import choose_device, device_name_and_memory
from ...memory.policy import free_bytes
from .measuring import DEVICE, IS_CARD, gigabytes, timed
from .report import Report

SIDE = 8192  # of the matrices whose product is timed


def section(report: Report) -> None:
    name, memory = device_name_and_memory()
    report.add(
        "environment",
        device=name,
        memory_gb=gigabytes(memory),
        free_gb=gigabytes(free_bytes(DEVICE)),
        precision=str(choose_device()[1]).removeprefix("torch."),
        capability=".".join(map(str, torch.cuda.get_device_capability())) if IS_CARD else None,
        build=torch.version.cuda or torch.version.hip,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=torch.__version__,
        diffusers=diffusers.__version__,
        transformers=transformers.__version__,
        fp16_tflops=_tflops() if IS_CARD else None,
    )


def _tflops() -> float:
    matrix = torch.randn(SIDE, SIDE, device=DEVICE, dtype=torch.float16)
    timed(lambda: matrix @ matrix)
    return 2 * SIDE**3 / timed(lambda: matrix @ matrix, 5)[0] / 1e12
