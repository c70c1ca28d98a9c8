"""Explains errors of the model hub.

huggingface_hub's HTTP client raises its own errors. Their classes have changed between versions, but their names have
not.
"""

from __future__ import annotations

from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from ..failures import FULL, TRY_AGAIN, InstallError

LOG_IN = (
    "set the environment variable HF_TOKEN to a token of your account and restart Blender (in a terminal: "
    "hf auth login)"
)


def is_passing(error: BaseException) -> bool:
    """Whether a retry may help: the connection was broken or is slow."""
    names = _kinds(error)
    return bool(names & {"TimeoutException", "ReadError", "RemoteProtocolError", "WriteError", "CloseError"})


def failure(error: BaseException, repo: str, path: str) -> InstallError:
    """The error for the user."""
    if isinstance(error, HfHubHTTPError):
        return _refused(error, repo, path)
    if isinstance(error, OfflineModeIsEnabled):
        return InstallError(
            "HF_HUB_OFFLINE is set, so nothing is downloaded.",
            "Unset it, restart Blender or the terminal, and try again.",
        )
    names = _kinds(error)
    host = constants.ENDPOINT
    if "ProxyError" in names:
        return InstallError(
            "The proxy blocks {host}: {reason}.",
            "Set the environment variable HTTPS_PROXY for your network (with user name and password "
            "if required), restart Blender or the terminal, and try again.",
        ).about(host=host, reason=_line(error))
    if names & {"UnsupportedProtocol", "InvalidURL", "LocalProtocolError"}:
        hint = "Correct or unset the environment variable HF_ENDPOINT, and restart Blender or the terminal."
        return InstallError("{host} is not the address of a model hub.", hint).about(host=host)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return InstallError(
            "The certificate of {host} is not trusted.",
            "Check the computer's clock. Behind a proxy that inspects traffic, set the environment "
            "variable SSL_CERT_FILE to your organization's certificate file and restart Blender or "
            "the terminal.",
        ).about(host=host)
    if "TransportError" in names:
        unreachable, cut = "{host} cannot be reached: {reason}.", "The download of {path} was cut off: {reason}."
        return InstallError(
            unreachable if "ConnectError" in names else cut,
            f"Check the network connection (or HF_ENDPOINT) and {TRY_AGAIN}.",
        ).about(host=host, path=path, reason=_line(error))
    if isinstance(error, OSError) and error.errno in FULL:
        return InstallError(
            "The disk is full, so {path} was not downloaded completely.", f"Free some space and {TRY_AGAIN}."
        ).about(path=path)
    if isinstance(error, OSError) and error.errno:
        return InstallError("{reason}: {filename}.", "Make the models folder writable.").about(
            reason=error.strerror, filename=error.filename or path
        )
    return InstallError(
        "{path} of {repo} could not be downloaded: {reason}", "Try again later to continue where it stopped."
    ).about(path=path, repo=repo, reason=_line(error))


def _refused(error: HfHubHTTPError, repo: str, path: str) -> InstallError:
    """The hub answered, but not with the file."""
    host, status = constants.ENDPOINT, error.response.status_code
    if isinstance(error, GatedRepoError):
        return InstallError(
            "The repository {repo} asks you to accept its terms first.",
            f"Open {{host}}/{{repo}} in a browser and accept them; then {LOG_IN}.",
        ).about(repo=repo, host=host)
    if isinstance(error, RepositoryNotFoundError):
        return InstallError(
            "{host} has no repository {repo}, or it is private.",
            f"If you have access, {LOG_IN}. If it no longer exists, look for a newer version of MotionClone.",
        ).about(host=host, repo=repo)
    if isinstance(error, RevisionNotFoundError | EntryNotFoundError):
        return InstallError(
            "The repository {repo} no longer has the file {path}.", "Look for a newer version of MotionClone."
        ).about(repo=repo, path=path)
    if status in (401, 403):
        return InstallError(
            "{host} refuses the file {path} of {repo} (error {status}).", f"If your account has access, {LOG_IN}."
        ).about(host=host, path=path, repo=repo, status=status)
    if status == 429:
        return InstallError(
            "{host} received too many requests from this machine.", f"In a few minutes, {TRY_AGAIN}; or {LOG_IN}."
        ).about(host=host)
    return InstallError(
        "{host} answers with error {status} for {path} of {repo}.", "Try again later to continue where it stopped."
    ).about(host=host, status=status, path=path, repo=repo)


def _kinds(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
