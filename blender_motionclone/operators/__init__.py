"""Operators translate: they read properties, call, and report. One subject a file."""

from __future__ import annotations

from ..registration import in_order
from . import (
    adopt,
    backend,
    camera,
    cancel,
    corrections,
    dismiss_offers,
    doctor,
    first_run,
    form,
    generate,
    models,
    place_take,
    queue_move,
    report_ticks,
    restore_view,
    resume,
    storage,
    take_open_folder,
    take_remove,
    take_retry,
    watch,
    windows,
    worker,
)

RUNNING = (generate, cancel, queue_move, resume, adopt, dismiss_offers)
TAKES = (watch, place_take, restore_view, take_retry, take_remove, take_open_folder)
FORM = (form, corrections, camera)
MODULES = (*RUNNING, *TAKES, *FORM, windows, backend, doctor, models, worker, storage, first_run, report_ticks)

register, unregister = in_order(MODULES)
