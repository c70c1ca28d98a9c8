"""What operators do that hand jobs to the worker: from a script they return when the jobs have ended."""

from __future__ import annotations

from collections.abc import Sequence

from ...backend.job_folder.state import DONE
from ..errors import UserError
from ..jobs import job_runner
from ..sentences import sentence


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
