"""Kills installations at random times and checks that the next run always completes.

    python -m tests.install_kills                  # 20 kills, with generated wheels
    python -m tests.install_kills --wheels DIR     # real wheels from `python3 -m install wheels`, with a generation
    python -m tests.install_kills --stage check    # only in this stage, named as in the first line of output

The wheels come slowly from an index on loopback, so that downloads are killed too. Every other kill ends only the
installer, like a crash; its children must end by themselves. The others end its children too, like a power failure.
Afterwards everything is uninstalled, and nothing may be left.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from install.packages import broken, installed, site_packages
from install.paths import work_folder
from install.state import read_state
from install.work import MARK
from tests.installer_runs import finish, kill, start
from tests.package_index import Index, serving

FILES, FILE_BYTES = 40, 100_000
# The command with other locks, because the tests' wheels are not torch's.
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
    """A folder of generated wheels with lock files in `locks` that replace the real ones."""
    locks = folder / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    entries = [_make_wheel(folder, f"made-up-{number}", version, files) for number in range(packages)]
    torch = _make_wheel(folder, "torch", "2.13.0+cpu", 4 * files)
    for name in ("torch.txt", "torch-cpu.txt"):
        (locks / name).write_text(torch)
    (locks / "backend.txt").write_text("".join(entries))
    return locks


def _make_wheel(folder: Path, name: str, version: str, files: int) -> str:
    """Returns its entry in a lock. METADATA comes first, so that a truncated package looks installed to pip."""
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


def command(where: Path, wheels: Path | None, locks: Path | None, *more: str) -> list[str]:
    """Installs into `where` from the wheels or from the configured index. Without locks it uses the real ones and runs
    the check."""
    arguments = ["backend", "--where", str(where), "--json", *more]
    if wheels:
        arguments += ["--wheels", str(wheels)]
    if locks is None:
        return [sys.executable, "-m", "install", *arguments]
    return [sys.executable, "-c", WITH_LOCKS, str(locks), *arguments, "--build", "cpu", "--no-check"]


def alone(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment variables without this machine's settings for pip and proxies."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PIP_") and not k.upper().endswith("_PROXY")}
    return kept | {"PIP_CONFIG_FILE": os.devnull, **(extra or {})}


def check_whole(where: Path) -> None:
    """Checks that every file of every package has the right content and nothing unfinished is left."""
    state = read_state(where)
    assert state and not state.installing and set(state.layers) == {"torch", "backend"}, state
    assert len(installed(where)) > 3 and not broken(where, deep=True)
    assert not list(site_packages(where).glob("~*"))
    work = work_folder(where)
    assert sorted(path.name for path in work.iterdir()) == ["install.log", "lock", MARK], list(work.iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wheels", type=Path, help="a folder of real wheels")
    parser.add_argument("--stage", action="append", help="repeatable")
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="motionclone-kills-") as folder:
        wheels, locks = options.wheels, None
        if wheels is None:
            wheels = Path(folder) / "wheels"
            locks = make_wheels(wheels)
        index = Index(wheels, pause=0.002 if options.wheels else 0.02)
        with serving(index) as address:
            stages = _stages(Path(folder) / "first", locks, address)
            if not (wanted := [n for n, (name, _) in enumerate(stages) if name in (options.stage or [name])]):
                parser.error("there is no stage of that name")
            for number in range(options.kills):
                resumed, home = index.resumed(), Path(folder) / f"é {number}"
                stage = moments.choice(wanted)
                after = moments.uniform(0, stages[stage][1])
                _kill(home, locks, address, stage, after, number % 2 == 1)
                begin = time.monotonic()
                _install_and_remove(home, locks, address)
                went_on = ", going on with a part of a wheel" if index.resumed() > resumed else ""
                took, name = time.monotonic() - begin, stages[stage][0]
                print(f"{number}: killed {after:.1f} s into `{name}`, done in {took:.1f} s{went_on}", flush=True)
    print(f"{options.kills} kills, {options.kills} completed, nothing broken, nothing left")


def _stages(home: Path, locks: Path | None, address: str) -> list[tuple[str, float]]:
    """The stages of an uninterrupted installation in order, with their durations."""
    home.mkdir()
    process = start(command(home / "venv", None, locks), _environ(home, address))
    begun = [("before all", time.monotonic())]
    for name in _heard(process):
        begun.append((name, time.monotonic()))
    assert process.wait() == 0
    ends = [moment for _, moment in begun[1:]] + [time.monotonic()]
    _install_and_remove(home, locks, address)
    stages = [(name, end - moment) for (name, moment), end in zip(begun, ends)]
    print("uninterrupted: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in stages), flush=True)
    return stages


def _heard(process: subprocess.Popen[str]) -> Iterator[str]:
    """Yields the name of each stage when it starts."""
    assert process.stdout
    last = ""
    for line in process.stdout:
        message = json.loads(line)
        begins = message["kind"] == "progress" and message["total"] == 0 and message["text"] != last
        last = message.get("text", last)
        if begins:
            yield message["stage"]


def _environ(home: Path, address: str) -> dict[str, str]:
    return alone({"PIP_INDEX_URL": address, "MOTIONCLONE_DATA": str(home / "data")})


def _kill(home: Path, locks: Path | None, address: str, stage: int, after: float, with_children: bool) -> None:
    """Kills an installation this many seconds after the start of a stage."""
    home.mkdir()
    process = start(command(home / "venv", None, locks), _environ(home, address))
    heard = _heard(process)
    for _ in range(stage):
        next(heard)
    time.sleep(after)
    kill(process, with_children)


def _install_and_remove(home: Path, locks: Path | None, address: str) -> None:
    """A run that must complete, a check of every file, and an uninstallation that must leave nothing."""
    home.mkdir(exist_ok=True)
    finish(command(home / "venv", None, locks), _environ(home, address))
    check_whole(home / "venv")
    remove = [sys.executable, "-m", "install", "remove", "--json", "--where", str(home / "venv")]
    finish(remove, _environ(home, address))
    assert not list(home.iterdir()), list(home.iterdir())


if __name__ == "__main__":
    main()
