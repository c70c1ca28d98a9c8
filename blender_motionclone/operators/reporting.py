"""What operators share: errors become reports, scripts wait for their jobs, and some need a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import bpy

from ...backend.job_folder.state import DONE
from ..errors import UserError
from ..jobs import job_runner
from ..translations import sentence


@contextmanager
def reporting_errors(operator: bpy.types.Operator, shown: bool = False) -> Iterator[None]:
    """A UserError inside becomes an ERROR report, and the code after the block runs. shown: a panel says it too, so
    that it is no more than a line in the status bar, and no window that pops up before that panel."""
    try:
        yield
    except UserError as error:
        said = UserError(sentence(error.message), sentence(error.hint))
        operator.report({"WARNING"} if shown else {"ERROR"}, str(said))


@contextmanager
def each_by_itself() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Gives what to wrap each of several things in: one that fails keeps none from the others. The first UserError is
    raised when all are done."""
    errors: list[UserError] = []

    @contextmanager
    def alone() -> Iterator[None]:
        try:
            yield
        except UserError as error:
            errors.append(error)

    yield alone
    if errors:
        raise errors[0]


class InWindow:
    """For an operator that makes no sense where Blender runs without a window."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if bpy.app.background:
            cls.poll_message_set("This Blender runs without a window")
            return False
        return True


def wait_for(jobs: Sequence[str]) -> None:
    """UserError when one of them is not done."""
    job_runner.wait(jobs)
    bad = [(job, state) for job in jobs if (state := job_runner.state(job)).state != DONE]
    if bad:
        job, state = bad[0]
        many = f"{len(bad)} of {len(jobs)} jobs are not done; {job}: " if len(jobs) > 1 else ""
        raise UserError(f"{many}{state.message}", state.hint)


def handed_over(jobs: Sequence[str]) -> str:
    """For a report."""
    if len(jobs) == 1:
        return sentence("The worker has one more job.")
    return sentence(f"The worker has {len(jobs)} more jobs.")
