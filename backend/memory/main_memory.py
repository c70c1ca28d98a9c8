"""The size of main memory (RAM). Standard library only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

MEMINFO = Path("/proc/meminfo")


def main_memory() -> tuple[int | None, int | None]:
    """Returns the total and the available bytes; None where the system does not report them."""
    if sys.platform == "win32":
        return _on_windows()
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
        facts = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
        return facts["MemTotal"], facts["MemAvailable"]
    except (OSError, ValueError, KeyError):  # macOS reports only the total; about half of it is usually available
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return total, total // 2


def _on_windows() -> tuple[int | None, int | None]:
    import ctypes

    status = (ctypes.c_uint64 * 8)()  # MEMORYSTATUSEX: length and load, then the total and the available bytes
    ctypes.cast(status, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(status)
    succeeded = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return (status[1], status[2]) if succeeded else (None, None)
