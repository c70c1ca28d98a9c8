"""Generates the frames of a take, with another attempt when memory runs out or float16 overflows.

The next attempt continues after the last finished step, and a note tells the user.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from ..backbones.base import Backbone
from ..clips import to_frames
from ..controls.conditions import Condition
from ..errors import NotFinite, OutOfMemory
from ..job_folder.problem import Sentence
from ..job_folder.request import JobRequest
from ..job_folder.settings import Settings
from ..job_folder.version import version
from ..memory.device import choose_device, free_unused_memory, wider_precision
from ..memory.policy import POLICIES, MemoryNeeds, MemoryPolicy, check_memory, policy_for
from ..sampling.contexts import Contexts, contexts_of
from . import fingerprint
from .checkpoint import VERSION_CHANGED, Checkpoint
from .expected import expected_stages
from .inverted_reference import inverted_reference
from .previews import Previews
from .progress import Progress
from .prompts import embedded_prompts
from .reference_motion import read_one_step
from .take import Motion, Take, generate, step_costs

Note = Callable[[str], None]  # receives sentences for the user


@dataclass(frozen=True, kw_only=True)
class TakeInputs:
    """Everything that a take is made from.

    reference: the frames of the reference clip, uint8 [F, H, W, 3]. subject: its mask [F, h, w], if any.
    """

    model: Backbone
    request: JobRequest
    settings: Settings
    reference: np.ndarray
    conditions: dict[str, Condition]
    controls: tuple[Any, ...]
    subject: torch.Tensor | None

    @property
    def clip(self) -> tuple[int, tuple[int, int]]:
        """The number of frames, and their size (H, W)."""
        return len(self.reference), self.reference.shape[1:3]

    @property
    def contexts(self) -> Contexts:
        """The contexts in which the take is generated."""
        return contexts_of(self.settings, len(self.reference))

    @property
    def needs(self) -> MemoryNeeds:
        """The memory needs of the take; only one context at a time is on the device."""
        return self.model.memory_needs(self.settings, self.contexts.length, self.clip[1], len(self.controls))


@dataclass(frozen=True)
class GeneratedTake:
    """A generated take: its frames, uint8 [F, H, W, 3], and the memory policy and the model that generated it."""

    frames: np.ndarray
    policy: MemoryPolicy
    model: Backbone


def generate_frames(
    load_inputs: Callable[[str], TakeInputs], settings: Settings, checkpoint: Checkpoint, progress: Progress, note: Note
) -> GeneratedTake:
    """Generates the frames of a take.

    load_inputs: loads the model and the other inputs for a value of the setting `precision`.

    If memory runs out, the next policy that needs less is tried. If float16 gives numbers that are not finite, a
    precision with a wider range is tried. Raises OutOfMemory or NotFinite if one such attempt does not help.
    """
    memory, precision = settings.memory, checkpoint.used("precision", settings.precision) or settings.precision
    tried = set[type]()
    while True:
        try:
            return _made(load_inputs(precision), memory, checkpoint, progress, note)
        except OutOfMemory as error:
            if error.thriftier is None or OutOfMemory in tried:
                raise
            tried.add(OutOfMemory)
            memory = error.thriftier
            message = Sentence(
                "The device ran out of memory with memory set to {policy}; the job continued with {memory}.",
                policy=error.policy,
                memory=memory,
            )
        except NotFinite:
            device, dtype = choose_device(precision)
            if (next_one := wider_precision(device, dtype)) is None or NotFinite in tried:
                raise
            tried.add(NotFinite)
            precision, before = next_one, str(dtype).removeprefix("torch.")
            message = Sentence(
                "Sampling produced invalid numbers (NaN) in {before}; the job continued in {precision}.",
                before=before,
                precision=precision,
            )
        free_unused_memory()  # only here, after the except block: the error references all tensors of the attempt
        note(message)


def _made(work: TakeInputs, memory: str, checkpoint: Checkpoint, progress: Progress, note: Note) -> GeneratedTake:
    policy = _policy(work, memory, checkpoint, note)
    model = work.model
    if warning := check_memory(policy, work.settings.memory, model.device, model.weight_bytes, work.needs):
        note(warning)
    return GeneratedTake(_frames(work, policy, checkpoint, progress, note), policy, model)


def _policy(work: TakeInputs, memory: str, checkpoint: Checkpoint, note: Note) -> MemoryPolicy:
    """Returns the memory policy of this attempt.

    memory: the setting `memory`, or the policy that the previous attempt requires. A take continues with the policy of
    its finished steps, unless less memory is free now.
    """

    def chosen(requested: str) -> MemoryPolicy:
        return policy_for(requested, work.model.device, work.needs)

    policy, names = chosen(memory), list(POLICIES)
    begun = checkpoint.used("memory", work.settings.memory)
    if begun not in names or begun == policy.name:
        return policy
    if names.index(begun) > names.index(policy.name):
        return chosen(begun)
    if memory == work.settings.memory:
        note(
            Sentence(
                "Less memory is free than before: the job continued with memory set to {policy}.", policy=policy.name
            )
        )
    return policy


def _frames(
    work: TakeInputs, policy: MemoryPolicy, checkpoint: Checkpoint, progress: Progress, note: Note
) -> np.ndarray:
    """Returns the frames, uint8 [F, H, W, 3]. Raises OutOfMemory or NotFinite."""
    request, settings = work.request, work.settings
    progress.plan(expected_stages(settings, *work.clip, request.shot.frames, policy.recompute != "nothing"))
    with work.model.with_policy(policy, work.controls) as model:
        progress.stage("encoding")
        negative, positive = embedded_prompts(model, request, work.clip[0], settings.clip_skip)
        motion = _motion(replace(work, model=model), progress)
        device = torch.device("cpu") if work.contexts.several else model.device
        state = checkpoint.state(_fingerprints(work), device, _used(work, policy))
        progress.stage("sampling", len(step_costs(settings)), state.done)
        inputs = {"frames": work.clip[0], "size": work.clip[1], "controls": work.controls, "subject": work.subject}
        previews = Previews(model, work.clip[1], progress, note)

        def after_step() -> None:
            checkpoint.keep(state)
            progress.step()
            previews(state)

        take = Take(seed=request.seed, settings=settings, negative=negative, positive=positive, **inputs)
        latents = generate(model, take, motion, after_step, state, progress.check)
        progress.seconds["previews"] = round(previews.seconds, 3)  # a part of sampling
        progress.stage("decoding", len(work.reference))
        pieces = latents.split(work.contexts.length, 2) if work.contexts.several else [latents]
        return np.concatenate([to_frames(model.decode(piece, progress.step)) for piece in pieces])


def _motion(work: TakeInputs, progress: Progress) -> Motion | None:
    """Reads the motion that the take follows, None in plain generation."""
    s = work.settings
    if not s.is_guided:
        return None
    progress.stage("motion")
    if s.method == "inversion":
        return inverted_reference(work.model, work.reference, work.subject, work.request, s, progress)
    return read_one_step(
        work.model, work.reference, s, lambda contexts: progress.stage("motion", contexts), progress.step
    )


def _used(work: TakeInputs, policy: MemoryPolicy) -> dict[str, tuple[str, str]]:
    """Returns what the steps are made with, and the settings that led to it. Both may change during a take."""
    precision = str(work.model.dtype).removeprefix("torch.")
    return {"memory": (policy.name, work.settings.memory), "precision": (precision, work.settings.precision)}


def _fingerprints(work: TakeInputs) -> dict[str, str]:
    """Returns hashes of everything that the take depends on, by the sentence that the user sees if it changed.

    A checkpoint with other hashes belongs to another take. The memory policy is not included, because it changes a take
    only within rounding.
    """
    model, files = work.model, fingerprint.of_files(work.model.entry.weight_files())
    pictures = [
        (kind, c.frame_indices, fingerprint.of_frames(c.pictures)) for kind, c in sorted(work.conditions.items())
    ]
    return {
        "The reference clip changed.": fingerprint.of_frames(work.reference),
        "The pictures or depth changed.": fingerprint.of_text(pictures),
        "The mask changed.": "" if work.subject is None else fingerprint.of_frames(work.subject.cpu().numpy()),
        "The prompt, the seed or another part of the request changed.": fingerprint.of_text(
            asdict(replace(work.request, notes=[], settings={}))
        ),
        "A setting changed.": fingerprint.of_text(replace(work.settings, memory="auto", precision="auto")),
        "The model's files changed.": fingerprint.of_text(sorted(files.items())),
        "The device changed.": str(model.device),
        "The precision changed.": str(model.dtype),
        "The version of torch changed.": torch.__version__,
        VERSION_CHANGED: version(),
    }
