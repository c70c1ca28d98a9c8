"""What can go wrong in a way the user can fix."""

from __future__ import annotations

from .job_folder.problem import Problem

# As install/failures.py has it, which cannot be imported here; a test holds the two together.
REPAIR = "Press Update or Repair in the preferences (in a terminal: python3 -m install backend --repair)."


def disk_full(path: object) -> Problem:
    """The sentence for a file that found no room; path: what could not be written."""
    return Problem(
        "The disk is full ({path}).", "Free some space, then run the job again.", repair="motionclone.storage_clean"
    ).about(path=path)


class OutOfMemory(Problem):
    """The device ran out of memory with this policy. thriftier: the value of the setting `memory` to try next, None
    after the last."""

    def __init__(self, policy: str, thriftier: str | None):
        super().__init__(
            "The device ran out of memory with memory set to {policy}.",
            "Set memory to {thriftier}, or close other programs that use the device."
            if thriftier
            else "Lower the setting context_length or the clip's size, or close other programs that use the device.",
            repair="motionclone.take_less_memory" if thriftier else "",
        )
        self.about(policy=policy, thriftier=thriftier)
        self.policy, self.thriftier = policy, thriftier


class NotFinite(Problem):
    """Numbers grew beyond what the precision can hold, or are none (NaN): wider numbers may help."""


class Cancelled(Exception):
    """The user stopped the job."""


class Interrupted(Cancelled):
    """The worker was closed: the job waits to be run again."""
