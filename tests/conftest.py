"""The order of the tests, and how they are distributed over processes.

Slow tests start first, so that all processes end at about the same time. Tests that share an expensive fixture run in
one process.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

# Parts of test ids, as patterns. pytest-xdist's own marker for this has no effect with pytest 9.
TOGETHER = (
    *(r"\[v1_a", r"\[v1_b", r"\[v2_a"),  # each recording of the published method is followed once
    r"::test_a_command_does_what_the_documents_say",
    r"test_install_(environments|strangers)\.py",
    r"test_memory_bench\.py::test_(the_policies|balanced)",
    r"test_pip_package\.py",
    r"test_inversion_jobs\.py",
    r"test_job_goes_on\.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        """Tests that share nothing are handed out one by one."""

        def _split_scope(self, nodeid: str) -> str:
            return next((pattern for pattern in TOGETHER if re.search(pattern, nodeid)), nodeid)

    return Scheduling(config, log)
