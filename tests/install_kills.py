"""Kills installations at random moments, and looks whether the next run always completes.

    python -m tests.install_kills                  # 20 kills, made-up wheels
    python -m tests.install_kills --wheels DIR     # real ones, as `python3 -m install wheels` fetches them

Each kill is SIGKILL of the installer alone, as a crash would be: what it had started must end by itself.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from install.packages import broken, installed, site_packages
from install.state import read_state

ROOT = Path(__file__).resolve().parents[1]
FILES, FILE_BYTES = 40, 100_000
# The command with the locks of another folder; the tests' wheels are not torch's.
WITH_LOCKS = """
import sys
from pathlib import Path
import install.backend, install.checks, install.torch_build
for module in (install.backend, install.checks, install.torch_build):
    module.LOCKS = Path(sys.argv[1])
from install.commands import main
sys.exit(main(sys.argv[2:]))
"""


def make_wheels(folder: Path, packages: int = 8, version: str = "1.0", files: int = FILES) -> Path:
    """A folder of made-up wheels and, in its `locks`, lock files that have them in the places of the real ones."""
    locks = folder / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    entries = [_make_wheel(folder, f"made-up-{number}", version, files) for number in range(packages)]
    torch = _make_wheel(folder, "torch", "2.13.0+cpu", 4 * files)
    for name in ("torch.txt", "torch-cpu.txt"):
        (locks / name).write_text(torch)
    (locks / "backend.txt").write_text("".join(entries))
    return locks


def _make_wheel(folder: Path, name: str, version: str, files: int) -> str:
    """Its entry in a lock. The METADATA comes first, so that a package cut short looks installed to pip."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    content = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{module}/__init__.py": f"__version__ = {version!r}\n".encode(),
    }
    content |= {f"{module}/data{number}.bin": random.randbytes(FILE_BYTES) for number in range(files)}
    rows = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in content.items()]
    content[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in content.items():
            archive.writestr(path, data)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def command(where: Path, wheels: Path, locks: Path | None, *more: str) -> list[str]:
    """Installs into `where` from the wheels; without locks, by the real ones."""
    arguments = ["backend", "--where", str(where), "--wheels", str(wheels), "--json", "--no-check", *more]
    if locks is None:
        return [sys.executable, "-m", "install", *arguments]
    return [sys.executable, "-c", WITH_LOCKS, str(locks), *arguments, "--build", "cpu"]


def start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(arguments: Sequence[str]) -> list[dict]:
    """The messages of a run that must succeed."""
    process = start(arguments)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return [json.loads(line) for line in said.splitlines()]


def check_whole(where: Path) -> None:
    """Every file of every package has the content that its package says, and nothing else is left half done."""
    state = read_state(where)
    assert state and not state.installing and set(state.layers) == {"torch", "backend"}, state
    assert len(installed(where)) > 3 and not broken(where, deep=True)
    assert not list(site_packages(where).glob("~*"))
    work = where.with_name(f"{where.name}-work")
    assert sorted(path.name for path in work.iterdir()) == ["install.log", "lock"], list(work.iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wheels", type=Path, help="a folder of real wheels")
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="motionclone-kills-") as folder:
        wheels, locks = options.wheels, None
        if wheels is None:
            wheels = Path(folder) / "wheels"
            locks = make_wheels(wheels)
        begin = time.monotonic()
        finish(command(Path(folder) / "first", wheels, locks))
        whole = time.monotonic() - begin
        print(f"uninterrupted: {whole:.1f} s", flush=True)
        for number in range(options.kills):
            _kill_once(Path(folder) / f"é {number}", wheels, locks, moments.uniform(0, whole), number)
    print(f"{options.kills} kills, {options.kills} completed, nothing broken")


def _kill_once(where: Path, wheels: Path, locks: Path | None, after: float, number: int) -> None:
    """One kill, and the run after it."""
    arguments = command(where, wheels, locks)
    process = start(arguments)
    time.sleep(after)
    os.kill(process.pid, signal.SIGKILL)
    said, _ = process.communicate()
    stages = [json.loads(line) for line in said.splitlines() if line.endswith("}")]
    stage = next((message["stage"] for message in reversed(stages) if "stage" in message), "before all")
    begin = time.monotonic()
    finish(arguments)
    check_whole(where)
    shutil.rmtree(where)
    print(
        f"{number}: killed after {after:.1f} s in `{stage}`, completed in {time.monotonic() - begin:.1f} s", flush=True
    )


if __name__ == "__main__":
    main()
