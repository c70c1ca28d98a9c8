"""Writes install/locks/*.txt: the backend's packages with versions and hashes, for all platforms and Python versions.

    python3 -m install.developing.make_locks   # needs uv, the package index, and for torch-cpu.txt torch's own index

Run it after changing requirements.txt or torch's version, then run the tests. It prints the download size per platform,
for torch_build.py and backend.py.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from ..backend import LOCK
from ..paths import ROOT
from ..torch_build import BUILDS, LOCKS, TORCH

REQUIREMENTS = ROOT / "install" / "requirements.txt"
TORCH_PACKAGES = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
FILES = "application/vnd.pypi.simple.v1+json"
PLATFORMS = {  # uv's name, and a pattern for the file names of its wheels
    "x86_64-manylinux_2_28": r"linux.*x86_64|any",
    "aarch64-manylinux_2_28": r"linux.*aarch64|any",
    "x86_64-pc-windows-msvc": r"win_amd64|any",
    "aarch64-apple-darwin": r"macosx.*(arm64|universal2)|any",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{REQUIREMENTS.read_text(encoding='utf-8')}\ntorch=={TORCH}\n", encoding="utf-8")
        entries = re.findall(
            r"^\S.*(?:\n .*)*", compile_lock(wanted, ["--universal", "--python-version", "3.11"]), re.M
        )
        of_torch = [entry for entry in entries if TORCH_PACKAGES.fullmatch(entry.partition("==")[0])]
        write(LOCKS / LOCK, [entry for entry in entries if entry not in of_torch])
        write(LOCKS / "torch.txt", of_torch)
        try:
            write(LOCKS / "torch-cpu.txt", [cpu_entry()])
        except OSError as error:
            print(f"torch-cpu.txt stays as it is: torch's own index cannot be read ({error}).")
        for platform, files in PLATFORMS.items():
            options = ["--python-platform", platform, "--python-version", "3.13"]
            pins = re.findall(r"^([\w.-]+)==([^\s;\\]+)", compile_lock(wanted, options), re.M)
            for title, is_torchs in (("torch", True), ("backend", False)):
                chosen = [pin for pin in pins if bool(TORCH_PACKAGES.fullmatch(pin[0])) == is_torchs]
                total = sum(size(name, version, files) for name, version in chosen)
                print(f"{title:8} {platform:24} {total / 1e6:.0f} MB")


def compile_lock(wanted: Path, options: list[str]) -> str:
    """The lock file that uv creates for the requirements."""
    command = ["uv", "pip", "compile", "-q", "--no-header", "--no-annotate", "--generate-hashes", *options, str(wanted)]
    macos = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}  # the oldest version with torch builds
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=macos).stdout


def cpu_entry() -> str:
    """torch's CPU build for Linux, which only its own index has. The hashes are in the index's links."""
    with urllib.request.urlopen(f"{BUILDS}cpu/torch/", timeout=60) as answer:
        links = answer.read().decode()
    found = re.findall(rf"torch-{TORCH}%2Bcpu-cp3(1[1-4])-cp3\1-manylinux[^#\"]*#sha256=(\w+)", links)
    return " \\\n    ".join([f"torch=={TORCH}+cpu", *(f"--hash=sha256:{value}" for _, value in sorted(found))])


def size(name: str, version: str, wheels: str) -> int:
    """The size in bytes of a package's wheel for Python 3.13 on a platform."""
    request = urllib.request.Request(f"https://pypi.org/simple/{name}/", headers={"Accept": FILES})
    with urllib.request.urlopen(request, timeout=60) as answer:
        files = json.load(answer)["files"]
    fits = re.compile(rf"-{re.escape(version)}-(cp313-cp313|cp3\d+-abi3|py\d.*)-.*({wheels})\.whl$")
    return max((file["size"] for file in files if fits.search(f"{file['filename']}")), default=0)


def write(path: Path, entries: list[str]) -> None:
    head = "# Written by `python3 -m install.developing.make_locks`. For all platforms; Python 3.11 to 3.14."
    path.write_text("\n".join([head, *entries]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
