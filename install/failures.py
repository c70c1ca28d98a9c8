"""Errors that the user can fix, and the parts of sentences that they share."""

from __future__ import annotations

import errno
import os
from typing import Self

from .sentences import Sentence

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
IN_USE = (5, 32, 33, 1224)  # Windows errors: access denied or, more often, open in another program, locked or mapped


# Parts of hints, for users of the panel and of the terminal.
TRY_AGAIN = "try again to continue where it stopped"
OTHER_FOLDER = "Or choose another Backend Folder in the preferences (in a terminal: --where)."
OFFLINE = "Offline Packages in the preferences (in a terminal: --wheels)"
INSTALL = "Press Install Backend (in a terminal: python3 -m install backend)"
CLOSE = "Stop the worker in the preferences and close other programs that use it, then try again."
REPAIR = "Press Update or Repair in the preferences (in a terminal: python3 -m install backend --repair)"


COMMAND, ON_WINDOWS = "python3 -m install", "py -m install"


def as_typed(text: str, windows: bool = os.name == "nt") -> str:
    """`text` with our commands as typed on this system. Programs get it unchanged, because the add-on translates it
    first."""
    return text.replace(COMMAND, ON_WINDOWS) if windows else text


class InstallError(Exception):
    """An error that the user can fix. `message` says what is wrong and where; `hint` says what to do next.

    Both are templates that share their values: InstallError("{path} is full.", "Empty {path}.").about(path=path).
    """

    def __init__(self, message: str, hint: str = "", /):
        self.message, self.hint = Sentence(message), Sentence(hint)
        super().__init__(self.message)

    def about(self, **values: object) -> Self:
        """Fills the blanks of message and hint, each with the value of its name. Returns the error itself."""
        self.message, self.hint = self.message.about(**values), self.hint.about(**values)
        self.args = (self.message,)
        return self


def explained(error: OSError) -> InstallError:
    """Converts an OSError to an InstallError that says what to do."""
    template = "{reason}: {path}." if error.filename else "{reason}."
    message = Sentence(template, reason=error.strerror or error, path=error.filename)
    if error.errno in FULL:
        return InstallError(message, f"Free some space on that disk and {TRY_AGAIN}.")
    if getattr(error, "winerror", None) in IN_USE:
        return InstallError(message, f"{CLOSE} {OTHER_FOLDER}")
    if error.errno in REFUSED:
        return InstallError(message, f"Make it writable. {OTHER_FOLDER}")
    return InstallError(
        message, "Try again. If the problem persists, press Ask the Doctor (in a terminal: python3 -m install doctor)."
    )
