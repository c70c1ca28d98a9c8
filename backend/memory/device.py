"""The device a model runs on, its precision and its memory."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend

from ..job_folder.problem import Problem
from .main_memory import main_memory

PROCESS = Path("/proc/self")
# cuBLAS needs this for `deterministic_mode` and reads it only once, at the first computation. It costs 32 MB.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
THREADS = 4  # in `deterministic_mode` on a CPU: sums are split among this many threads, whatever the number of cores
MIN_SHARE = 0.1  # of the device's memory that a job may always use


def choose_device(precision: str = "auto") -> tuple[torch.device, torch.dtype]:
    """Returns the fastest device and the dtype of `precision`, a value of the setting of that name.

    'auto' gives float16 on a GPU and float32 on a CPU. Raises Problem if the device cannot compute in that precision.
    """
    device, fitting = _fastest()
    if precision == "auto":
        return device, fitting
    if precision == "float16" and device.type == "cpu":
        raise Problem("float16 needs a GPU, and there is none here.", "Set precision to auto, float32 or bfloat16.")
    return device, getattr(torch, precision)


def wider_precision(device: torch.device, dtype: torch.dtype) -> str | None:
    """Returns the value of the setting `precision` to try when numbers overflow in `dtype`.

    bfloat16 has the range of float32, but not every GPU supports it. None if a wider range would not help.
    """
    if dtype != torch.float16:
        return None
    return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported(False) else "float32"


@contextmanager
def deterministic_mode(enabled: bool) -> Iterator[None]:
    """If `enabled`, the same computation on this machine gives the same numbers within the block, bit for bit.

    On a GPU by algorithms that always add in the same order, on a CPU by a fixed number of threads. Raises Problem if
    the device has no deterministic algorithm for an operation.
    """
    if not enabled:
        yield
        return
    algorithms, threads = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    filled, torch.utils.deterministic.fill_uninitialized_memory = (
        torch.utils.deterministic.fill_uninitialized_memory,
        False,
    )
    torch.use_deterministic_algorithms(True)
    if _fastest()[0].type == "cpu":
        torch.set_num_threads(THREADS)
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        reason = str(error).splitlines()[0]
        raise Problem("This device cannot repeat a computation exactly: {reason}", "Set deterministic to false.").about(
            reason=reason
        ) from error
    finally:
        torch.use_deterministic_algorithms(algorithms)
        torch.utils.deterministic.fill_uninitialized_memory = filled
        torch.set_num_threads(threads)


def has_fused_attention(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether attention with a gradient runs without storing the matrix of all queries and keys.

    It does on NVIDIA GPUs and on CPUs, but not always on AMD and Apple GPUs.
    """
    if device.type == "meta":
        return True
    try:
        query = torch.ones(1, 8, 64, 40, device=device, dtype=dtype, requires_grad=True)
        return torch._fused_sdp_choice(query, query, query) != SDPBackend.MATH.value
    except (RuntimeError, NotImplementedError):  # the device has only one implementation
        return False


def limit_to_device_memory() -> None:
    """Limits CUDA on Windows to the device memory that is free now.

    Windows drivers fall back to main memory when device memory is full, and a job then takes about a hundred times as
    long. With the limit the allocation fails instead, and the job continues with a memory policy that needs less.
    """
    if sys.platform != "win32" or not torch.cuda.is_available():
        return
    free, whole = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(max(MIN_SHARE, (free + torch.cuda.memory_reserved()) / whole))


def device_name_and_memory() -> tuple[str, int | None]:
    """Returns the name of the device that runs jobs and its total memory in bytes, None where that is unknown."""
    device, _ = _fastest()
    if device.type == "cuda":
        return torch.cuda.get_device_name(device), torch.cuda.mem_get_info(device)[1]
    return device.type, torch.mps.recommended_max_memory() if device.type == "mps" else main_memory()[0]


def reset_peak_memory() -> None:
    """Starts a new measurement of `peak_memory_bytes`, where the system supports that (CUDA and Linux)."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):  # Linux only
        (PROCESS / "clear_refs").write_text("5")


def peak_memory_bytes() -> int | None:
    """Returns the peak memory of the GPU in bytes, or of this process without CUDA; None where that is unknown."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    with suppress(OSError, StopIteration):
        lines = (PROCESS / "status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def free_unused_memory() -> None:
    """Returns unused memory to the device; PyTorch's allocators would keep it for later."""
    gc.collect()  # modules and their hooks form reference cycles
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


@contextmanager
def on_device(device: torch.device | str, module: Any) -> Iterator[Any]:
    """Moves `module` to `device` for the duration of the block, then back to where it was."""
    previous = module.device
    module.to(device)
    try:
        yield module
    finally:
        module.to(previous)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocator raised this error. Each kind of device has a message of its own."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    signs = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def _fastest() -> tuple[torch.device, torch.dtype]:
    if torch.cuda.is_available():
        return torch.device("cuda"), torch.float16
    if torch.backends.mps.is_available():
        return torch.device("mps"), torch.float16
    return torch.device("cpu"), torch.float32
