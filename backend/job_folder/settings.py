"""How a take is sampled: the settings, their meaning and bounds. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from .clip_length import MAX_FRAMES
from .declared import setting

SAMPLING, MOTION, INVERSION, CONDITIONS, DEVICE = "Sampling", "Motion", "Inversion", "Pictures and Masks", "Device"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that determines a take besides its prompt, seed, model and reference clip. Each setting is declared
    only here. The defaults are the paper's values for camera motion."""

    frames: int | None = setting(
        None,
        "Frames",
        "Length of the generated clip in frames; auto follows the shot's duration. Long ones are generated in contexts",
        SAMPLING,
        (2, MAX_FRAMES),
        basic=True,
    )
    context_length: int | None = setting(
        None,
        "Context Length",
        "Frames that the model generates at once. A longer clip is generated in overlapping contexts of this length",
        SAMPLING,
        (2, 128),
        backbones=("animatediff",),
    )
    context_overlap: int | None = setting(
        None,
        "Context Overlap",
        "Frames that neighboring contexts share. More join them better and take longer; auto is a quarter of a context",
        SAMPLING,
        (0, 127),
        backbones=("animatediff",),
    )
    context_stride: int = setting(
        1,
        "Context Stride",
        "Above 1 also uses contexts of every 2nd frame, from 3 on of every 4th, and so on. Takes up to twice as long",
        SAMPLING,
        (1, 6),
        backbones=("animatediff",),
    )
    method: str = setting(
        "one-step",
        "Method",
        "How the motion is read: one-step adds noise to the reference once, inversion inverts it step by step",
        MOTION,
        choices=("one-step", "inversion"),
    )
    sampler: str = setting(
        "ddim",
        "Sampler",
        "Sampling method: ddim as published; dpm++2m and euler need fewer steps; lcm needs 4 to 8 and an LCM model",
        SAMPLING,
        choices=("ddim", "dpm++2m", "euler", "lcm"),
    )
    steps: int = setting(
        100,
        "Steps",
        "Number of denoising steps. Each step removes some noise; more steps take longer",
        SAMPLING,
        (1, 1000),
        basic=True,
    )
    refine: float = setting(
        0.0,
        "Refine",
        "Part of the noise that is added again after sampling and removed without guidance: cleaner frames. 0: none",
        SAMPLING,
        (0, 0.95),
    )
    refine_steps: int = setting(
        10, "Refine Steps", "Number of denoising steps of the refining pass, without guidance", SAMPLING, (1, 1000)
    )
    guided_steps: int = setting(
        50,
        "Guided Steps",
        "How many of the first steps follow the reference's motion, at most steps. More follow it more closely",
        MOTION,
        (0, 1000),
        basic=True,
    )
    guided_range: float = setting(
        0.3,
        "Guided Range",
        "Part of the noise schedule that the guided steps cover, starting from pure noise",
        MOTION,
        (0.01, 0.99),
    )
    warm_up_steps: int = setting(
        10, "Warm-Up Steps", "Number of guided steps over which the motion guidance increases", MOTION, (0, 1000)
    )
    cool_down_steps: int = setting(
        10, "Cool-Down Steps", "Number of guided steps over which the motion guidance decreases", MOTION, (0, 1000)
    )
    motion_weight: float = setting(
        2000.0,
        "Motion Weight",
        "Strength of the motion guidance in the units of score_form. 0 turns guidance off",
        MOTION,
        (0, 1e7),
    )
    motion_strength: float = setting(
        1.0,
        "Motion Strength",
        "Factor for motion_weight: 1 as tuned for the model, 0 turns guidance off. Motion Strength in the panel",
        MOTION,
        (0, 10),
    )
    reuse_gradient: int = setting(
        1,
        "Reuse Gradient",
        "Compute the guidance gradient only in every Nth guided step and reuse it in between, which is faster",
        MOTION,
        (1, 1000),
    )
    reuse_negative: int = setting(
        1,
        "Reuse Negative",
        "Compute the negative prompt only in every Nth step of a guided take and reuse it, which is faster",
        SAMPLING,
        (1, 1000),
    )
    score_form: str = setting(
        "raw",
        "Score Form",
        "Units of the motion weight: raw as published, relative as a fraction of the predicted noise",
        MOTION,
        choices=("raw", "relative"),
    )
    mean_shift: bool = setting(
        True, "Mean Shift", "Whether the motion guidance may change a frame's mean. If not, colors drift less", MOTION
    )
    cfg_scale: float = setting(
        7.5,
        "Prompt Strength",
        "How closely the clip follows the prompt. Also called CFG scale (classifier-free guidance)",
        SAMPLING,
        (0, 100),
        basic=True,
    )
    clip_skip: int = setting(
        1,
        "CLIP Skip",
        "Which layer of the text encoder is used, counted from the end: 1 is the last, 2 the one before",
        SAMPLING,
        (1, 12),
        backbones=("animatediff",),
    )
    cfg_form: str = setting(
        "paper",
        "Prompt Form",
        "How the prompt strength is counted: standard as in other programs, paper is stronger by one",
        SAMPLING,
        choices=("paper", "standard"),
    )
    representation_timestep: int = setting(
        400,
        "Reading Timestep",
        "Noise level at which the motion is read: 0 is almost none, 999 is pure noise",
        MOTION,
        (0, 999),
    )
    guidance_blocks: tuple[str, ...] = setting(
        ("up_blocks.1",),
        "Guidance Blocks",
        "Blocks of the model whose temporal attention (between frames) carries the motion",
        MOTION,
    )
    block_weights: tuple[float, ...] = setting(
        (), "Block Weights", "One weight per guidance block. If empty, each weight is 1", MOTION, (0, 1e7)
    )
    top_k: int = setting(
        1, "Top K", "How many of the strongest entries of each attention row count as the motion", MOTION, (1, 128)
    )
    diagonal: bool = setting(True, "Diagonal", "Whether attention of a frame to itself counts too", MOTION)
    subject_strength: float = setting(
        1.0,
        "Subject Strength",
        "Strength of the motion guidance where the mask clip shows the subject",
        CONDITIONS,
        (0, 10),
    )
    background_strength: float = setting(
        0.0,
        "Background Strength",
        "Strength of the motion guidance where the mask clip shows the background",
        CONDITIONS,
        (0, 10),
    )
    score_clamp: float = setting(
        0.0, "Score Clamp", "Limit for each entry of the guidance gradient. 0 means no limit", MOTION, (0, 1e7)
    )
    inversion_steps: int = setting(
        0,
        "Inversion Steps",
        "Steps to turn the reference back into noise. 0 means as many as steps; 1000 fits any number",
        INVERSION,
        (0, 1000),
    )
    semantic_blocks: tuple[str, ...] = setting(
        ("up_blocks.1",),
        "Semantic Blocks",
        "Blocks whose attention keys preserve the look in the inversion method",
        INVERSION,
    )
    semantic_weights: tuple[float, ...] = setting(
        (0.0,), "Semantic Weights", "One weight per semantic block. 0 turns it off", INVERSION, (0, 1e7)
    )
    semantic_keys: str = setting(
        "temp",
        "Semantic Keys",
        "Which attention keys are compared: of temporal or of spatial attention",
        INVERSION,
        choices=("temp", "spatial"),
    )
    mask_thresholds: tuple[float, ...] = setting(
        (0.3, 0.3),
        "Mask Thresholds",
        "Thresholds of masks estimated from attention: for the reference, for the new clip",
        INVERSION,
        (0, 1),
    )
    image_strength: float = setting(
        1.0, "Picture Strength", "Strength of the pictures given for single frames. 0 ignores them", CONDITIONS, (0, 2)
    )
    sketch_strength: float = setting(
        1.0, "Sketch Strength", "Strength of the sketches given for single frames. 0 ignores them", CONDITIONS, (0, 2)
    )
    depth_strength: float = setting(
        1.0, "Depth Strength", "Strength of the depth clip. 0 ignores it", CONDITIONS, (0, 2)
    )
    depth_end: float = setting(
        1.0,
        "Depth End",
        "Part of the noise schedule in which the depth clip is used, starting from pure noise",
        CONDITIONS,
        (0, 1),
    )
    precision: str = setting(
        "auto",
        "Precision",
        "Number format of the denoising network: auto chooses what suits the device, float16 needs a GPU",
        DEVICE,
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    deterministic: bool = setting(
        False,
        "Deterministic",
        "Whether the same job gives exactly the same clip, bit for bit, which takes longer",
        DEVICE,
    )
    memory: str = setting(
        "auto",
        "Memory",
        "GPU memory use: fast uses the most, thrifty the least and takes longer. The clip hardly changes",
        DEVICE,
        choices=("auto", "fast", "balanced", "thrifty"),
    )

    @property
    def guidance_weight(self) -> float:
        """The weight of the motion guidance, the user's factor included."""
        return self.motion_weight * self.motion_strength

    @property
    def is_guided(self) -> bool:
        """Whether the motion has any effect."""
        return self.guidance_weight > 0 and self.guided_steps > 0
