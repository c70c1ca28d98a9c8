"""Kills downloads of models at random times and checks that the next run always completes.

    python -m tests.download_kills                  # 50 kills, with a hub on loopback

Every other kill ends only the installer, like a crash; its children must end by themselves. The others end its children
too, like a power failure.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests import installer_runs
from tests.hub_server import COMMIT, Hub, serving

# The command with another catalogue, and with less room on the disk thought to be needed where a test says so.
WITH_CATALOGUE = """
import sys
from pathlib import Path
import install.models.adding, install.models.catalogue
install.models.catalogue.SHIPPED = Path(sys.argv[1])
install.models.adding.SPARE_MB += int(sys.argv[2])
from install.commands import main
sys.exit(main(sys.argv[3:]))
"""


def make_catalogue(path: Path, hub: Hub) -> Path:
    """A catalogue with the models `one` and `two`. For the files in the folder, only the sizes are known. `one` has the
    extra `folder`; both need the file `shared`."""
    base, shared = hub.files["own/base"]["base.safetensors"], hub.files["own/shared"]["deep/shared.ckpt"]
    lines = [
        *_component("base", "base", "own/base", [("base.safetensors", base, True)]),
        *_component("shared", "motion_module", "own/shared", [("deep/shared.ckpt", shared, True)]),
        *_component(
            "folder",
            "depth_control",
            "own/folder",
            [(name, content, False) for name, content in hub.files["own/folder"].items()],
        ),
    ]
    for name, extras in (("one", '"folder"'), ("two", "")):
        lines += [f"[model.{name}]", f'title = "Model {name}"', 'about = "Made up."', 'terms = "MIT."\nvram = 8']
        lines += ['components = ["base", "shared"]' if name == "one" else 'components = ["shared"]']
        lines += [f"extras = [{extras}]", "clip = {frames = 16, most_frames = 32, area = 4096, multiple = 16}"]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _component(name: str, key: str, repo: str, files: Sequence[tuple[str, bytes, bool]]) -> list[str]:
    rows = [
        f'{{path = "{path}", bytes = {len(content)}, sha256 = "{hashlib.sha256(content).hexdigest()}"}}'
        if known
        else f'{{path = "{path}", about = {len(content)}}}'
        for path, content, known in files
    ]
    return [
        f"[component.{name}]",
        f'key = "{key}"\ntitle = "The {name}"\nrepo = "{repo}"\nrevision = "{COMMIT}"',
        'license = "MIT"\nlicense_url = "https://example.org/license"',
        *(["folder = true"] if name == "folder" else []),
        f"files = [{', '.join(rows)}]",
    ]


def made_up_hub(size: int) -> Hub:
    """size: of the largest file; the others are smaller, and one is small enough to have a git hash."""
    return Hub(
        {
            "own/base": {"base.safetensors": random.randbytes(size)},
            "own/shared": {"deep/shared.ckpt": random.randbytes(size // 2)},
            "own/folder": {"config.json": b'{"made": "up"}', "weights/w.safetensors": random.randbytes(size // 3)},
        }
    )


def command(catalogue: Path, *arguments: str, spare: int = 0) -> list[str]:
    return [sys.executable, "-c", WITH_CATALOGUE, str(catalogue), str(spare), "models", *arguments, "--json"]


def adding(catalogue: Path, *more: str, spare: int = 0) -> list[str]:
    """Adds the model `one` with its extra, using the current environment for downloads."""
    return command(catalogue, "add", "one", "--with", "folder", "--where", sys.prefix, *more, spare=spare)


def environ_of(data: Path, endpoint: str) -> dict[str, str]:
    """An environment with its own home and data folder, so that nothing of this machine is used."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(("HF_", "HTTP", "XDG_"))}
    environ = kept | {
        "HOME": str(data.parent),
        "USERPROFILE": str(data.parent),
        "MOTIONCLONE_DATA": str(data),
        "HF_ENDPOINT": endpoint,
    }
    return environ | {"NO_PROXY": "*", "HF_HUB_DOWNLOAD_TIMEOUT": "5"}


def start(arguments: Sequence[str], data: Path, endpoint: str) -> subprocess.Popen[str]:
    return installer_runs.start(arguments, environ_of(data, endpoint))


def finish(arguments: Sequence[str], data: Path, endpoint: str) -> list[dict]:
    """The messages of a run that must succeed."""
    return installer_runs.finish(arguments, environ_of(data, endpoint), seconds=600)


def check_whole(data: Path, hub: Hub) -> None:
    """Checks that every file is correct, the entry exists, and nothing unfinished is left."""
    assert check_nothing_corrupt(data, hub) == 4
    assert (data / "models" / "one.toml").is_file()
    names = {path.name for path in (data / "models" / "files").iterdir()}
    assert names == {"base", "shared", "folder", "files.json", "lock"}, names


def check_nothing_corrupt(data: Path, hub: Hub) -> int:
    """Returns how many files are complete. Each must be correct, and there must be no entry unless all of them are
    there."""
    folder, whole = data / "models" / "files", 0
    for name, repo in (("base", "own/base"), ("shared", "own/shared"), ("folder", "own/folder")):
        for path, content in hub.files[repo].items():
            place = folder / name / (path if name == "folder" else Path(path).name)
            if place.exists():
                assert place.read_bytes() == content, place
                whole += 1
    assert whole == 4 or not (data / "models" / "one.toml").exists()
    return whole


def kill_once(catalogue: Path, data: Path, hub: Hub, endpoint: str, after: float, with_children: bool) -> str:
    """Kills a run, checks what it left, and runs it again. Returns the stage in which it was killed."""
    process = start(adding(catalogue), data, endpoint)
    time.sleep(after)
    said = installer_runs.kill(process, with_children)
    check_nothing_corrupt(data, hub)
    finish(adding(catalogue), data, endpoint)
    check_whole(data, hub)
    stages = [json.loads(line) for line in said.splitlines() if line.endswith("}")]
    return next((message["stage"] for message in reversed(stages) if "stage" in message), "before all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    hub = made_up_hub(6_000_000)
    hub.pause = 0.02
    with tempfile.TemporaryDirectory(prefix="motionclone-kills-") as folder, serving(hub) as endpoint:
        catalogue = make_catalogue(Path(folder) / "catalogue.toml", hub)
        begin = time.monotonic()
        finish(adding(catalogue), Path(folder) / "first" / "data", endpoint)
        whole = time.monotonic() - begin
        print(f"uninterrupted: {whole:.1f} s", flush=True)
        for number in range(options.kills):
            home = Path(folder) / f"é {number}"
            home.mkdir()
            after, resumed = moments.uniform(0, whole), _resumed(hub)
            stage = kill_once(catalogue, home / "data", hub, endpoint, after, number % 2 == 1)
            print(
                f"{number}: killed after {after:.1f} s in `{stage}`, completed"
                f"{', going on with a part' if _resumed(hub) > resumed else ''}",
                flush=True,
            )
    print(f"{options.kills} kills, {options.kills} completed, nothing corrupt")


def _resumed(hub: Hub) -> int:
    """The number of requests for the rest of a file."""
    return sum("Range" in headers for _, path, headers in hub.asked if path.startswith("/cdn/"))


if __name__ == "__main__":
    main()
