"""A remote worker over a real sshd: `ssh HOST ... python -m backend serve` as the worker command."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backend.job_folder.lock import is_locked, unfinished
from backend.job_folder.state import read_state
from backend.wire import messages
from backend.wire.client import Lost
from tests.workers import COMMAND, PATIENCE, ROOT, RecordingClient, make_job

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(
    not (SSHD and shutil.which("ssh") and shutil.which("ssh-keygen")),
    reason="needs sshd, ssh and ssh-keygen: install openssh-server and openssh-client",
)

CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """An sshd on a free loopback port. Returns ssh's command up to the host's name."""
    folder = tmp_path_factory.mktemp("sshd")
    for key in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder))
    if os.geteuid() == 0:  # for root, sshd gives up its rights in a folder that the system's own start makes
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    assert SSHD
    with (folder / "sshd.log").open("wb") as log:
        sshd = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stdin=subprocess.DEVNULL, stderr=log)
    try:
        wait_until_it_listens(port, sshd, folder / "sshd.log")
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", f"UserKnownHostsFile={folder}/known", "LogLevel=ERROR"]
        options += ["IdentitiesOnly=yes", "ControlMaster=no", "ControlPath=none"]
        flags = [flag for option in options for flag in ("-o", option)]
        identity = ["-F", "none", "-T", "-i", str(folder / "user_key"), "-p", str(port)]
        yield ["ssh", *identity, *flags, f"{getpass.getuser()}@127.0.0.1"]
    finally:
        sshd.terminate()
        sshd.wait()


def wait_until_it_listens(port: int, sshd: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        assert sshd.poll() is None and time.monotonic() < deadline, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)


@pytest.fixture
def command(line, tmp_path) -> list[str]:
    """The worker command as a user writes it: ssh, the host, and the program to run there."""
    there = f"cd {shlex.quote(str(ROOT))} && MOTIONCLONE_DATA={shlex.quote(str(tmp_path / 'there'))} exec "
    return [*line, there + shlex.join(COMMAND)]


def test_a_job_over_ssh(command, tmp_path):
    folder = make_job(tmp_path / "a", steps=10, seconds=0.05, bytes=2_000_000)
    (folder / "reference").mkdir()
    (folder / "reference" / "0000.png").write_bytes(os.urandom(2_000_000))
    with RecordingClient(command, remote=True) as recorder:
        recorder.until(messages.Hello)
        recorder.client.submit("a", folder)
        assert recorder.until(messages.Progress, lambda m: m.stage == "sending").steps == 9
        recorder.until(messages.Progress, lambda m: m.stage == "sampling" and m.step > 0)
        recorder.until(messages.Done)
        assert (folder / "result.mp4").stat().st_size == 2_000_000
        assert read_state(folder).state == "done"
        recorder.client.submit("b", make_job(tmp_path / "b", steps=1000))
        recorder.until(messages.Progress, lambda m: m.stage == "sampling" and m.step > 0)
        recorder.client.cancel("b")
        recorder.until(messages.Cancelled)
    assert not list((tmp_path / "there" / "received").iterdir())


def test_a_line_that_breaks_loses_no_result(command, tmp_path):
    """ssh is killed: the worker at the other end finishes its job, and the next connection receives the result."""
    folder = make_job(tmp_path / "a", steps=10, seconds=0.1)
    with RecordingClient(command, remote=True) as recorder:
        recorder.client.submit("a", folder)
        recorder.until(messages.Progress, lambda m: m.stage == "sampling" and m.step > 0)
        os.kill(recorder.client.pid, 9)
        assert recorder.until(Lost).jobs == ("a",)
    assert unfinished(tmp_path) == [folder]
    (copy,) = (tmp_path / "there" / "received").iterdir()
    deadline = time.monotonic() + PATIENCE
    while read_state(copy).state != "done" or is_locked(copy):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with RecordingClient(command, remote=True) as recorder:
        recorder.client.submit("a", folder)
        recorder.until(messages.Done)
    assert (folder / "result.json").is_file() and not copy.exists()


@pytest.mark.parametrize(
    "there, words",
    [
        (f"{shlex.quote(sys.executable)} -m no_such_backend", "No module named no_such_backend"),
        ("echo Welcome to this machine; exec cat", "is not valid JSON"),
    ],
)
def test_a_host_without_a_worker_is_said(line, there, words):
    with RecordingClient([*line, there], remote=True) as recorder:
        lost = recorder.until(Lost)
        assert words in lost.message and lost.hint


def test_a_host_that_does_not_answer_is_said(line):
    nowhere = ["1" if line[i - 1] == "-p" else word for i, word in enumerate(line)]
    with RecordingClient([*nowhere, "true"], remote=True) as recorder:
        assert "onnection refused" in recorder.until(Lost).message
