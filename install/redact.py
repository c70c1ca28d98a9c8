"""Removes private information from a text before it is pasted into a bug report.

Removed are: names of the user and the computer, passwords and tokens, queries of URLs, private servers, and paths
outside of the system's folders and this program's. File name suffixes stay, and so does everything after
`site-packages`.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

LONGEST = 4000  # characters of a line
PUBLIC = (
    *("huggingface.co", "hf.co", "pypi.org", "pythonhosted.org", "pytorch.org", "github.com", "githubusercontent.com"),
    *("blender.org", "python.org", "nvidia.com", "amd.com", "anaconda.com", "arxiv.org", "localhost", "127.0.0.1"),
)
_SYSTEM = re.compile(
    r"(?:/(?:usr|lib|lib32|lib64|bin|sbin|etc|proc|sys|dev|opt|run|snap|nix|System|Library|Applications)(?=/|$)"
    r"|[a-z]:[\\/]+(?:Windows|Program Files(?: \(x86\))?)(?=[\\/]|$))",
    re.IGNORECASE,
)
# Standard paths below a home folder.
_KNOWN_TAILS = re.compile(
    r"[\\/]+(?:\.local[\\/]+share|\.cache|\.config|AppData[\\/]+(?:Local|Roaming)"
    r"|Library[\\/]+(?:Application Support|Caches))"
    r"(?:[\\/]+(?:motionclone|blender|blender foundation|pip|huggingface|uv|python)(?:[\\/]|$).*)?$",
    re.IGNORECASE,
)
_HOME = r"(?:/home|/Users|[A-Za-z]:[\\/]+Users)"
# A name may contain spaces if a separator follows it.
_OTHER_HOMES = re.compile(rf"({_HOME}[\\/]+)(?:[^\\/\n\"'<>|:*?,;]+(?=[\\/])|[^\\/\s\"':]+)")
_STOP = r"\s\"'<>|;,)\]"
_WORD, _PART = rf"[^{_STOP}:]", rf"[^{_STOP}\\/:~]"
# Across spaces, if another separator or a suffix shows that the path continues.
_MORE = rf"(?:(?: {_PART}+){{1,4}}[\\/]{_WORD}*|(?: {_PART}+){{0,3}} {_PART}*\.\w{{1,5}}\b)*"
_START = rf"(?:{_HOME}[\\/]+<user>|~|(?<![A-Za-z])[A-Za-z]:|\\\\|/)"
_PATH = re.compile(rf"(?<![\w.>/:~\\-])({_START}(?:[\\/]*{_WORD}+)?{_MORE})")
_QUOTED_PATH = re.compile(rf"(?<=[\"'])({_HOME}[\\/]+<user>[^\"'\n]*|(?:~|[A-Za-z]:|\\\\|/)[\\/]*[^\"'\n]+)(?=[\"'])")
_ADDRESS = re.compile(r"\b([A-Za-z][\w+.-]*)://([^\s\"<>]*)")
_LOGIN = re.compile(r"(?<![\w<])[^\s\"'<>:@/]+:[^\s\"'<>@]+@(?=[\w-])")
_HOST = re.compile(r"(\bhost=[\"']?)([\w.-]+)")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), instead)
    for pattern, instead in (
        (r"\b((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?)(?:[\w-]+\s+)?[^\s\"',}]+", r"\1<token>"),
        (r"\b(bearer[\s:=]+[\"']?)[^\s\"',;<]+", r"\1<token>"),
        (r"((?:set-)?cookie[\"']?\s*:\s*).*", r"\1<token>"),
        (
            r"\b([\w-]*(?:token|secret|passwd|password|pwd|api[_-]?key|access[_-]?key|signature|credential)s?"
            r"[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;<]+",
            r"\1<secret>",
        ),
    )
)
_TOKENS = re.compile(
    r"\bhf_(?=\w*[A-Z0-9])[A-Za-z0-9]{6,}|\bhf_[A-Za-z0-9]{12,}|\bapi_org_\w{8,}"
    r"|\b(?:gh[pousr]|github_pat|glpat|xox[abprs]|npm|pypi|dckr_pat|sk|pk|rk)[_-][\w-]{16,}"
    r"|\bAKIA[0-9A-Z]{16}|\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*"
)
_SECRET_NAMES = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_?KEY", re.IGNORECASE)


def redact(
    text: str,
    home: Path | None = None,
    user: str | None = None,
    hosts: Sequence[str] | None = None,
    folders: Mapping[str, Path] | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """The text without private information. Home paths become ~; other users' homes, the user's and the computer's name
    become <user> and <host>.

    folders: placeholders such as <data> and the folders that they replace; environment: variables that may contain
    secrets.
    """
    home = home or Path.home()
    text = "\n".join(line[:LONGEST] for line in text.split("\n"))
    text = _ADDRESS.sub(lambda found: _address(found[1], found[2]), text)
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    text = _EMAIL.sub("<email>", _LOGIN.sub("<login>@", _TOKENS.sub("<token>", text)))
    for value, instead in _hidden(os.environ if environment is None else environment):
        text = text.replace(value, instead)
    text = _HOST.sub(lambda found: found[1] + (found[2] if _is_public(found[2]) else "<server>"), text)
    named = {**(folders or {}), "~": home}
    for name, folder in sorted(named.items(), key=lambda one: -len(str(one[1]))):
        text = _without_folder(text, folder, name)
    text = _OTHER_HOMES.sub(r"\1<user>", text)
    for pattern in (_QUOTED_PATH, _PATH):
        text = pattern.sub(lambda found: _folded(found[1]), text)
    for word in _names(user, home):
        text = _without_word(text, word, "<user>")
    for word in hosts if hosts is not None else _hosts():
        text = _without_word(text, word, "<host>")
    return text


def _address(scheme: str, rest: str) -> str:
    """A URL without login and query. The path stays for public servers only. A password may contain any character."""
    login, at, rest = rest.rpartition("@")
    found = re.match(r"([^/?#'),;]*?)(:\d+)?(?=[/?#'),;\s]|$)([^?#'),;\s]*)([?#][^'\s]*)?(.*)", rest, re.DOTALL)
    if scheme.lower() == "file" or not found:
        return f"{scheme}://<path>"
    host, port, path, query, after = (part or "" for part in found.groups())
    if not _is_public(host):
        host, path = "<server>", "/<path>" if path.strip("/") else path
    return f"{scheme}://{'<login>@' if at else ''}{host}{port}{path}{'?<query>' if query else ''}{after}"


def _is_public(host: str) -> bool:
    """Whether the host reveals nothing about the user. Names without a dot, such as proxy, are common."""
    return "." not in host or any(host == name or host.endswith(f".{name}") for name in PUBLIC)


def _folded(path: str) -> str:
    """A path without its private parts."""
    if found := re.search(r"[\\/](?:site|dist)-packages(?=[\\/]|$)", path):
        return f"<path>{path[found.start() :]}"
    if _SYSTEM.match(path) or path.rstrip("\\/") in ("", "~"):
        return path
    start = re.match(rf"(?:~|{_HOME}[\\/]+<user>)(?=[\\/]|$)", path)
    tail = path[start.end() :] if start else ""
    if start and (_KNOWN_TAILS.match(tail) or len(re.findall(r"[\\/]+[^\\/]+", tail)) < 2):
        return path
    end = re.search(r"[.:!?]*$", path)  # of the sentence
    suffix = re.search(r"\.[A-Za-z0-9]{1,8}$", path[: end.start() if end else None])
    return f"{start[0] + '/' if start else ''}<path>{suffix[0] if suffix else ''}{end[0] if end else ''}"


def _without_folder(text: str, folder: Path, instead: str) -> str:
    """Replaces a folder however it is written: with other, doubled or escaped separators."""
    for path in {str(folder), str(folder.resolve())}:
        parts = [part for part in re.split(r"[\\/]+", path) if part]
        if parts and not (len(parts) == 1 and parts[0].endswith(":")):  # a home of "/" would be everywhere
            written = r"[\\/]+".join(f"(?:{'|'.join(map(re.escape, _spellings(part)))})" for part in parts)
            lead = r"[\\/]+" if path[0] in "\\/" else ""
            text = re.sub(rf"(?<![\w.-]){lead}{written}(?![\w.-])", instead, text, flags=re.IGNORECASE)
    return text


def _without_word(text: str, word: str, instead: str) -> str:
    written = "|".join(map(re.escape, _spellings(word)))
    return re.sub(rf"(?<![\w<])(?:{written})(?!\w)", instead, text, flags=re.IGNORECASE) if word else text


def _spellings(text: str) -> list[str]:
    """The spellings of a text in JSON, URLs and other file systems, the longest first."""
    forms = {unicodedata.normalize(form, text) for form in ("NFC", "NFD")} | {text}
    forms |= {json.dumps(form)[1:-1] for form in forms} | {quote(form) for form in forms}
    return sorted(forms, key=len, reverse=True)


def _hidden(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Secret values, and servers and logins in URLs such as the proxy's, with their placeholders. The longest come
    first."""
    found: dict[str, str] = {}
    for name, value in environment.items():
        if _SECRET_NAMES.search(name):
            found[value] = "<secret>"
        elif name.upper().endswith(("_PROXY", "_URL", "_ENDPOINT")) and not name.upper().startswith("NO_"):
            login, _, rest = value.rpartition("://")[2].rpartition("@")
            password, host = login.partition(":")[2], re.split(r"[:/?#]", rest)[0]
            found |= {password: "<secret>", unquote(password): "<secret>"}
            found |= {} if _is_public(host) else {host: "<server>"}
    return sorted(
        ((value, instead) for value, instead in found.items() if len(value) > 3), key=lambda one: -len(one[0])
    )


def _names(user: str | None, home: Path) -> Iterable[str]:
    """The names of the user, the longest first."""
    names = {user or _user(), home.name, "" if user else _full_name()}
    return sorted((name for name in names if len(name) > 1), key=len, reverse=True)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _full_name() -> str:
    """The user's full name in the system, for example "Ada Lovelace"."""
    with suppress(ImportError, KeyError, AttributeError):
        import pwd

        return pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0].strip()
    return ""


def _hosts() -> list[str]:
    """The computer's names, the longest first, without `localhost`."""
    name = socket.gethostname()
    return [host for host in dict.fromkeys((name, name.partition(".")[0])) if host not in ("", "localhost")]
