"""Runs real jobs for the worker and keeps their model loaded. Torch is imported with the first job."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from ..errors import Cancelled, OutOfMemory
from ..job.progress import Progress
from ..job_folder.problem import Problem


class JobEngine(Protocol):
    """What the worker needs from an engine. `run` and `unload` are called from the main thread only.

    loaded: the name of the model in memory; device, memory_bytes: of the device in total. All are None until a job
    needs them.
    """

    loaded: str | None
    device: str | None
    memory_bytes: int | None

    def run(self, folder: Path, progress: Progress) -> dict[str, Any]: ...

    def unload(self) -> None: ...

    def tidy(self) -> None:
        """Frees what the last job allocated besides the model. Called after its errors are forgotten."""


class Engine:
    """Keeps one model between jobs, so that takes that share it load it only once."""

    device: str | None = None
    memory_bytes: int | None = None

    def __init__(self) -> None:
        self._kept: Any = None

    @property
    def loaded(self) -> str | None:
        return self._kept.name if self._kept else None

    def unload(self) -> None:
        if self._kept:
            self._kept.unload()

    def run(self, folder: Path, progress: Progress) -> dict[str, Any]:
        from ..job.job import run_job
        from ..job.model_cache import ModelCache
        from ..memory.device import device_name_and_memory, reset_peak_memory

        self._kept = self._kept or ModelCache()
        self.device, self.memory_bytes = device_name_and_memory()
        reset_peak_memory()
        try:
            return run_job(folder, progress, self._kept.load)
        except OutOfMemory:
            self.unload()
            raise
        except (Problem, Cancelled):
            raise
        except BaseException:
            self.unload()  # an unexpected error may have damaged the model
            raise

    def tidy(self) -> None:
        if self._kept:
            from ..memory.device import free_unused_memory

            free_unused_memory()
