"""A bug report must not reveal who and where the user is, what they work on, or secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from install.redact import redact

WINDOWS_HOME = Path("C:\\Users\\Ada Lovelace")


def said(text: str, home: Path = Path("/home/ada"), user: str = "ada", **more) -> str:
    return redact(text, home, user, ["engine.local", "engine"], **{"environment": {}} | more)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in /mnt/jobs/Secret Film/shot 1/take.mp4 (No space).", "in <path>.mp4 (No space)."),
        ("'/mnt/Secret Film/a b/job.json'.", "'<path>.json'."),
        (r"'D:\\Projects\\Secret Film\\x.blend' and D:\Top Secret\y.png.", "'<path>.blend' and <path>.png."),
        (r"\\nas\Secret Film\x.png, //nas/secret/y.mov", "<path>.png, <path>.mov"),
        ("file:///mnt/secret/x.png.", "file://<path>"),
        ("/media/secret and ~/Films/Secret/a.blend", "<path> and ~/<path>.blend"),
        ("/home/ada/Films/Secret/a.blend", "~/<path>.blend"),
        ('File "/secret/v/lib/site-packages/torch/x.py", line 3', 'File "<path>/site-packages/torch/x.py", line 3'),
        ("/var/secret/x /tmp/secret-film", "<path> <path>"),
    ],
)
def test_projects_are_not_named(text, expected):
    assert said(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "/usr/lib/python3.11/x.py /opt/rocm/lib/y.so /proc/self/status /dev/nvidia0",
        "12/30 steps, and/or, text/html, 1/2, no / alone, torch 2.13.0+cpu, nvidia-cublas==12.8.4.1, 64 x 64: fine",
        "https://huggingface.co/stabilityai/sd-vae-ft-mse/resolve/31f26fd/x.safetensors, https://download.pytorch.org/whl",
        "~/.local/share/motionclone/venv and hf_transfer, hf_hub_download, pypi-simple",
        "Set memory to thrifty, lower the setting frames; C:\\Windows\\System32\\x.dll",
    ],
)
def test_what_says_nothing_about_anyone_stays(text):
    assert said(text) == text


@pytest.mark.parametrize("separator", ["\\", "\\\\", "\\\\\\\\", "/"])
@pytest.mark.parametrize("name", ["Ada Lovelace", "ada lovelace", "Grace Hopper", "GRACEH~1"])
def test_names_with_spaces_on_windows(separator, name):
    path = separator.join(["C:", "Users", name, "AppData", "Local", "MotionClone"])
    for text in (path, f"'{path}'", f"{path} is not there", f"['{path}', 'x']"):
        shown = redact(text, WINDOWS_HOME, "Ada Lovelace", [], environment={})
        assert not any(part in shown.lower() for part in ("ada", "lovelace", "grace", "hopper")), shown
        assert "MotionClone" in shown


@pytest.mark.parametrize(
    "written", ["Jörg Müller", "J\\u00f6rg M\\u00fcller", "J%C3%B6rg%20M%C3%BCller", "Jo\u0308rg Mu\u0308ller"]
)
def test_names_however_they_are_written(written):
    home = Path("/home/Jörg Müller")
    shown = redact(f"/home/{written}/x and {written}.", home, "Jörg Müller", [], environment={})
    assert shown.startswith("~/") and "rg" not in shown and "ller" not in shown


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("with hf_abcDEFghiJKLmnopqrstuvwxyz0123 it", "abcDEF"),
        ("with ghp_16C7e42F292c6912E7710c838347Ae178B4a it", "16C7"),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFOD"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def_ghi", "eyJ"),
        ("Authorization: Bearer abc.def-ghi", "abc"),
        ("authorization: Basic YWRhOnNlY3JldA==", "YWRh"),
        ("headers={'Authorization': 'Bearer topsecret1'}", "topsecret"),
        ("bearer topsecret1", "topsecret"),
        ('{"token": "topsecret1", "x": 1}', "topsecret"),
        ("--password=topsecret1", "topsecret"),
        ("Cookie: a=topsecret; b=topsecret", "topsecret"),
        ("https://cdn.hf.co/x?X-Amz-Signature=topsecret&Expires=1", "topsecret"),
        ("https://store.example/x#sig=topsecret", "topsecret"),
        ("https://mirror.studio.example/topsecret/simple/", "studio"),
        ("http://ada:topsecret@proxy:3128", "topsecret"),
        ("http://ada:top@se/cr:et@proxy.studio.example:3128/", "cr:et"),
        ("http://ada:top@se/cr:et@proxy.studio.example:3128/", "studio"),
        ("proxy ada:topsecret@proxy:80 failed", "topsecret"),
        ("mail ada.l@studio.example now", "studio"),
        ("HTTPSConnectionPool(host='mirror.studio.example', port=443)", "studio"),
    ],
)
def test_what_opens_doors_is_not_told(text, secret):
    shown = said(text)
    assert secret not in shown and "<" in shown, shown


def test_secrets_of_the_environment_are_found_wherever_they_stand():
    environment = {
        "HTTPS_PROXY": "http://u:pw%21word@proxy.studio.example:1",
        "HF_TOKEN": "sesame",
        "MY_API_KEY": "open",
        "NO_PROXY": "x@intranet",
        "HF_ENDPOINT": "https://hub.studio.example",
    }
    shown = said("pw!word pw%21word sesame open proxy.studio.example hub.studio.example", environment=environment)
    assert shown == "<secret> <secret> <secret> <secret> <server> <server>"


def test_places_get_the_names_that_stand_for_them():
    folders = {"<environment>": Path("/mnt/Secret Film/env"), "<data>": Path("/mnt/Secret Film")}
    shown = said("/mnt/Secret Film/env/bin/python, /mnt/Secret Film/jobs, /mnt/Secret-Filmography", folders=folders)
    assert shown == "<environment>/bin/python, <data>/jobs, <path>"


def test_a_long_text_takes_no_time():
    import time

    began = time.monotonic()
    said("/mnt/a b c d/" * 5000 + " word" * 20_000 + "a:" * 20_000 + "\\" * 20_000 + "http://" * 5000)
    assert time.monotonic() - began < 10
