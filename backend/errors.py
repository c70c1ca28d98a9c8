"""What can go wrong in a way the user can fix."""

from __future__ import annotations

# As install/failures.py has it, which cannot be imported here; a test holds the two together.
REPAIR = "Press Update or Repair in the preferences (in a terminal: python3 -m install backend --repair)."


class JobError(Exception):
    """A user's problem: `message` says what is wrong, with which file or setting; `hint` says what to do next."""

    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.message, self.hint = message, hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


def disk_full(path: object) -> JobError:
    """The sentence for a file that found no room; path: what could not be written."""
    return JobError(f"The disk is full ({path}).", "Free space and run the job again.")


class OutOfMemory(JobError):
    """The device ran out of memory with this policy. thriftier: the value of the setting `memory` to try next, None
    after the last."""

    def __init__(self, policy: str, thriftier: str | None):
        hint = f"Set memory to {thriftier}" if thriftier else "Lower the setting frames or the clip's size"
        super().__init__(
            f"The device ran out of memory with the setting memory at {policy}.",
            f"{hint}, or close other programs that use the device.",
        )
        self.policy, self.thriftier = policy, thriftier


class NotFinite(JobError):
    """Numbers grew beyond what the precision can hold, or are none (NaN): wider numbers may help."""


class Cancelled(Exception):
    """The user stopped the job."""


class Interrupted(Cancelled):
    """The worker was closed: the job waits to be run again."""
