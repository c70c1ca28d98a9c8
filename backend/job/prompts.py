"""The prompts of a job as the model reads them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..backbones.base import Backbone
from ..job_folder.moments import shares
from ..job_folder.problem import Problem
from ..job_folder.request import JobRequest
from ..models.prompt_files import parsed_moments


def embedded_prompts(model: Backbone, request: JobRequest, frames: int, clip_skip: int) -> tuple[Tensor, Tensor]:
    """Returns the embeddings of both prompts, [1, L, C]; with prompts along time [1, F, L, C] for the positive one."""
    along = parsed_moments(request.prompt)
    if len(along) > 1 and not model.text_per_frame:
        raise Problem("This model does not support prompts along time.", "Describe the whole shot in one prompt.")
    negative, *texts = model.embed([request.negative_prompt, *(moment.text for moment in along)], clip_skip)
    if len(along) == 1:
        return negative, texts[0]
    times = [frame * (request.shot.frames - 1) / max(1, frames - 1) for frame in range(frames)]
    blended = [sum(share * texts[i][0] for i, share in shares(along, time)) for time in times]
    return negative, torch.stack(blended)[None]
