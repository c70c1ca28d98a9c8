"""Which Python the backend is created from, and why others are refused."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from install import pythons
from install.failures import InstallError


def a_python(**other) -> pythons.Python:
    said = {
        "version": "3.13",
        "executable": Path("/usr/bin/python3.13"),
        "arch": "x86_64",
        "bits": 64,
        "makes_environments": True,
        "ssl": True,
        "free_threaded": False,
        "libc": ("glibc", "2.41"),
        "system": "#1 SMP",
    }
    return pythons.Python(**said | other)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({}, ""),
        ({"ssl": False}, "ssl module"),
        ({"bits": 32}, "32-bit"),
        ({"free_threaded": True}, "free-threaded"),
        ({"system": "Darwin Kernel Version 25.1.0: root:xnu/RELEASE_ARM64_T6000"}, "Apple silicon"),
        pytest.param({"libc": ("", "")}, "glibc", marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux's")),
        pytest.param(
            {"libc": ("glibc", "2.17")}, "glibc", marks=pytest.mark.skipif(sys.platform != "linux", reason="its")
        ),
    ],
)
def test_a_python_that_the_backend_cannot_use_says_why(other, why):
    unfit = a_python(**other).unfit()
    assert why in unfit and bool(why) == bool(unfit)


def test_the_first_usable_python_is_taken_and_blender_s_own_last(monkeypatch):
    found = {"3.13": a_python(ssl=False), "3.12": a_python(version="3.12", executable=Path("/usr/bin/python3.12"))}
    own = a_python(version="3.11", executable=Path("/opt/blender/4.2/python/bin/python3.11"))
    monkeypatch.setattr(pythons, "probe", lambda command: own)
    monkeypatch.setattr(pythons, "_find", found.get)
    assert pythons.backend_base() == own
    monkeypatch.setattr("sys.base_prefix", "/opt/blender/4.2/python")
    assert pythons.backend_base().version == "3.12"
    del found["3.12"]
    assert pythons.backend_base() == own


def test_a_debian_without_python3_venv_is_told_the_package_and_uv_makes_up_for_it(monkeypatch):
    bare = a_python(makes_environments=False)
    monkeypatch.setattr(pythons, "probe", lambda command: bare)
    monkeypatch.setattr(pythons, "_find", lambda version: None)
    monkeypatch.setattr(pythons, "uv", lambda: None)
    with pytest.raises(InstallError, match="cannot create virtual environments") as error:
        pythons.backend_base()
    assert "apt install python3.13-venv" in error.value.hint
    monkeypatch.setattr(pythons, "uv", lambda: "/usr/bin/uv")
    assert pythons.backend_base() == bare


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_one_python_under_several_names_is_refused_once(tmp_path, monkeypatch):
    (tmp_path / "python3.13").touch()
    for name in ("python3", "python"):
        (tmp_path / name).symlink_to("python3.13")
    own = a_python(executable=tmp_path / "python3", makes_environments=False)
    found = {
        "3.13": a_python(executable=tmp_path / "python3.13", makes_environments=False),
        "3.12": a_python(executable=tmp_path / "python3.12", version="3.12", ssl=False),
    }
    monkeypatch.setattr(pythons, "probe", lambda command: own)
    monkeypatch.setattr(pythons, "_find", found.get)
    monkeypatch.setattr(pythons, "uv", lambda: None)
    for prefix in ("/usr", "/opt/blender/5.2/python"):
        monkeypatch.setattr("sys.base_prefix", prefix)
        with pytest.raises(InstallError) as error:
            pythons.backend_base()
        assert error.value.message.count("(Python 3.13)") == 1 and error.value.message.count("(Python 3.12)") == 1


def test_the_running_python_is_found_and_an_unknown_one_is_not():
    assert pythons.find_python(pythons.RUNNING) == Path(sys.executable)
    assert pythons.find_python("2.99") is None


@pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")
def test_a_stand_in_on_the_path_that_refuses_to_run_is_no_python(tmp_path, monkeypatch):
    for name in ("python9.9", "python3", "python"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 127\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert pythons.find_python("9.9") is None
    behind = tmp_path / "pyenv" / "versions" / "9.9.1" / "bin"
    behind.mkdir(parents=True)
    said = {**vars(a_python(version="9.9")), "executable": "/somewhere/python9.9"}
    (behind / "python").write_text(f"#!/bin/sh\necho '{json.dumps(said)}'\n")
    (behind / "python").chmod(0o755)
    assert pythons.find_python("9.9") == Path("/somewhere/python9.9")
