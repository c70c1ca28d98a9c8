"""The messages for pip's errors, from the output of old and new versions of pip and of one that is run."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from install.failures import InstallError
from install.pip import Pip
from install.pip_failures import NoBuild, pip_failure
from install.reports import Report
from tests.install_kills import alone
from tests.loopback import Handler, listening

LOG = Path("install.log")
NO_MATCH = "ERROR: No matching distribution found for torch==2.13.0"
MIRROR = "Looking in indexes: https://user:****@mirror.example:8443/simple, https://other.example/simple"
RETRY = "WARNING: Retrying (Retry(total=0)) after connection broken by "


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in [name for name in os.environ if name.upper().endswith("_PROXY")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full."),
        (NO_MATCH, "pypi.org has no build of torch==2.13.0"),
        ("ERROR: Cannot install torch==2 because these package versions conflict", "no build of torch==2 for"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "wrong content"),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/a b/x'\n",
            "/a b/x could",
        ),
        ("ERROR: Access is denied", "A file could not be written."),
        ("error: something else", "stopped with an error"),
    ],
)
def test_failures_become_sentences_that_name_the_log(output, said):
    error = pip_failure(output, LOG)
    assert said in error.message and "install.log" in error.hint


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (f"{RETRY}'NewConnectionError('<pip.HTTPSConnection object at 0x7f>: Failed to establish a new connection: "
         "[Errno -2] Name or service not known')': /simple/torch/", "its host name cannot"),
        (f"{RETRY}'NameResolutionError(\"HTTPSConnection(host='mirror.example', port=8443): Failed to resolve\")'",
         "its host name cannot"),
        (f"{RETRY}'NewConnectionError('<pip.HTTPConnection object at 0x7f>: Failed to establish a new connection: "
         "[Errno 111] Connection refused')': /simple/torch/", "connection was refused"),
        (f"{RETRY}'ReadTimeoutError(\"HTTPSConnectionPool(host='mirror.example', port=8443): Read timed out.\")'",
         "timed out"),
        (f"{RETRY}'ProtocolError('Connection aborted.', RemoteDisconnected('Remote end closed'))'", "breaks"),
        (f"{RETRY}'NewConnectionError(\"HTTPSConnection(host='mirror.example', port=8443): Failed to establish a new "
         "connection: [Errno 101] Network is unreachable\")'", "no route to it"),
        ("Could not fetch URL: SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate "
         "verify failed: self-signed certificate in certificate chain (_ssl.c:1000)'))", "(self-signed certificate in"),
        ("Could not fetch URL: SSLError(CertificateError(\"hostname 'mirror.example' doesn't match 'pypi.org'\"))",
         "(hostname 'mirror.example' doesn't match)"),
    ],
)  # fmt: skip
def test_an_index_out_of_reach_is_named_without_its_login_and_what_is_wrong_is_said(output, said):
    error = pip_failure(f"{MIRROR}\n{output}\n{NO_MATCH}", LOG)
    assert "The package index mirror.example " in error.message and said in error.message
    assert "user" not in error.message and "install.log" in error.hint


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            "'ProxyError('Cannot connect to proxy.', NewConnectionError('<x>: [Errno 111] Connection refused'))'",
            "reached",
        ),
        ("'NewConnectionError(\"HTTPSConnection(host='proxy.example', port=3128): Failed to establish\")'", "reached"),
        ("'OSError('Tunnel connection failed: 407 Proxy Authentication Required')'", "user name and password"),
        (
            "'ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 403 Forbidden'))'",
            "blocks the package",
        ),
    ],
)
@pytest.mark.parametrize("set_to", ["http://me:secret@proxy.example:3128", "me:secret@proxy.example:3128"])
def test_a_proxy_in_the_way_is_named_without_its_login(monkeypatch, output, said, set_to):
    monkeypatch.setenv("HTTPS_PROXY", set_to)
    error = pip_failure(f"{RETRY}{output}\n{NO_MATCH}", LOG)
    assert error.message.startswith("The proxy proxy.example:3128 ") and said in error.message
    assert "secret" not in error.message and "HTTPS_PROXY" in error.hint


def test_a_wheel_that_the_folder_lacks_names_the_folder():
    error = pip_failure(NO_MATCH, LOG, Path("my wheels"))
    assert isinstance(error, NoBuild) and "my wheels" in error.message and "install wheels" in error.hint


class Bouncer(Handler):
    """A proxy that requires a login."""

    def do_CONNECT(self) -> None:
        self.send_response(407)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is bound, so that no one else uses it, but not listening."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def failure(tmp_path: Path, monkeypatch, **environ: str) -> str:
    """The message of a real pip in this environment."""
    monkeypatch.setattr(os, "environ", alone({"PIP_RETRIES": "1", **environ}))
    pip = Pip(tmp_path, Path(sys.executable), tmp_path / "work", Report())
    pip.work.mkdir()
    with pytest.raises(InstallError) as error:
        pip.install(["--target", str(tmp_path / "to"), "no-such-package-of-ours"])
    return error.value.message


def test_a_real_pip_without_its_index(tmp_path, monkeypatch, closed_port):
    said = failure(tmp_path, monkeypatch, PIP_INDEX_URL=f"http://me:secret@127.0.0.1:{closed_port}/simple")
    assert said == "The package index 127.0.0.1 cannot be reached: the connection was refused."


def test_a_real_pip_with_an_index_of_no_name(tmp_path, monkeypatch):
    said = failure(tmp_path, monkeypatch, PIP_INDEX_URL="https://no-such-host.invalid/simple")
    assert said == "The package index no-such-host.invalid cannot be reached: its host name cannot be resolved."


def test_a_real_pip_behind_a_proxy_that_is_not_there(tmp_path, monkeypatch, closed_port):
    said = failure(tmp_path, monkeypatch, HTTPS_PROXY=f"http://me:secret@127.0.0.1:{closed_port}")
    assert said == f"The proxy 127.0.0.1:{closed_port} for the package index pypi.org cannot be reached."


def test_a_real_pip_behind_a_proxy_that_wants_a_login(tmp_path, monkeypatch):
    with listening(Bouncer) as address:
        said = failure(tmp_path, monkeypatch, HTTPS_PROXY=address)
    assert said == f"The proxy {address.removeprefix('http://')} requires a user name and password."
