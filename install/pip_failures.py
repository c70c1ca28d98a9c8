"""What pip's last words mean to a person: which index or file it was about, what was wrong, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from .failures import OFFLINE, TRY_AGAIN, InstallError

PYPI = "pypi.org"
_NO_MATCH = "No matching distribution found"
_NO_SPACE = ("No space left on device", "Errno 28", "WinError 112", "Disk quota exceeded")
_PROXY = ("ProxyError", "Cannot connect to proxy", "Tunnel connection failed")
_UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "SSLCertVerificationError", "CertificateError")
_WRONG_BYTES = ("DO NOT MATCH THE HASHES", "HashMismatch", "BadZipFile", "is not a valid wheel", "has an invalid wheel")
_NOT_ALLOWED = ("Permission denied", "Read-only file system", "WinError 5]", "Access is denied")
_UNKNOWN = ("Name or service not known", "name resolution", "NameResolutionError", "getaddrinfo failed", "nodename nor")
_REFUSED = ("Connection refused", "WinError 10061")
_SLOW = ("timed out", "ConnectTimeoutError", "ReadTimeoutError", "WinError 10060")
_CUT = (
    "IncompleteRead",
    "Connection broken",
    "Connection aborted",
    "Connection reset",
    "RemoteDisconnected",
    "SSLEOFError",
)
_NO_WAY = ("Failed to establish a new connection", "NewConnectionError", "unreachable", "No route to host")
# The words for each, and the signs of it; of several the first.
_NO_NETWORK: Sequence[tuple[str, Sequence[str]]] = (
    ("The package index {} cannot be reached: its name is not known to the network.", _UNKNOWN),
    ("The package index {} cannot be reached: it refuses the connection.", _REFUSED),
    ("The package index {} cannot be reached: it does not answer in time.", _SLOW),
    ("The package index {} cannot be reached: the connection is cut off again and again.", _CUT),
    ("The package index {} cannot be reached: no way leads there.", _NO_WAY),
)


class NoBuild(InstallError):
    """The index, or the folder of wheels, has none that fits."""


def is_wrong_bytes(talk: str) -> bool:
    return _says(talk, _WRONG_BYTES)


def pip_failure(talk: str, log: Path, wheels: Path | None = None) -> InstallError:
    """talk: all that pip said; log: where the user can read it; wheels: the folder that was asked in the index's
    place."""
    if "Successfully installed" not in talk:
        for is_it, make in _MEANINGS:
            if is_it(talk):
                return make(talk, log)
    # The second: where a constraint of the user's names the package too.
    missing = re.search(rf"{_NO_MATCH} for (\S+)|Cannot install (\S+) because these package versions", talk)
    if missing:
        return _no_build(missing[1] or missing[2], talk, log, wheels)
    return InstallError(
        "pip, which installs the packages, stopped with an error.",
        f"Try again; if it comes back, the reason is at the end of {log}.",
    )


def _no_build(package: str, talk: str, log: Path, wheels: Path | None) -> InstallError:
    if wheels:
        return NoBuild(
            f"There is no build of {package} for this Python and machine in {wheels}.",
            f"Fill the folder with `python3 -m install wheels` on a machine like this one; see {log}.",
        )
    index = _index(talk)
    return NoBuild(
        f"The package index {index} has no build of {package} for this Python and machine, or it fails.",
        f"Try again later, or after installing Python 3.13 from python.org; see {log}.",
    )


def _full(talk: str, log: Path) -> InstallError:
    return InstallError("The disk is full.", f"Free some gigabytes and {TRY_AGAIN}; see {log}.")


def _proxy(talk: str, log: Path) -> InstallError:
    """Of three kinds: it wants to know who we are, it is not there, or it will not."""
    proxy, index = _proxy_set() or "of pip's settings", _index(talk)
    message = f"The proxy {proxy} does not let us through to the package index {index}."
    if "407 Proxy" in talk:
        message = f"The proxy {proxy} wants a user name and password."
    elif "Tunnel connection failed" not in talk:
        message = f"The proxy {proxy} cannot be reached, and without it not the package index {index}."
    return InstallError(
        message,
        "Set the variable HTTPS_PROXY as your network wants it (user name and password too), start Blender or the "
        f"terminal anew, and try again; see {log}.",
    )


def _untrusted(talk: str, log: Path) -> InstallError:
    index, detail = (
        _index(talk),
        re.search(r"certificate verify failed: ([^('\"]+)|(hostname '.*?' doesn't match)", talk),
    )
    why = (detail[1] or detail[2]).strip() if detail else "it could not be verified"
    return InstallError(
        f"The package index {index} could not prove who it is: its certificate is not trusted here ({why}).",
        "Check the computer's clock. Behind a proxy that reads along, let the variable PIP_CERT name your "
        f"organisation's certificate file, and start Blender or the terminal anew; see {log}.",
    )


def _no_network(talk: str, log: Path) -> InstallError:
    said = next(words for words, signs in _NO_NETWORK if _says(talk, signs))
    return InstallError(
        said.format(_index(talk)),
        f"Check the network connection and {TRY_AGAIN}; or install from a folder: {OFFLINE}; see {log}.",
    )


def _wrong_bytes(talk: str, log: Path) -> InstallError:
    return InstallError(
        "A downloaded package is not the one that it should be.",
        "Try again; if it comes back, a proxy, a mirror or the folder of packages (Offline Packages) has a wrong file; "
        f"see {log}.",
    )


def _not_allowed(talk: str, log: Path) -> InstallError:
    named = re.search(r"(?:Permission denied|Read-only file system|Access is denied)[^'\n]*'([^'\n]+)'", talk)
    return InstallError(
        f"{named[1]} could not be written." if named else "A file could not be written.",
        f"Stop the worker in the preferences and close other programs that use the backend, then try again; see {log}.",
    )


def _is_proxy(talk: str) -> bool:
    """Newer versions of pip say no more than that a connection failed, to the host of the proxy."""
    proxy = _proxy_set().partition(":")[0]
    return _says(talk, _PROXY) or bool(proxy and proxy in _hosts(talk) and proxy != _index(talk))


_MEANINGS: Sequence[tuple[Callable[[str], bool], Callable[[str, Path], InstallError]]] = (
    (lambda talk: _says(talk, _NO_SPACE), _full),
    (_is_proxy, _proxy),
    (lambda talk: _says(talk, _UNTRUSTED), _untrusted),
    (is_wrong_bytes, _wrong_bytes),
    (lambda talk: any(_says(talk, signs) for _, signs in _NO_NETWORK), _no_network),
    (lambda talk: _says(talk, _NOT_ALLOWED), _not_allowed),
)


def _says(talk: str, signs: Sequence[str]) -> bool:
    return any(sign in talk for sign in signs)


def _index(talk: str) -> str:
    """The host that pip could not get on with, else that of the index it was told to look in. Never a login."""
    proxy = _proxy_set().partition(":")[0]
    named = [host for host in _hosts(talk) if host != proxy]
    told = re.findall(r"^Looking in indexes: ([^\s,]+)", talk, re.MULTILINE)
    return named[-1] if named else (urlsplit(told[-1]).hostname if told else None) or PYPI


def _hosts(talk: str) -> list[str]:
    return re.findall(r"\bhost='([^']+)'", talk)


def _proxy_set() -> str:
    """The proxy of the system's settings and variables, as host:port; "" when there is none."""
    known = getproxies()
    said = known.get("https") or known.get("all") or known.get("http") or ""
    address = urlsplit(said if "//" in said else f"//{said}")
    return address.netloc.rpartition("@")[2]
