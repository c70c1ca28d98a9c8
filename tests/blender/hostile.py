"""Opens what strangers may send, in a Blender without a window: looks as the timers do, presses the take's buttons.

    .venv-bpy-5.2/bin/python -m tests.blender.hostile [ZIP] [PART OF A CASE'S NAME]

ZIP: the extension, as `python3 -m install extension` makes it; without it, it is made. Prints a line for each case that
does not hold, and how many hold. What must hold: opening takes a moment and touches nothing elsewhere; the other take
is done; no button fails but with a sentence, and none writes, links or copies what lies elsewhere; no program starts.
"""

from __future__ import annotations

import faulthandler
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.blender.hostile_cases import FRAMES, World, cases

ROOT = Path(__file__).parents[2]
SECONDS_A_CASE = 20.0


def main(zip_path: str = "", wanted: str = "") -> int:
    """Lets Blenders of their own do the cases, since one may freeze; -> how many do not hold."""
    names = [case.name for case in cases() if wanted in case.name]
    left, bad = list(names), 0
    with tempfile.TemporaryDirectory(prefix="motionclone-hostile-") as folder:
        zip_path = zip_path or _extension(Path(folder) / "motionclone.zip")
        while left:
            for name, problem in _answers(zip_path, Path(folder), left):
                left.remove(name)
                bad += bool(problem)
                if problem:
                    print(f"{name}: {problem}", flush=True)
    print(json.dumps({"cases": len(names), "hold": len(names) - bad}))
    return bad


def _extension(path: Path) -> str:
    import bpy

    tool = Path(bpy.utils.system_resource("SCRIPTS")) / "addons_core/bl_pkg/cli/blender_ext.py"
    build = [sys.executable, str(tool), "build", "--source-dir", str(ROOT), "--output-filepath", str(path)]
    subprocess.run(build, check=True, capture_output=True)
    return str(path)


def _answers(zip_path: str, folder: Path, names: list[str]) -> Iterator[tuple[str, str]]:
    """(case, what is wrong), from a Blender that goes on until one freezes it."""
    own = tempfile.mkdtemp(dir=folder)
    surroundings = {**os.environ, "BLENDER_USER_RESOURCES": f"{own}/user", "MOTIONCLONE_DATA": f"{own}/data"}
    command = [sys.executable, "-m", "tests.blender.hostile", "--do", zip_path, own]
    surroundings["PATH"] = os.defpath
    blender = subprocess.Popen(
        command, cwd=ROOT, env=surroundings, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=None if "MOTIONCLONE_LOUD" in os.environ else subprocess.DEVNULL,
    )  # fmt: skip
    blender.stdin.write(json.dumps(names))
    blender.stdin.close()
    begun = ""
    for line in blender.stdout:
        kind, _, rest = line.partition(" ")
        if kind == "CASE":
            begun = json.loads(rest)
        elif kind == "END":
            yield begun, json.loads(rest)
            begun = ""
    if blender.wait() and not begun:
        raise SystemExit("Blender ended without having begun a case; MOTIONCLONE_LOUD=1 shows why.")
    if begun:
        yield begun, "Blender froze or crashed"


def do(zip_path: str, folder: str) -> None:
    import bpy

    from tests.blender.hostile_trial import PACKAGE, Trial

    bpy.ops.extensions.package_install_files(filepath=zip_path, repo="user_default", enable_on_install=True)
    movie, picture = _movie(Path(folder))
    known = {case.name: case for case in cases()}
    for number, name in enumerate(json.load(sys.stdin)):
        print("CASE", json.dumps(name), flush=True)
        faulthandler.dump_traceback_later(SECONDS_A_CASE, exit=True)
        try:
            problem = Trial(known[name], World(Path(folder) / str(number), movie, picture)).problem()
        except BaseException as error:
            problem = f"{type(error).__name__}: {error}"
        faulthandler.cancel_dump_traceback_later()
        print("END", json.dumps(problem[-600:]), flush=True)
    bpy.ops.preferences.addon_disable(module=PACKAGE)
    sys.stdout.flush()
    os._exit(0)


def _movie(folder: Path) -> tuple[Path, bytes]:
    from tests.blender.movies import write_movie

    write_movie(folder, {"frames": FRAMES, "fps": 24.0})
    return folder / "result.mp4", (folder / "result" / "0000.png").read_bytes()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--do"]:
        do(*sys.argv[2:])
    raise SystemExit(bool(main(*sys.argv[1:])))
