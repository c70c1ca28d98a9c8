"""Takes out of a text what says who and where the user is, before it is pasted into a bug report."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Sequence
from pathlib import Path

_LOGIN_IN_ADDRESS = re.compile(r"(\w+://)[^/@\s]+@")
_OTHER_HOMES = re.compile(r"((?:/home|/Users|[A-Za-z]:[\\/]+Users)[\\/]+)[^\\/\s\"':]+")


def redact(text: str, home: Path | None = None, user: str | None = None, hosts: Sequence[str] | None = None) -> str:
    """Home paths become ~, the user's and the computer's name <user> and <host>; passwords in addresses go."""
    home = home or Path.home()
    text = _LOGIN_IN_ADDRESS.sub(r"\1<login>@", text)
    for path in sorted({str(home), home.as_posix(), str(home.resolve())}, key=len, reverse=True):
        if len(path) > 1:  # a home of "/" would be everywhere
            text = re.sub(re.escape(path) + r"(?![\w.-])", "~", text, flags=re.IGNORECASE)
    text = _OTHER_HOMES.sub(r"\1<user>", text)
    for name in {user or _user(), home.name} - {""}:
        text = _without_word(text, name, "<user>")
    for name in hosts if hosts is not None else _hosts():
        text = _without_word(text, name, "<host>")
    return text


def _without_word(text: str, word: str, instead: str) -> str:
    return re.sub(rf"(?<![\w<]){re.escape(word)}(?!\w)", instead, text, flags=re.IGNORECASE) if word else text


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _hosts() -> list[str]:
    """The longest first; `localhost` says nothing about anyone."""
    name = socket.gethostname()
    return [host for host in dict.fromkeys((name, name.partition(".")[0])) if host not in ("", "localhost")]
