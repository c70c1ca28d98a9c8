"""Operators: they read properties, call functions, and report errors. One subject per file."""

from __future__ import annotations

from .. import in_order
from . import backend, corrections, doctor, form, generate, models, placing, queue, recovery, storage, takes

MODULES = (generate, queue, recovery, takes, placing, form, corrections, backend, doctor, models, storage)

register, unregister = in_order(MODULES)
