"""What can go wrong in a way the user can mend."""

from __future__ import annotations


class InstallError(Exception):
    """`message` says what is wrong and where; `hint` says what to do next. Both are shown as they are."""

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.message, self.hint = message, hint
