"""Shared by operators: reports errors, waits for jobs in scripts, and requires a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import bpy

from ...backend.job_folder.problem import Problem, Sentence
from ...backend.job_folder.state import DONE
from ..jobs import job_runner
from ..translations import sentence


@contextmanager
def reporting_errors(operator: bpy.types.Operator, shown: bool = False) -> Iterator[None]:
    """Reports a Problem inside as ERROR; the code after the block runs. shown: a panel shows it too, so it is only a
    warning in the status bar instead of a popup that hides the panel."""
    try:
        yield
    except Problem as error:
        operator.report({"WARNING"} if shown else {"ERROR"}, sentence(error.text))


@contextmanager
def each_by_itself() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Yields a context manager for each of several actions. One that fails does not stop the others. The first
    Problem is raised at the end."""
    errors: list[Problem] = []

    @contextmanager
    def alone() -> Iterator[None]:
        try:
            yield
        except Problem as error:
            errors.append(error)

    yield alone
    if errors:
        raise errors[0]


class InWindow:
    """For operators that need a window."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if bpy.app.background:
            cls.poll_message_set("This Blender runs in the background")
            return False
        return True


def wait_for(jobs: Sequence[str]) -> None:
    """Problem when one of them is not done."""
    job_runner.wait(jobs)
    bad = [(job, state) for job in jobs if (state := job_runner.state(job)).state != DONE]
    if bad:
        job, state = bad[0]
        if len(jobs) == 1:
            raise Problem(state.message, state.hint)
        said, counts = "{bad} of {all} jobs are not done; {job}: {reason}", {"bad": len(bad), "all": len(jobs)}
        raise Problem(said, state.hint).about(**counts, job=job, reason=Sentence(state.message))


def handed_over(jobs: Sequence[str]) -> str:
    """A text that says how many jobs were submitted."""
    if len(jobs) == 1:
        return sentence("One job was added to the queue.")
    return sentence(Sentence("{count} jobs were added to the queue.", count=len(jobs)))
