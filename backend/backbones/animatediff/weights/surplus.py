"""Unexpected tensors, which a file contains and a model does not use: harmless, worth a note, or an error.

An unused tensor may change the meaning of all others, so only known ones are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ....job_folder.problem import Sentence
from .files import refusal

HARMLESS = re.compile(
    r"(^|\.)(position_ids|text_projection(\.weight)?|logit_scale)$"  # of the text encoder: computed or unused
    r"|pos_(encoder|embed)\.pe$"  # positional encodings: computed
    r"|^(alphas_cumprod(_prev)?|betas|sqrt_\w+|log_one_minus_\w+|posterior_\w+|lvlb_weights|logvar|scale_factor)$"
    r"|^(denoiser\.(sigmas|log_sigmas)|global_step|epoch|iteration)$"  # schedule and counters of the training
    r"|(^|\.)model_ema\.|^(first_stage_model\.)?loss\."  # EMA weights; the training loss of a VAE
    r"|^cond_stage_model\.transformer\.(vision_model|visual_projection)\."  # the other half of CLIP
)
UNET_TOO = "{file} also contains {count} tensors of a UNet, which {setting} does not use."
INVERSION_TOO = "{file} also contains {count} tensors of a textual inversion, which {setting} does not use."
NOTED = (
    (r"(^|\.)(conv_in|conv_out|conv_norm_out|time_embedding|down_blocks|mid_block|up_blocks)\.", UNET_TOO),
    (r"^embedding_manager\.", INVERSION_TOO),
)
HINT = "It may be for another model or in an unsupported format; choose another file."


def notes_on(names: Iterable[str], setting: str, path: Path) -> list[str]:
    """Returns notes for the user about unexpected tensors. Raises Problem if one is not known to be harmless."""
    unknown = [name for name in names if not HARMLESS.search(name)]
    notes = []
    for pattern, note in NOTED:
        known = [name for name in unknown if re.search(pattern, name) and "motion_modules." not in name]
        unknown = [name for name in unknown if name not in known]
        if known:
            notes.append(Sentence(note, file=path.name, count=len(known), setting=setting))
    if unknown:
        count = f"{len(unknown)} tensors" if len(unknown) > 1 else "a tensor"
        found = f"holds {count}, unknown to the model, such as {sorted(unknown)[0]}"
        raise refusal(setting, path, found, HINT)
    return notes


def notes_on_loading(info: Mapping[str, Any], setting: str, folder: Path) -> list[str]:
    """Like `notes_on`, for the loading info of diffusers or transformers.

    Also raises Problem if a tensor is missing or has another size, because it would keep random values.
    """
    missing = [name for name in info["missing_keys"] if not HARMLESS.search(name)]
    if missing:
        found = f"lacks {len(missing)} tensors, among them {sorted(missing)[0]}"
        raise refusal(setting, folder, found, "It is incomplete or its tensors are renamed: download it again.")
    if wrong := info.get("mismatched_keys"):
        raise refusal(setting, folder, f"is for another model: {sorted(map(str, wrong))[0]} misfits", HINT)
    return notes_on(info["unexpected_keys"], setting, folder)
