"""Runs real jobs for the worker and keeps their model loaded. Torch is imported by the first job, not before."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from ..errors import Cancelled, JobError, OutOfMemory
from ..job.progress import Progress


class JobEngine(Protocol):
    """What the worker knows of its jobs. loaded: the model that is held in memory; device and memory_bytes (all that
    it has): None until a job needed them. `run` and `unload` are called from the main thread alone."""

    loaded: str | None
    device: str | None
    memory_bytes: int | None

    def run(self, folder: Path, progress: Progress) -> dict[str, Any]: ...

    def unload(self) -> None: ...

    def tidy(self) -> None:
        """Gives back what the last job held besides the model; called once its errors are forgotten too."""


class Engine:
    """One model is kept between jobs: takes that share it load it once."""

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
        except (JobError, Cancelled):
            raise
        except BaseException:
            self.unload()  # an unexpected error: nobody knows how it left the model
            raise

    def tidy(self) -> None:
        if self._kept:
            from ..memory.device import free_unused_memory

            free_unused_memory()
