"""Who runs which tests when: long ones begin first, so that processes which share the work end together, and those that
share what is long in the making are run by one process."""

from __future__ import annotations

from typing import Any

import pytest

# A part of the tests' names. pytest-xdist has a marker for that, which pytest 9 has made deaf.
TOGETHER = (
    *("[v1_a", "[v1_b", "[v2_a"),  # each recording of the published method is followed once
    "::test_a_command_does_what_the_documents_say",
    "test_install_environments.py",
    "test_install_strangers.py",
    "test_pip_package.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        """Hands out test by test what is not to stay together."""

        def _split_scope(self, nodeid: str) -> str:
            return next((part for part in TOGETHER if part in nodeid), nodeid)

    return Scheduling(config, log)
