"""Explains pip's errors: which index or file is affected, what is wrong, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from .failures import OFFLINE, TRY_AGAIN, InstallError
from .sentences import Sentence

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
# A message and the texts that indicate it. The first match counts.
_NO_NETWORK: Sequence[tuple[str, Sequence[str]]] = (
    ("The package index {index} cannot be reached: its host name cannot be resolved.", _UNKNOWN),
    ("The package index {index} cannot be reached: the connection was refused.", _REFUSED),
    ("The package index {index} cannot be reached: the connection timed out.", _SLOW),
    ("The package index {index} cannot be reached: the connection breaks repeatedly.", _CUT),
    ("The package index {index} cannot be reached: there is no route to it.", _NO_WAY),
)


class NoBuild(InstallError):
    """The index or the wheel folder has no build that fits."""


def is_wrong_bytes(output: str) -> bool:
    """Whether pip reported a file with wrong content."""
    return _says(output, _WRONG_BYTES)


def pip_failure(output: str, log: Path, wheels: Path | None = None) -> InstallError:
    """The error for pip's `output`. log: the log that the user can read; wheels: the folder used instead of an
    index."""
    if "Successfully installed" not in output:
        for is_it, make in _MEANINGS:
            if is_it(output):
                return make(output, log)
    # The second form appears when the user's own constraint names the package as well.
    missing = re.search(rf"{_NO_MATCH} for (\S+)|Cannot install (\S+) because these package versions", output)
    if missing:
        return _no_build(missing[1] or missing[2], output, log, wheels)
    return InstallError(
        "pip, which installs the packages, stopped with an error.",
        "Try again. If the problem persists, see the end of {log}.",
    ).about(log=log)


def _no_build(package: str, output: str, log: Path, wheels: Path | None) -> InstallError:
    if wheels:
        return NoBuild(
            "There is no build of {package} for this Python and machine in {wheels}.",
            "Fill the folder with `python3 -m install wheels` on a machine like this one; see {log}.",
        ).about(package=package, wheels=wheels, log=log)
    index = _index(output)
    return NoBuild(
        "The package index {index} has no build of {package} for this Python and machine, or it does not work.",
        "Try again later, or install Python 3.13 from python.org first; see {log}.",
    ).about(index=index, package=package, log=log)


def _full(output: str, log: Path) -> InstallError:
    return InstallError("The disk is full.", f"Free some gigabytes and {TRY_AGAIN}; see {{log}}.").about(log=log)


def _proxy(output: str, log: Path) -> InstallError:
    """The proxy requires a login, cannot be reached, or refuses the connection."""
    proxy, index = _proxy_set() or "of pip's settings", _index(output)
    message = Sentence("The proxy {proxy} blocks the package index {index}.", proxy=proxy, index=index)
    if "407 Proxy" in output:
        message = Sentence("The proxy {proxy} requires a user name and password.", proxy=proxy)
    elif "Tunnel connection failed" not in output:
        message = Sentence(
            "The proxy {proxy} for the package index {index} cannot be reached.", proxy=proxy, index=index
        )
    return InstallError(
        message,
        "Set the environment variable HTTPS_PROXY for your network (with user name and password if "
        "required), restart Blender or the terminal, and try again; see {log}.",
    ).about(log=log)


def _untrusted(output: str, log: Path) -> InstallError:
    index, detail = (
        _index(output),
        re.search(r"certificate verify failed: ([^('\"]+)|(hostname '.*?' doesn't match)", output),
    )
    why = (detail[1] or detail[2]).strip() if detail else "it could not be verified"
    return InstallError(
        "The package index {index} has a certificate that is not trusted ({why}).",
        "Check the computer's clock. Behind a proxy that inspects traffic, set the environment "
        "variable PIP_CERT to your organization's certificate file and restart Blender or the "
        "terminal; see {log}.",
    ).about(index=index, why=why, log=log)


def _no_network(output: str, log: Path) -> InstallError:
    message = next(words for words, signs in _NO_NETWORK if _says(output, signs))
    return InstallError(
        message, f"Check the network connection and {TRY_AGAIN}; or install from a folder: {OFFLINE}; see {{log}}."
    ).about(index=_index(output), log=log)


def _wrong_bytes(output: str, log: Path) -> InstallError:
    return InstallError(
        "A downloaded package has the wrong content.",
        "Try again. If the problem persists, a proxy, a mirror or the folder of Offline Packages has "
        "a wrong file; see {log}.",
    ).about(log=log)


def _not_allowed(output: str, log: Path) -> InstallError:
    named = re.search(r"(?:Permission denied|Read-only file system|Access is denied)[^'\n]*'([^'\n]+)'", output)
    return InstallError(
        "{path} could not be written." if named else "A file could not be written.",
        "Stop the worker in the preferences and close other programs that use the backend, then try again; see {log}.",
    ).about(path=named[1] if named else "", log=log)


def _is_proxy(output: str) -> bool:
    """Whether the proxy is the problem. Newer versions of pip only say that the connection to the proxy's host
    failed."""
    proxy = _proxy_set().partition(":")[0]
    return _says(output, _PROXY) or bool(proxy and proxy in _hosts(output) and proxy != _index(output))


_MEANINGS: Sequence[tuple[Callable[[str], bool], Callable[[str, Path], InstallError]]] = (
    (lambda output: _says(output, _NO_SPACE), _full),
    (_is_proxy, _proxy),
    (lambda output: _says(output, _UNTRUSTED), _untrusted),
    (is_wrong_bytes, _wrong_bytes),
    (lambda output: any(_says(output, signs) for _, signs in _NO_NETWORK), _no_network),
    (lambda output: _says(output, _NOT_ALLOWED), _not_allowed),
)


def _says(output: str, signs: Sequence[str]) -> bool:
    return any(sign in output for sign in signs)


def _index(output: str) -> str:
    """The host that pip had problems with, otherwise that of the index it uses. Never contains a login."""
    proxy = _proxy_set().partition(":")[0]
    named = [host for host in _hosts(output) if host != proxy]
    configured = re.findall(r"^Looking in indexes: ([^\s,]+)", output, re.MULTILINE)
    return named[-1] if named else (urlsplit(configured[-1]).hostname if configured else None) or PYPI


def _hosts(output: str) -> list[str]:
    return re.findall(r"\bhost='([^']+)'", output)


def _proxy_set() -> str:
    """The proxy from the system's settings and variables as host:port; empty when there is none."""
    known = getproxies()
    proxy = known.get("https") or known.get("all") or known.get("http") or ""
    address = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return address.netloc.rpartition("@")[2]
