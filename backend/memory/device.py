"""Where a model runs, and in which precision."""

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

from ..errors import JobError
from .main_memory import main_memory

PROCESS = Path("/proc/self")
# With `repeatable` NVIDIA's library wants it, and only heeds it from the first computation on; it takes 32 MB.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
THREADS = 4  # with `repeatable`: sums are split among so many, however many cores there are
LEAST_SHARE = 0.1  # of the device's memory, which is never refused


def choose_device(precision: str = "auto") -> tuple[torch.device, torch.dtype]:
    """The fastest device here, and `precision` (job_folder.settings) or, for 'auto', the one that it works well in.

    JobError when the device cannot compute in it.
    """
    device, fitting = _fastest()
    if precision == "auto":
        return device, fitting
    if precision == "float16" and device.type == "cpu":
        raise JobError("float16 needs a GPU; there is none here.", "Set precision to auto, float32 or bfloat16.")
    return device, getattr(torch, precision)


def wider_precision(device: torch.device, dtype: torch.dtype) -> str | None:
    """The setting `precision` to try when numbers overflow in `dtype`: bfloat16 has the range of float32, but not every
    GPU has it. None where the range was not what was missing."""
    if dtype != torch.float16:
        return None
    return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported(False) else "float32"


@contextmanager
def deterministic_mode(wanted: bool) -> Iterator[None]:
    """Within the block, if `wanted`, the same computation on this machine gives the same numbers, bit for bit.

    On a GPU by algorithms that always add in one order, on a processor by a fixed number of threads. JobError when the
    device has no such algorithm for something.
    """
    if not wanted:
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
        raise JobError(
            f"This device cannot repeat a computation exactly: {reason}", "Set deterministic to false."
        ) from error
    finally:
        torch.use_deterministic_algorithms(algorithms)
        torch.utils.deterministic.fill_uninitialized_memory = filled
        torch.set_num_threads(threads)


def has_fused_attention(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether attention with a gradient runs there without holding the matrix of all queries and keys, which NVIDIA's
    cards and processors do, and AMD's and Apple's not always."""
    if device.type == "meta":
        return True
    try:
        query = torch.ones(1, 8, 64, 40, device=device, dtype=dtype, requires_grad=True)
        return torch._fused_sdp_choice(query, query, query) != SDPBackend.MATH.value
    except (RuntimeError, NotImplementedError):  # the device has no choice
        return False


def limit_to_device_memory() -> None:
    """On Windows drivers lend main memory when the device's own is full, and a job then takes a hundred times as long.
    So what is not there is refused, and the job goes on with a thriftier policy."""
    if sys.platform != "win32" or not torch.cuda.is_available():
        return
    free, whole = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(max(LEAST_SHARE, (free + torch.cuda.memory_reserved()) / whole))


def device_name_and_memory() -> tuple[str, int | None]:
    """The name of the device that jobs get, and all of its memory in bytes, None where it does not tell."""
    device, _ = _fastest()
    if device.type == "cuda":
        return torch.cuda.get_device_name(device), torch.cuda.mem_get_info(device)[1]
    return device.type, torch.mps.recommended_max_memory() if device.type == "mps" else main_memory()[0]


def reset_peak_memory() -> None:
    """From here on, the most memory held is that of the job to come, where the system can begin anew."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):  # Linux alone has it
        (PROCESS / "clear_refs").write_text("5")


def peak_memory_bytes() -> int | None:
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


def free_unused_memory() -> None:
    """What no one holds any more; the allocators would keep it for later."""
    gc.collect()  # modules and their hooks hold each other in circles
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


@contextmanager
def on_device(device: torch.device | str, module: Any) -> Iterator[Any]:
    """`module`, on `device` for as long as the block lasts, and then where it was."""
    home = module.device
    module.to(device)
    try:
        yield module
    finally:
        module.to(home)


def is_out_of_memory(error: BaseException) -> bool:
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
