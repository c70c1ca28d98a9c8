"""One stage of training on a CPU or GPU: limited in time, with averaged parameters, resumable from small files."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ..job_folder.writing import replaced
from .recorded_steps import Batch, Figures, RecordedSteps

SAVE_SECONDS = 150.0
LOG_SECONDS = 15.0
WARM_UP_STEPS = 100
MIN_RATE = 0.01  # of the learning rate, at the end of a cool-down


@dataclass(frozen=True)
class Run:
    """The duration and device of a run.

    cool_down: the last part of the run, in which the learning rate decreases; compiled: the model is compiled first and
    then only gets square clips of one length, because each other shape would be compiled again.
    """

    state: Path
    minutes: float
    device: torch.device
    cool_down: float = 0.0
    batch: int | None = None  # clips or frames of a step; None: the stage's own for the device
    compiled: bool = False

    def batch_of(self, on_cpu: int, on_card: int) -> int:
        return self.batch or (on_cpu if self.device.type == "cpu" else on_card)


class Trainer:
    """Trains the parameters of `modules`. Continues from `<state>/<name>-*.safetensors` if they exist.

    `average` is the exponential moving average of the parameters, which is what is shipped. Both are saved in half
    precision to keep the files small. The optimizer's state is saved too and used if it is available.
    """

    def __init__(
        self, name: str, modules: Iterable[nn.Module], run: Run, *, rate: float, decay: float, averaging: float
    ):
        self.name, self.setup, self.rate, self.averaging = name, run, rate, averaging
        self.params = [p for m in modules for p in m.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(self.params, rate, betas=(0.9, 0.99), weight_decay=decay, fused=True)
        self.average = [p.detach().clone() for p in self.params]
        self.new_share = torch.zeros((), device=run.device)  # of the parameters in the next average
        self.done_steps, self.done_clips, self.run_steps = 0, 0, 0
        if self._path("weights").exists():
            self._load()

    def run(self, batches: Iterator[Batch], loss: Callable[..., tuple[Tensor, Figures]], clips: int) -> None:
        """Trains until the time is up.

        batches: tensors on the device, the arguments of `loss`, which returns the loss and figures to log. clips: per
        batch.
        """
        with ExitStack() as stack:
            step: Callable[..., Figures] = partial(self._train, loss)
            if self.setup.device.type == "cuda":
                step = self._recorder(step, stack)
            self._run(batches, step, clips)

    def _run(self, batches: Iterator[Batch], step: Callable[..., Figures], clips: int) -> None:
        seconds, begin = 60 * self.setup.minutes, time.monotonic()
        logged = saved = begin
        sums: dict[str, list[Tensor]] = {}
        while (share := (time.monotonic() - begin) / seconds) < 1:
            self._set_rate(share)
            figures = step(*next(batches))
            self.done_steps += 1
            self.run_steps += 1
            self.done_clips += clips
            for key, figure in figures.items():
                sums.setdefault(key, []).append(figure.detach().clone())
            if self.run_steps == 1 or time.monotonic() - logged > LOG_SECONDS:
                self._log(sums, clips * self.run_steps / (time.monotonic() - begin), time.monotonic() - begin)
                sums, logged = {}, time.monotonic()
            if time.monotonic() - saved > SAVE_SECONDS:
                self.save()
                saved = time.monotonic()
        self._log(sums, clips * self.run_steps / (time.monotonic() - begin), time.monotonic() - begin)
        self.save()

    def _train(self, loss: Callable[..., tuple[Tensor, Figures]], *batch: Tensor) -> Figures:
        value, figures = loss(*batch)
        value.backward()
        self._step()
        return figures

    def _recorder(self, step: Callable[..., Figures], stack: ExitStack) -> RecordedSteps:
        """Steps that a GPU replays. What changes from step to step must be a tensor, or replays would repeat it."""
        for group in self.optimiser.param_groups:
            group["capturable"] = True
            group["lr"] = torch.tensor(self.rate, device=self.setup.device)
        torch.cuda.synchronize()
        stack.enter_context(torch.cuda.stream(torch.cuda.Stream()))  # the default stream cannot be recorded
        return RecordedSteps(step)

    def use_average(self) -> None:
        """Copies the averaged parameters to the modules."""
        for p, smooth in zip(self.params, self.average):
            p.data.copy_(smooth)

    def save(self) -> None:
        for kind, values in (("weights", self.params), ("average", self.average)):
            content = {f"{i:04}": value.detach().half().contiguous().cpu() for i, value in enumerate(values)}
            facts = {"steps": str(self.done_steps), "clips": str(self.done_clips)}
            with replaced(self._path(kind)) as file:
                file.write(save(content, facts))
        with replaced(self._optimiser_path) as file:
            torch.save({"steps": self.done_steps, "optimiser": self.optimiser.state_dict()}, file)

    def _path(self, kind: str) -> Path:
        return _path(self.setup.state, self.name, kind)

    @property
    def _optimiser_path(self) -> Path:
        return self.setup.state / f"{self.name}-optimiser.pt"

    def _load(self) -> None:
        for kind, values in (("weights", self.params), ("average", self.average)):
            stored = load_file(self._path(kind))
            for i, value in enumerate(values):
                value.data.copy_(stored[f"{i:04}"])
        facts = _facts(self._path("weights"))
        self.done_steps, self.done_clips = int(facts["steps"]), int(facts["clips"])
        if self._optimiser_path.exists():
            content = torch.load(self._optimiser_path, weights_only=True, map_location=self.setup.device)
            if content["steps"] == self.done_steps:
                self.optimiser.load_state_dict(content["optimiser"])
                for group in self.optimiser.param_groups:  # a GPU's are for recorded steps
                    group["lr"], group["capturable"] = self.rate, False

    def _set_rate(self, share: float) -> None:
        """Sets the learning rate and the rate of averaging for the next step."""
        start = 1 - self.setup.cool_down
        fallen = (share - start) / self.setup.cool_down if share > start else 0.0
        fall = MIN_RATE + (1 - MIN_RATE) * 0.5 * (1 + math.cos(math.pi * fallen))
        warm = min(1.0, (self.run_steps + 1) / WARM_UP_STEPS)  # per run, because the optimizer may have no state yet
        self.new_share.fill_(1 - min(self.averaging, (2 + self.done_steps) / (11 + self.done_steps)))
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(self.rate * warm * fall)
            else:
                group["lr"] = self.rate * warm * fall

    def _step(self) -> None:
        """Updates the parameters. A gradient that is not finite counts as zero, without synchronizing the device."""
        gradients = [p.grad for p in self.params if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        scale = torch.where(norm.isfinite(), (1 / (norm + 1e-6)).clamp(max=1), 0.0)
        torch._foreach_mul_(gradients, scale)
        for gradient in gradients:
            gradient.nan_to_num_(0, 0, 0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=False)
        changes = torch._foreach_sub([p.detach() for p in self.params], self.average)
        torch._foreach_mul_(changes, self.new_share)
        torch._foreach_add_(self.average, changes)

    def _log(self, sums: dict[str, list[Tensor]], per_second: float, seconds: float) -> None:
        line = {"stage": self.name, "step": self.done_steps, "clips": self.done_clips, "seconds": round(seconds)}
        means = {key: round(float(torch.stack(values).nanmean()), 5) for key, values in sums.items() if values}
        print(json.dumps(line | {"per_second": round(per_second, 2)} | means), flush=True)


def has_state(state: Path, stage: str) -> bool:
    return _path(state, stage, "average").exists()


def load_average(state: Path, stage: str, modules: Iterable[nn.Module]) -> None:
    """Copies the averaged parameters of a trained stage to its modules."""
    stored = load_file(_path(state, stage, "average"))
    parameters = [p for module in modules for p in module.parameters()]
    for parameter, name in zip(parameters, sorted(stored), strict=True):
        parameter.data.copy_(stored[name])


def _path(state: Path, stage: str, kind: str) -> Path:
    return state / f"{stage}-{kind}.safetensors"


def _facts(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata()
