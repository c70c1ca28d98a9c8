"""How the preferences say to call the backend."""

from __future__ import annotations

import bpy

from ..preferences import worker_command, worker_is_remote
from ..setup import backend_models
from ..setup.interpreter import WORKING, current_environment
from .job_queue import Start


def start_of(context: bpy.types.Context) -> Start:
    """How to start the worker. Problem when there is no backend."""
    return Start(
        command=tuple(worker_command(context)),
        cwd=WORKING,
        environment=current_environment(),
        remote=worker_is_remote(context),
    )


def ask_for_models(context: bpy.types.Context) -> None:
    """Asks for the models again; backend_models receives the answer. Problem when there is no backend."""
    backend_models.refresh(worker_command(context), worker_is_remote(context))
