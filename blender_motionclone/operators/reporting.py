"""The one place where errors become reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import bpy

from ..errors import UserError
from ..sentences import sentence


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
