"""The one place where errors become reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy

from ..errors import UserError


@contextmanager
def reporting_errors(operator: bpy.types.Operator) -> Iterator[None]:
    """A UserError inside becomes an ERROR report, and the code after the block runs."""
    try:
        yield
    except UserError as error:
        operator.report({"ERROR"}, str(error))
