"""What the user can fix, as the operators report it. Without bpy."""

from __future__ import annotations


class UserError(Exception):
    """`message` says what is wrong and where; `hint` says what to do next. Both are shown as they are.

    repair: the id of the operator that fixes it, which panels offer as a button; "" for none.
    """

    def __init__(self, message: str, hint: str = "", repair: str = ""):
        super().__init__(message)
        self.message, self.hint, self.repair = message, hint, repair

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()
