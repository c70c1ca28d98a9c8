"""`scene.motionclone`: what the next take shall be. Model defaults live in the model's entry, not here."""

from __future__ import annotations

import bpy

from ..backend.wire.request import JobRequest


class MotionCloneSettings(bpy.types.PropertyGroup):
    prompt: bpy.props.StringProperty(name="Prompt", description="What the new clip shows")
    negative_prompt: bpy.props.StringProperty(name="Negative", description="What the new clip shall not show")
    seed: bpy.props.IntProperty(name="Seed", description="The same seed gives the same clip", min=0)
    model: bpy.props.StringProperty(name="Model", description="A model entry's name", default=JobRequest.model)
    settings: bpy.props.StringProperty(
        name="Settings",
        description="What shall differ from the model's own settings, for example: motion_weight=0.4 steps=30",
    )
    last_job: bpy.props.StringProperty(
        name="Last Job", description="The folder of the job that was started last", subtype="DIR_PATH"
    )


def register() -> None:
    bpy.utils.register_class(MotionCloneSettings)
    bpy.types.Scene.motionclone = bpy.props.PointerProperty(type=MotionCloneSettings)


def unregister() -> None:
    del bpy.types.Scene.motionclone
    bpy.utils.unregister_class(MotionCloneSettings)
