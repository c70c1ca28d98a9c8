"""Models downloaded by the real client from a hub on loopback: unreliable connections, refusals, kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from huggingface_hub.errors import HfHubHTTPError

from install.failures import InstallError
from install.in_backend.hub_failures import failure
from install.models.adding import Adding
from install.models.catalogue import read_catalogue
from install.models.store import PARTS, Store
from install.reports import Report
from tests.borrowed import make_hasty
from tests.download_kills import (
    adding,
    check_nothing_corrupt,
    check_whole,
    finish,
    kill_once,
    made_up_hub,
    make_catalogue,
    start,
)
from tests.hub_server import COMMIT, Hub, serving
from tests.systems import set_home

SIZE = 1_500_000


@pytest.fixture
def hub() -> Hub:
    return made_up_hub(SIZE)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory) -> Path:
    return make_hasty(tmp_path_factory.mktemp("hasty") / "venv")


@pytest.fixture
def data(tmp_path, hasty, monkeypatch) -> Path:
    """The user's data folder, isolated from this machine's settings."""
    monkeypatch.setattr(sys, "executable", str(hasty))
    for name in [name for name in os.environ if name.upper().startswith(("HF_", "HTTP", "XDG_", "ALL_PROXY"))]:
        monkeypatch.delenv(name)
    set_home(monkeypatch, tmp_path)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "5")
    monkeypatch.setenv("MOTIONCLONE_DATA", str(tmp_path / "Daten ü"))
    return tmp_path / "Daten ü"


@pytest.fixture
def catalogue(tmp_path, hub) -> Path:
    return make_catalogue(tmp_path / "catalogue.toml", hub)


@pytest.fixture
def endpoint(hub, monkeypatch):
    with serving(hub) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield address


def add(catalogue: Path, extras: tuple[str, ...] = ("folder",), name: str = "one") -> None:
    Adding(read_catalogue(catalogue), Store(), Report(True), lambda: Path(sys.executable)).add(name, extras)


def refused(catalogue: Path) -> str:
    """Message and hint of the expected error."""
    with pytest.raises(InstallError) as error:
        add(catalogue)
    return f"{error.value.message} {error.value.hint}"


def ranges(hub: Hub) -> list[str]:
    return [headers["Range"] for _, path, headers in hub.asked if path.startswith("/cdn/") and "Range" in headers]


def test_a_model_is_downloaded_verified_and_usable_by_its_entry(hub, data, catalogue, endpoint, capsys):
    add(catalogue)
    check_whole(data, hub)
    assert 'depth_control = "files/folder"' in (data / "models" / "one.toml").read_text()
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    text = " ".join(message.get("text", "") for message in said)
    assert text.index("license: MIT (https://example.org/license)") < text.index("Downloading")
    plan = next(message for message in said if message["kind"] == "plan")
    sizes = sum(len(content) for files in hub.files.values() for content in files.values())
    assert plan["download_bytes"] == pytest.approx(sizes, abs=2) and plan["where"] == str(data / "models" / "files")
    downloads = [message for message in said if message.get("stage") == "download"]
    assert downloads[-1]["done"] == downloads[-1]["total"] == sizes
    assert len({message["text"] for message in downloads}) == 5
    hub.asked.clear()
    add(catalogue)
    assert not hub.asked


def test_what_the_hub_said_is_kept_as_the_lock(hub, data, catalogue, endpoint):
    add(catalogue)
    kept = json.loads((data / "models" / "files" / "files.json").read_text())["files"]
    assert {row["commit"] for row in kept.values()} == {COMMIT}
    assert all(len(row["sha256"]) == 64 and row["size"] for row in kept.values()) and len(kept) == 4


@pytest.mark.parametrize("rude", [False, True])
def test_a_line_that_is_cut_again_and_again(hub, data, catalogue, endpoint, rude):
    hub.cuts, hub.rude, hub.stall = 4, rude, 0.3
    add(catalogue)
    check_whole(data, hub)
    assert not hub.cuts and len(ranges(hub)) == 4, "each cut must be gone on from"


@pytest.mark.slow
def test_a_line_that_is_always_cut_gives_up_with_what_it_has(hub, data, catalogue, endpoint):
    hub.cuts, hub.cut_after = 1000, 0
    said = refused(catalogue)
    assert "was cut off" in said and "continue where it stopped" in said
    assert check_nothing_corrupt(data, hub) == 0
    hub.cuts = 0
    add(catalogue)
    check_whole(data, hub)


def test_a_server_without_ranges_sends_all_again(hub, data, catalogue, endpoint):
    hub.cuts, hub.ranges = 1, False
    add(catalogue)
    check_whole(data, hub)
    assert len(ranges(hub)) == 1


def test_a_line_that_stalls_is_left_and_taken_up_again(hub, data, catalogue, endpoint, monkeypatch):
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "1")
    hub.cuts, hub.stall = 1, 4.0
    add(catalogue)
    check_whole(data, hub)
    assert len(ranges(hub)) == 1


def test_a_slow_line_takes_its_time(hub, data, catalogue, endpoint, monkeypatch):
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "1")
    hub.pause = 0.08  # no wait is longer than the limit, all of them are
    add(catalogue)
    check_whole(data, hub)
    assert not ranges(hub)


def test_wrong_bytes_are_refused_and_leave_nothing(hub, data, catalogue, endpoint):
    hub.wrong = 1
    assert "with wrong content" in refused(catalogue)
    assert check_nothing_corrupt(data, hub) == 0 and not list((data / "models" / "files" / PARTS).glob("*.part"))
    add(catalogue)
    check_whole(data, hub)


def test_a_part_that_is_wrong_is_fetched_from_its_start(hub, data, catalogue, endpoint):
    """Like after a power failure: the size was written, the content was not."""
    leave_part(catalogue, 500_000)
    add(catalogue)
    check_whole(data, hub)
    assert ranges(hub) == ["bytes=500000-"]


def test_a_part_longer_than_the_file_is_no_use(hub, data, catalogue, endpoint):
    leave_part(catalogue, SIZE + 1)
    add(catalogue)
    check_whole(data, hub)


def leave_part(catalogue: Path, size: int) -> None:
    part = Store().part(read_catalogue(catalogue).components["base"].files[0].sha256)
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(size))


def test_a_disk_that_is_too_small_is_seen_first(hub, data, catalogue, endpoint, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr("install.models.adding.shutil.disk_usage", lambda folder: usage)
    said = refused(catalogue)
    assert "1 MB free; 23 MB are needed" in said and "MOTIONCLONE_DATA" in said
    assert not [path for command, path, _ in hub.asked if command == "GET"]


NAMESPACES = ["unshare", "-rm", "true"]
MOUNTS = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run(NAMESPACES, capture_output=True).returncode != 0,
    reason="needs a mount namespace of its own",
)


@MOUNTS
def test_a_disk_that_fills_up_in_between(hub, data, catalogue, endpoint):
    """There are 2 MB of space for 2.7 MB, and the check underestimates the need. Then more space becomes available."""
    run = " ".join(f"'{part}'" for part in adding(catalogue, spare=-100))
    again = f"mount -o remount,size=9m '{data}' && {run}"
    script = (
        f"mkdir -p '{data}' && mount -t tmpfs -o size=2m none '{data}' && {{ {run}; echo; echo CODE $?; {again}; }}"
    )
    process = start(["unshare", "-rm", "sh", "-c", script], data, endpoint)
    said, _ = process.communicate(timeout=300)
    messages = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    failed = next(message for message in messages if message["kind"] == "failed")
    assert "The disk is full" in failed["message"] and "continue where it stopped" in failed["hint"]
    assert messages[-1]["kind"] == "done", said
    assert ranges(hub), "what came before the disk was full is not downloaded again"


def test_a_private_repository_needs_a_token_which_the_content_network_never_sees(
    hub, data, catalogue, endpoint, monkeypatch
):
    hub.private.add("own/base")
    said = refused(catalogue)
    assert "no repository own/base, or it is private" in said and "HF_TOKEN" in said
    monkeypatch.setenv("HF_TOKEN", hub.token)
    add(catalogue)
    check_whole(data, hub)
    elsewhere = [headers for _, path, headers in hub.asked if path.startswith("/cdn/")]
    assert elsewhere and not any("Authorization" in headers for headers in elsewhere)


def test_a_repository_with_terms_says_where_they_are(hub, data, catalogue, endpoint):
    hub.gated.add("own/shared")
    assert f"{endpoint}/own/shared in a browser" in refused(catalogue)


def test_a_moved_repository_is_followed(hub, data, catalogue, endpoint):
    hub.files["new/home"] = hub.files["own/base"]
    hub.moved["own/base"] = "new/home"
    add(catalogue)
    check_whole(data, hub)


def test_a_revision_that_is_gone_is_no_loss_when_the_file_is_the_same(hub, data, catalogue, endpoint):
    hub.old_revisions.add(COMMIT)
    hub.commit = "ab" * 20
    add(catalogue)
    check_whole(data, hub)
    assert any("/resolve/main/" in path for _, path, _ in hub.asked)


def test_another_file_under_the_same_name_is_not_taken(hub, data, catalogue, endpoint):
    hub.files["own/base"]["base.safetensors"] = bytes(SIZE)
    assert "has changed" in refused(catalogue)
    assert not [path for command, path, _ in hub.asked if command == "GET"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": 503}, "answers with error 503"),
        ({"no_commit": True}, "does not answer like a model hub"),
        ({"files": {"own/base": {}, "own/shared": {}, "own/folder": {}}}, "no longer has the file base.safetensors"),
    ],
)
def test_a_hub_that_does_not_help(hub, data, catalogue, endpoint, change, said):
    for name, value in change.items():
        setattr(hub, name, value)
    assert said in refused(catalogue)


@pytest.mark.parametrize(
    ("status", "said"), [(429, "too many requests"), (403, "refuses the file f"), (500, "error 500")]
)
def test_other_refusals(status, said):
    response = httpx2.Response(status, request=httpx2.Request("GET", "https://hub.example/own/base/resolve/main/f"))
    error = failure(HfHubHTTPError("no", response=response), "own/base", "f")
    assert said in error.message and error.hint


def test_no_network_offline_mode_and_an_address_that_is_none(data, catalogue, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert "cannot be reached" in refused(catalogue)
    monkeypatch.setenv("HF_ENDPOINT", "mirror")
    assert "mirror is not the address of a model hub" in refused(catalogue)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in refused(catalogue)


def test_through_a_proxy_to_a_mirror(hub, data, catalogue, endpoint, monkeypatch):
    """The mirror's name cannot be resolved, so only the proxy can have answered."""
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.invalid")
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", endpoint)
    add(catalogue)
    check_whole(data, hub)
    assert all(path.startswith("http://") or path.startswith("/cdn/") for _, path, _ in hub.asked)


def test_a_proxy_that_refuses(hub, data, catalogue, endpoint, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.invalid")
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", endpoint)  # it does not support CONNECT
    said = refused(catalogue)
    assert "The proxy blocks" in said and "HTTPS_PROXY" in said


def test_a_connection_that_is_not_trusted(data, catalogue, tmp_path, monkeypatch):
    certificate = tmp_path / "own.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", certificate, "-out", certificate]
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    subprocess.run([*made, "-days", "2", "-subj", "/CN=127.0.0.1"], check=True, capture_output=True)
    server = subprocess.Popen([sys.executable, "-c", HTTPS, str(certificate)], stdout=subprocess.PIPE, text=True)
    try:
        port = server.stdout.readline().strip()
        monkeypatch.setenv("HF_ENDPOINT", f"https://127.0.0.1:{port}")
        said = refused(catalogue)
        assert "is not trusted" in said and "SSL_CERT_FILE" in said
    finally:
        server.kill()
        server.wait()


HTTPS = """
import http.server, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def test_stopped_by_the_user_the_next_run_goes_on(hub, data, catalogue, endpoint):
    hub.pause = 0.1
    process = start(adding(catalogue), data, endpoint)
    for line in process.stdout:
        if json.loads(line).get("done", 0) > 400_000:
            break
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and json.loads(said.splitlines()[-1])["kind"] == "cancelled"
    hub.pause = 0
    finish(adding(catalogue), data, endpoint)
    check_whole(data, hub)
    assert ranges(hub)


def test_one_download_at_a_time(hub, data, catalogue, endpoint):
    hub.pause = 0.1
    process = start(adding(catalogue), data, endpoint)
    try:
        while "download" not in process.stdout.readline():
            pass
        assert "Another installation or download is running" in refused(catalogue)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_killed_in_between_the_next_run_completes(hub, data, catalogue, endpoint):
    """One kill in each third of the download; `python -m tests.download_kills` does it 50 times."""
    hub.pause = 0.02
    begin = time.monotonic()
    finish(adding(catalogue), data, endpoint)
    whole = time.monotonic() - begin
    for third in range(3):
        shutil.rmtree(data)
        kill_once(catalogue, data, hub, endpoint, (third + 0.5) / 3 * whole, with_children=third == 1)


def test_without_the_backend_s_environment_its_command_is_named(hub, data, catalogue, endpoint, tmp_path):
    arguments = adding(catalogue)
    arguments[arguments.index("--where") + 1] = str(tmp_path / "nothing here")
    process = start(arguments, data, endpoint)
    said, _ = process.communicate(timeout=60)
    last = json.loads(said.splitlines()[-1])
    assert process.returncode == 1 and "python3 -m install backend" in last["hint"]


def test_nothing_is_left_outside_the_models_folder(hub, data, catalogue, endpoint):
    add(catalogue)
    outside = [path for path in data.parent.rglob("*") if not path.is_relative_to(data)]
    assert outside == [catalogue]
