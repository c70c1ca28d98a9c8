"""How much main memory the computer has. Standard library only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

MEMINFO = Path("/proc/meminfo")


def main_memory() -> tuple[int | None, int | None]:
    """-> bytes in all, and those that are free; None where the system does not tell."""
    if sys.platform == "win32":
        return _on_windows()
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
        facts = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
        return facts["MemTotal"], facts["MemAvailable"]
    except (OSError, ValueError, KeyError):  # macOS tells the whole only; half of it is commonly free
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return whole, whole // 2


def _on_windows() -> tuple[int | None, int | None]:
    import ctypes

    status = (ctypes.c_uint64 * 8)()  # MEMORYSTATUSEX: its length and load, then bytes: all, and those that are free
    ctypes.cast(status, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(status)
    told = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return (status[1], status[2]) if told else (None, None)
