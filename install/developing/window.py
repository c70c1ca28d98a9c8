"""A real Blender with a window, in its own Debian folder, for tests that need a window.

Each Debian release has another version of Blender. The folder is created once and kept in the user's cache, outside of
the checkout. Its programs run in their own mount and process namespaces. When the first program ends, no mount or
process is left, so the folder can be removed at any time.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..clearing import clear
from ..failures import InstallError
from ..logs import last_lines, shorten
from ..state import check_ours
from ..work import LOG, locked_work_folder

RELEASES = {"sid": "5.2", "trixie": "4.3"}  # Debian releases and their Blender versions
VARIABLE = "MOTIONCLONE_WINDOWS"  # names the parent of these folders
# Blender's own builds include NumPy to cattr; Debian's package does not depend on them.
PACKAGES = [
    *("blender", "python3-numpy", "python3-requests", "python3-zstandard", "python3-cattr"),
    *("xvfb", "xdotool", "imagemagick", "adwaita-icon-theme", "fonts-dejavu-core"),
    *("libgl1", "libegl1", "libegl-mesa0", "libgl1-mesa-dri", "libglx-mesa0", "mesa-vulkan-drivers"),
]
MAKING = "motionclone-making"  # marks an incomplete folder as ours
READY = "motionclone-ready"  # lists the packages; written last
NAMESPACES = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]
APT_SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))

# Arguments: the folder, the folders to make visible there under the same paths, `--`, and the program.
_ENTER = """set -eu
root=$1; shift
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root/dev/shm"; mount -t tmpfs tmpfs "$root/dev/shm"
while [ "$1" != -- ]; do mkdir -p "$root$1"; mount --bind "$1" "$root$1"; shift; done
shift
exec chroot "$root" "$@"
"""


def unavailable_reason() -> str:
    """Why this machine cannot have such a window, as the end of a sentence; empty when it can."""
    if not sys.platform.startswith("linux") or not debian_mirror(APT_SOURCES):
        return "it needs Debian's package sources"
    if os.geteuid() != 0:
        return "it needs root, to make and enter a Debian folder"
    for program in ("debootstrap", "unshare", "chroot"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if subprocess.run([*NAMESPACES, "--mount-proc", "true"], capture_output=True).returncode:
        return "this machine does not let root make namespaces"
    return ""


def debian_mirror(sources: Iterable[Path]) -> str:
    """The first address in the machine's package sources; empty when there is none."""
    for path in filter(Path.is_file, sources):
        found = re.search(
            r"^(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s+(https?://\S+)", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        if found:
            return found[1]
    return ""


def window_folder(release: str) -> Path:
    """The folder for a Debian release."""
    chosen = os.environ.get(VARIABLE)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "motionclone" / "windows"
    return (Path(chosen).expanduser().absolute() if chosen else cache) / release


def make_window(release: str) -> Path:
    """The release's folder with Blender, created if it is missing or incomplete, which takes some minutes and 1.6
    GB."""
    root = window_folder(release)
    what = f"Debian {release} with Blender {RELEASES[release]} into {root}, about 400 MB to download"
    return make_debian(root, release, PACKAGES, what)


def make_debian(root: Path, release: str, packages: Sequence[str], what: str) -> Path:
    """The folder `root` with a Debian release and packages, created if it is missing or incomplete.

    what: a description to print. Raises InstallError.
    """
    if _is_ready(root, packages):
        return root
    print(f"  {what}", flush=True)
    check_ours(root, (READY, MAKING))
    with locked_work_folder(root) as work:
        clear(root)
        root.mkdir(parents=True)
        (root / MAKING).touch()
        log = work / LOG
        log.unlink(missing_ok=True)
        base = ["debootstrap", "--variant=minbase", release, str(root), debian_mirror(APT_SOURCES)]
        logged([*NAMESPACES, "--mount-proc", *base], log)
        _settle(root)
        for command in (["update"], ["install", "-y", "--no-install-recommends", *packages], ["clean"]):
            apt = ["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "apt-get", *command]
            logged(enter(root, [], apt), log)
        (root / READY).write_text("\n".join(packages), encoding="utf-8")
    return root


def enter(root: Path, folders: Sequence[Path], command: Sequence[str]) -> list[str]:
    """The command that runs `command` in the folder, where `folders` are visible under the same paths."""
    return [*NAMESPACES, "sh", "-c", _ENTER, "sh", str(root), *map(str, folders), "--", *command]


def backend_folders(python: Path) -> list[Path]:
    """The folders that the backend's Python needs: its environment and its base installation. Raises InstallError."""
    answer = subprocess.run(
        [str(python), "-c", "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')"],
        capture_output=True,
        text=True,
        check=True,
    )
    prefix, base = map(Path, answer.stdout.split("\n")[:2])
    if base == Path("/usr"):
        raise InstallError(
            f"The backend's environment {prefix} is made from the system's Python, which the Debian folder hides.",
            "Remove it, and run `python3 -m install backend` with another Python, such as one of pyenv's or uv's.",
        )
    return list(dict.fromkeys([prefix, prefix.resolve(), base]))


def _is_ready(root: Path, packages: Sequence[str]) -> bool:
    try:
        return (root / READY).read_text(encoding="utf-8").split() == list(packages)
    except OSError:
        return False


def _settle(root: Path) -> None:
    """Prepares a new folder for installing packages: host names, no services, and a setting to accept old package
    lists, because an outdated mirror is no reason to fail."""
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    policy = root / "usr" / "sbin" / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    (root / "etc/apt/apt.conf.d/98motionclone").write_text(
        'Acquire::Check-Valid-Until "false";\nAcquire::Retries "3";\n'
    )
    mounts = root / "etc" / "mtab"
    mounts.unlink(missing_ok=True)
    mounts.symlink_to("/proc/self/mounts")


def logged(command: Sequence[str], log: Path) -> None:
    """Runs a command with its output in the log. Raises InstallError with the last line when it fails."""
    with log.open("a", encoding="utf-8") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL).returncode
    shorten(log)
    if code:
        lines = last_lines(log, 1)
        raise InstallError(
            f"The Debian folder could not be made: {lines[0] if lines else f'exit code {code}'}",
            f"See {log}, and start the same command again.",
        )
