"""What the user can mend, as the operators report it. Without bpy."""

from __future__ import annotations


class UserError(Exception):
    """`message` says what is wrong and where; `hint` says what to do next. Both are shown as they are."""

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.message, self.hint = message, hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()
