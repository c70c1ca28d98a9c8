"""Creates links and foreign folders wherever the installer looks, runs it, and checks that nothing is lost.

    python -m tests.install_strangers              # every case, in a temporary folder
    python -m tests.install_strangers --only link  # cases whose name contains this word

A case prepares a home folder with a user's files, runs the installer's command there as a process, and compares every
file that is not the installer's with its state before. On Windows folders are linked with junctions.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from install.developing.window import READY, RELEASES
from install.files import is_link
from install.packages import installed, site_packages
from install.paths import interpreter, work_folder
from install.state import NAME, State, read_state, write_state
from install.work import MARK
from tests.install_kills import alone, command, make_wheels
from tests.systems import link_folder

KEY = "0123456789abcdef" * 4  # a name that the backend uses for caches


@dataclass
class Home:
    """root: the home folder; wheels: generated wheels to install from; theirs: files that must not change."""

    root: Path
    wheels: Path
    theirs: dict[Path, bytes] = field(default_factory=dict)

    @property
    def venv(self) -> Path:
        return self.root / "venv"

    @property
    def data(self) -> Path:
        return self.root / "data"

    def put(self, *names: str, own: bool = False) -> Path:
        """Writes a file below the root; with `own` it belongs to the installer."""
        path = self.root.joinpath(*names)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hashlib.sha256(str(path).encode()).digest())
        if not own:
            self.theirs[path.resolve()] = path.read_bytes()
        return path

    def whole_folder(self, folder: Path) -> None:
        """Everything in it must stay."""
        for path in folder.rglob("*"):
            if path.is_file() and not is_link(path):
                self.theirs[path.resolve()] = path.read_bytes()

    def install(self, *more: str) -> int:
        return self._run(command(self.venv, self.wheels, self.wheels / "locks", *more))

    def remove(self, *more: str) -> int:
        arguments = ["remove", "--where", str(self.venv), *more, "--json"]
        return self._run([sys.executable, "-m", "install", *arguments])

    def _run(self, arguments: list[str]) -> int:
        done = subprocess.run(
            arguments,
            env=alone({"MOTIONCLONE_DATA": str(self.data)}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=900,
        )
        assert "Traceback" not in done.stderr, done.stderr
        last = json.loads(done.stdout.splitlines()[-1])
        assert last["kind"] == ("failed" if done.returncode else "done"), last
        print(f"          {last.get('message') or last.get('text')}")
        return done.returncode

    def lost(self) -> list[Path]:
        return [path for path, content in self.theirs.items() if not path.is_file() or path.read_bytes() != content]

    def made(self) -> None:
        """An environment and its work folder, copied from a finished one."""
        shutil.copytree(self.wheels.parent / "finished", self.root, symlinks=True, dirs_exist_ok=True)


def moved(home: Home, path: Path) -> Path:
    """Moves a folder to another disk and links it from its old path."""
    target = home.root / "bigger disk" / path.name
    target.parent.mkdir(exist_ok=True)
    path.rename(target)
    link_folder(path, target)
    return target


def a_linked_environment_loses_its_link_alone(home: Home) -> None:
    home.made()
    target = moved(home, home.venv)
    home.whole_folder(target)
    assert home.remove() == 0
    assert not os.path.lexists(home.venv) and (target / NAME).is_file()


def a_linked_environment_is_brought_up_to_date_where_it_is(home: Home) -> None:
    home.made()
    target = moved(home, home.venv)
    home.put("bigger disk", "venv", "my notes.txt")
    interpreter(target).unlink()
    assert home.install() == 0
    assert is_link(home.venv) and interpreter(target).exists() and installed(home.venv)


def linked_caches_lose_their_links_alone(home: Home) -> None:
    for name in ("motion", "inversion", "received"):
        home.put("data", name, f"{KEY}.safetensors", own=True)
        home.whole_folder(moved(home, home.data / name))
    assert home.remove() == 0
    assert not any(os.path.lexists(home.data / name) for name in ("motion", "inversion", "received"))


def linked_models_lose_their_link_alone(home: Home) -> None:
    home.put("data", "models", "files", "mine.safetensors", own=True)
    home.whole_folder(moved(home, home.data / "models"))
    assert home.remove("--models") == 0
    assert not os.path.lexists(home.data / "models")


def linked_files_of_models_lose_their_link_alone(home: Home) -> None:
    home.put("data", "models", "mine.toml")
    home.put("data", "models", "files", "mine.safetensors", own=True)
    home.put("data", "models", "files", "files.json", own=True)
    home.whole_folder(moved(home, home.data / "models" / "files"))
    assert home.remove("--models") == 0
    assert not os.path.lexists(home.data / "models" / "files")


def a_linked_work_folder_of_a_stranger_stays(home: Home) -> None:
    home.put("elsewhere", "scratch", "drawing.png")
    link_folder(work_folder(home.venv), home.root / "elsewhere")
    assert home.install() == 1 and home.remove() == 0
    assert is_link(work_folder(home.venv))


def a_linked_work_folder_of_ours_loses_its_link_alone(home: Home) -> None:
    home.made()
    home.whole_folder(moved(home, work_folder(home.venv)))
    assert home.remove() == 0
    assert not os.path.lexists(work_folder(home.venv))


def links_within_an_environment_are_not_entered(home: Home) -> None:
    home.made()
    home.put("elsewhere", "data1.bin")
    package = site_packages(home.venv) / "made_up_1"
    for path in package.iterdir():
        path.unlink()
    package.rmdir()
    link_folder(package, home.root / "elsewhere")
    link_folder(site_packages(home.venv) / "~ade_up_2", home.root / "elsewhere")
    link_folder(home.venv / "share", home.root / "elsewhere")
    assert home.install("--repair") == 0 and len(installed(home.venv)) > 3
    link_folder(site_packages(home.venv) / "theirs", home.root / "elsewhere")
    assert home.remove() == 0


def a_work_folder_of_a_stranger_stays_without_an_environment(home: Home) -> None:
    home.put("venv-work", "scratch", "drawing.png")
    home.put("venv-work", "downloads", "film.mp4")
    assert home.remove() == 0


def a_work_folder_of_a_stranger_stays_beside_an_environment(home: Home) -> None:
    home.put("venv-work", "install.log")
    home.put("venv-work", "scratch", "drawing.png")
    home.venv.mkdir()
    write_state(home.venv, State())
    assert home.install() == 1 and home.remove() == 0


def a_work_folder_of_a_stranger_stays_beside_wheels(home: Home) -> None:
    home.put("packs-work", "scratch", "drawing.png")
    code = home._run([sys.executable, "-m", "install", "wheels", str(home.root / "packs"), "--build", "cpu", "--json"])
    assert code == 1


def what_somebody_put_into_our_work_folder_stays(home: Home) -> None:
    home.made()
    assert (work_folder(home.venv) / MARK).is_file()
    home.put("venv-work", "notes.txt")
    assert home.remove() == 0


def jobs_beside_what_an_environment_has_stay(home: Home) -> None:
    home.made()
    home.put("venv", "jobs", "20261127-101010-abcdef", "result.mp4")
    home.put("venv", "jobs", "20261127-101010-abcdef", "job.json")
    interpreter(home.venv).unlink()
    assert home.install() == 0, "an update"
    assert home.remove() == 0


def jobs_within_what_an_environment_has_keep_it_there(home: Home) -> None:
    home.made()
    job = (site_packages(home.venv).relative_to(home.root), "jobs", "20261127-101010-abcdef")
    home.put(*map(str, job), "result.mp4")
    home.put(*map(str, job), "job.json")
    home.put(*map(str, job), "state.json")
    interpreter(home.venv).unlink()
    assert home.install() == 1, "an update"
    assert home.remove() == 1


def a_data_folder_within_the_environment_is_refused(home: Home) -> None:
    home.put("data", "jobs", "1", "result.mp4")
    home.venv.mkdir()
    home.data.rename(home.venv / "data")
    home.theirs.clear()
    home.whole_folder(home.venv)
    assert home.install() == 1 and home.remove() == 1


def folders_of_a_user_s_data_folder_stay(home: Home) -> None:
    for name in ("motion/walk.fbx", "inversion/notes.txt", "received/letter.pdf", "models/car.blend", "film.mp4"):
        home.put("data", *name.split("/"))
    home.put("data", "motion", f"{KEY}.safetensors", own=True)
    assert home.remove("--models") == 0
    assert not (home.data / "motion" / f"{KEY}.safetensors").exists()


def a_user_s_own_models_stay(home: Home) -> None:
    home.put("data", "models", "mine.toml")
    home.put("data", "models", "mine.safetensors")
    home.put("data", "models", "files", "mine too.safetensors")
    assert home.remove("--models") == 0


def a_folder_that_is_not_ours_stays(home: Home) -> None:
    home.put("venv", "lib", "mine.py")
    home.put("venv", "bin", "run")
    assert home.install() == 1 and home.remove() == 1


def a_planted_link_is_not_written_through(home: Home) -> None:
    home.made()
    profile = home.put("profile")
    for name in (f"{NAME}.part", "motionclone-work.txt.part"):
        if sys.platform != "win32":
            (home.venv / name).symlink_to(profile)
    state = read_state(home.venv)
    assert state
    write_state(home.venv, state)
    assert home.install() == 0


def a_page_of_somebody_s_is_not_replaced(home: Home) -> None:
    home.put("site", "index.html")
    done = subprocess.run([sys.executable, "-m", "install", "repository", str(home.root / "site")], capture_output=True)
    assert done.returncode == 1 and b"no page of an extension repository" in done.stderr


def a_log_of_somebody_s_is_neither_written_nor_read(home: Home) -> None:
    home.made()
    shutil.rmtree(work_folder(home.venv))
    log = home.put("venv-work", "install.log")
    doctor = [sys.executable, "-m", "install", "doctor", "--where", str(home.venv), "--json"]
    done = subprocess.run(doctor, env=alone({"MOTIONCLONE_DATA": str(home.data)}), capture_output=True)
    assert b"findings" in done.stdout and log.read_bytes() not in done.stdout


def a_folder_in_a_window_s_place_stays(home: Home) -> None:
    for release in RELEASES:
        home.put("windows", release, "film.mp4")
    code = (
        "import sys\nfrom install.developing import window\nfrom install.failures import InstallError\n"
        "window.debian_mirror = lambda _: 'nowhere'\n"
        "for release in window.RELEASES:\n    try:\n        window.make_window(release)\n        sys.exit(3)\n"
        "    except InstallError:\n        pass\n"
    )
    environ = alone({"MOTIONCLONE_WINDOWS": str(home.root / "windows")})
    subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True)
    assert not list(home.root.rglob(READY))


def cases() -> Iterator[Callable[[Home], None]]:
    """The cases in the order of this file."""
    for function in list(globals().values()):
        if callable(function) and getattr(function, "__annotations__", {}) == {"home": "Home", "return": "None"}:
            yield function


def prepare(wheels: Path) -> None:
    """Generated wheels and an environment that was installed from them."""
    make_wheels(wheels, packages=3, files=3)
    first = Home(wheels.parent / "finished", wheels)
    first.root.mkdir()
    assert first.install() == 0


def name_of(case: Callable[[Home], None]) -> str:
    return case.__name__.replace("_", " ")


def run(case: Callable[[Home], None], root: Path, wheels: Path) -> int:
    """Returns the number of foreign files. Raises AssertionError when one was changed or the installer did not do its
    work."""
    root.mkdir(parents=True)
    home = Home(root, wheels)
    case(home)
    lost = home.lost()
    assert home.theirs and not lost, f"lost: {lost}"
    return len(home.theirs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a word in the case's name")
    chosen = parser.parse_args()
    failed = count = files = 0
    with tempfile.TemporaryDirectory(prefix="motionclone-strangers-") as folder:
        wheels = Path(folder) / "wheels"
        prepare(wheels)
        for case in (case for case in cases() if chosen.only in name_of(case)):
            count += 1
            try:
                kept = run(case, Path(folder).resolve() / f"Jörg Müller {count}", wheels)
                files += kept
                print(f"kept      {name_of(case)} ({kept} files)", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"FAILED    {name_of(case)}: {error}", flush=True)
            except pytest.skip.Exception as reason:
                print(f"skipped   {name_of(case)}: {reason}", flush=True)
    print(f"{count} cases, {failed} failed, {files} files of others kept")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
