"""Runs pip: its talk goes to a log, large downloads and failures become sentences."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .failures import InstallError

_LARGE = re.compile(r"Downloading (\S+) \(([\d.]+ [MG]B)\)")
_NO_NETWORK = (
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "getaddrinfo failed",
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Network is unreachable",
    "ProxyError",
)
_NO_SPACE = ("No space left on device", "Errno 28", "WinError 112", "Disk quota exceeded")
NO_MATCH = "No matching distribution found"


def pip_install(python: Path, arguments: Sequence[str], log: Path) -> None:
    """`python -m pip install ...` with everything it says appended to `log`; InstallError when it fails."""
    options = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    command = [str(python), "-m", "pip", "install", *options, *arguments]
    talk = []
    with log.open("a", encoding="utf-8") as file:
        file.write("\n$ " + " ".join(command) + "\n")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
        ) as process:
            assert process.stdout
            for line in process.stdout:
                file.write(line)
                talk.append(line)
                large = _LARGE.search(line)
                if large:
                    print(f"    downloading {large[1].rpartition('/')[2]}, {large[2]}", flush=True)
    if process.returncode:
        raise pip_failure("".join(talk), log)


def pip_failure(talk: str, log: Path) -> InstallError:
    """What pip's last words mean to a person."""
    if any(sign in talk for sign in _NO_SPACE):
        return InstallError("The disk is full.", f"Free some gigabytes and start the same command again; see {log}.")
    if any(sign in talk for sign in _NO_NETWORK) and "Successfully installed" not in talk:
        return InstallError(
            "The package index cannot be reached.",
            f"Check the network connection or pip's proxy settings and start the same command again; see {log}.",
        )
    missing = re.search(r"No matching distribution found for (\S+)", talk)
    if missing:
        return InstallError(
            f"{NO_MATCH} for {missing[1]}: there is no build of it for this Python and machine.",
            f"Start the command with Python 3.11, 3.12 or 3.13; see {log}.",
        )
    return InstallError("pip could not install what is needed.", f"The reason is at the end of {log}.")
