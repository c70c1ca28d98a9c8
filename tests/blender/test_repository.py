"""The self-hosted repository as Blender sees it: installed from its address, and updated when there is a newer one."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from install.developing.repository import make_repository
from tests.blender.conftest import ROOT

SECONDS = 300


@pytest.fixture
def web(tmp_path):
    """(folder, address): a web server of static files on this machine."""
    folder = tmp_path / "page"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}/index.json"
    server.shutdown()
    server.server_close()


def test_installed_from_the_repository_and_updated(web, tmp_path):
    folder, address = web
    tree = newer(tmp_path / "tree", "7.0.0")
    make_repository(folder, root=tree)
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "tests.blender.from_repository", address, str(ready)]
    surroundings = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "user")}
    with subprocess.Popen(
        command, cwd=ROOT, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as blender:
        deadline = time.monotonic() + SECONDS
        while not ready.exists() and blender.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        make_repository(folder, root=newer(tmp_path / "next", "7.1.0"))
        ready.unlink(missing_ok=True)
        said, _ = blender.communicate(timeout=SECONDS)
    assert re.findall("^version (.*)", said, re.MULTILINE) == ["7.0.0", "7.1.0"], said
    assert blender.returncode == 0, said


def newer(folder: Path, version: str) -> Path:
    """A copy of the program, without its weights, as another version."""
    ignore = shutil.ignore_patterns("*.safetensors", "__pycache__", ".*", "tests", "docs", "dist", "demo")
    shutil.copytree(ROOT, folder, ignore=ignore)
    for name, pattern, text in (
        ("blender_manifest.toml", r'^version = ".*"', f'version = "{version}"'),
        ("CHANGELOG.md", r"^# Changelog", f"# Changelog\n\n## {version}\n\n- New."),
    ):
        path = folder / name
        path.write_text(re.sub(pattern, text, path.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")
    return folder
