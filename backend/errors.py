"""What can go wrong in a way the user can mend."""

from __future__ import annotations


class JobError(Exception):
    """A user's problem: `message` says what is wrong, with which file or setting; `hint` says what to do next."""

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.message, self.hint = message, hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class Cancelled(Exception):
    """The user stopped the job."""
