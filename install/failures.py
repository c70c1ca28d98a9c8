"""What can go wrong in a way the user can mend."""

from __future__ import annotations

import errno

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class InstallError(Exception):
    """`message` says what is wrong and where; `hint` says what to do next. Both are shown as they are."""

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.message, self.hint = message, hint


def explained(error: OSError) -> InstallError:
    """What the system refused, where, and what to do."""
    message = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}."
    if error.errno in FULL:
        return InstallError(message, "Free some space on that disk and start the same command again: it goes on.")
    if error.errno in REFUSED:
        return InstallError(message, "Make it writable for you, or name another folder with --where.")
    return InstallError(message, "Start the same command again; if it comes back, ask: python3 -m install doctor")
