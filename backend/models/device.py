"""Where a model runs, and in which precision."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from ..errors import JobError
from .main_memory import main_memory

PROCESS = Path("/proc/self")


def choose_device(precision: str = "auto") -> tuple[torch.device, torch.dtype]:
    """The fastest device here, and `precision` (wire.settings) or, for 'auto', the one that it works well in.

    JobError when the device cannot compute in it.
    """
    device, fitting = _fastest()
    if precision == "auto":
        return device, fitting
    if precision == "float16" and device.type == "cpu":
        raise JobError("float16 needs a GPU; there is none here.", "Set precision to auto, float32 or bfloat16.")
    return device, getattr(torch, precision)


def described() -> tuple[str, int | None]:
    """The name of the device that jobs get, and all of its memory in bytes, None where it does not tell."""
    device, _ = _fastest()
    if device.type == "cuda":
        return torch.cuda.get_device_name(device), torch.cuda.mem_get_info(device)[1]
    return device.type, torch.mps.recommended_max_memory() if device.type == "mps" else main_memory()[0]


def begin_counting() -> None:
    """From here on, the most memory held is that of the job to come, where the system can begin anew."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):  # Linux alone has it
        (PROCESS / "clear_refs").write_text("5")


def most_memory_held() -> int | None:
    """Most bytes held at once: of the device, else of this process; None where the system does not tell."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    with suppress(OSError, StopIteration):
        lines = (PROCESS / "status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes


def give_back_memory() -> None:
    """What no one holds any more; the allocators would keep it for later."""
    gc.collect()  # modules and their hooks hold each other in circles
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


@contextmanager
def working_on(device: torch.device | str, module: Any) -> Iterator[Any]:
    """`module`, on `device` for as long as the block lasts, and then where it was."""
    home = module.device
    module.to(device)
    try:
        yield module
    finally:
        module.to(home)


def ran_out(error: BaseException) -> bool:
    """Whether this is an allocator's complaint: each device has its own."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def _fastest() -> tuple[torch.device, torch.dtype]:
    if torch.cuda.is_available():
        return torch.device("cuda"), torch.float16
    if torch.backends.mps.is_available():
        return torch.device("mps"), torch.float16
    return torch.device("cpu"), torch.float32
