"""Small changes to the form: model, presets, settings, prompts, and messages."""

from __future__ import annotations

import bpy
from bl_operators.presets import AddPresetBase
from bpy.app.translations import pgettext_tip as tip_

from ...backend.job_folder.problem import Sentence
from .. import facts
from ..declarations import Operators
from ..forecast import count_of
from ..form_scene import form_scene
from ..jobs import job_runner
from ..setting_controls import chosen_in
from ..settings_text import SHIPPED, without
from ..setup import install_runner
from ..translations import sentence
from .reporting import InWindow

WIDTH = 640  # pixels of the prompt's window
SETTINGS = (  # as in form_scene; a preset is a separate script that cannot import the extension
    "settings = (bpy.context.area and bpy.context.area.type == 'SEQUENCE_EDITOR' "
    "and getattr(bpy.context, 'sequencer_scene', None) or bpy.context.scene).motionclone"
)
KEPT_IN_PRESETS = (
    *("source", "shots", "reference_shading", "use_mask", "use_depth", "use_vectors"),
    *("negative_prompt", "model", "quality", "strength", "seeds", "settings", "placement", "replace"),
)


class MOTIONCLONE_OT_choose_model(bpy.types.Operator):
    """Generate with this model"""

    bl_idname = Operators.CHOOSE_MODEL
    bl_label = Operators.CHOOSE_MODEL.label
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    model: bpy.props.StringProperty(name="Model", description="The model's name")

    def execute(self, context: bpy.types.Context) -> set[str]:
        form_scene(context).motionclone.model = self.model
        return {"FINISHED"}


class MOTIONCLONE_OT_apply_preset(bpy.types.Operator):
    """Apply the settings of this preset to the form. The prompt is kept"""

    bl_idname = Operators.APPLY_PRESET
    bl_label = Operators.APPLY_PRESET.label
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    preset: bpy.props.EnumProperty(
        name="Preset",
        description="Sets of settings to begin with",
        items=[(preset.name, preset.title, preset.description) for preset in SHIPPED],
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        return tip_(next(preset.description for preset in SHIPPED if preset.name == properties.preset))

    def execute(self, context: bpy.types.Context) -> set[str]:
        chosen = next(preset for preset in SHIPPED if preset.name == self.preset)
        for name, value in chosen.values.items():
            setattr(form_scene(context).motionclone, name, value)
        return {"FINISHED"}


class MOTIONCLONE_OT_settings_reset(bpy.types.Operator):
    """Reset to the model's own value"""

    bl_idname = Operators.SETTINGS_RESET
    bl_label = Operators.SETTINGS_RESET.label
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    setting: bpy.props.StringProperty(name="Setting", description="Empty: all of the group")
    group: bpy.props.StringProperty(name="Group", description="The heading that they stand under")

    def execute(self, context: bpy.types.Context) -> set[str]:
        form = form_scene(context).motionclone
        names = [self.setting] if self.setting else chosen_in(form, self.group)
        form.settings = without(form.settings, names)
        return {"FINISHED"}


class MOTIONCLONE_OT_preset_add(AddPresetBase, bpy.types.Operator):
    """Save the form's settings as a preset, or remove a preset"""

    bl_idname = Operators.PRESET_ADD
    bl_label = Operators.PRESET_ADD.label
    preset_menu = "MOTIONCLONE_PT_presets"
    preset_subdir = "motionclone"
    preset_defines = [SETTINGS]
    preset_values = [f"settings.{name}" for name in KEPT_IN_PRESETS]


class MOTIONCLONE_OT_edit_prompt(InWindow, bpy.types.Operator):
    """Edit the prompt in a wide window"""

    bl_idname = Operators.EDIT_PROMPT
    bl_label = Operators.EDIT_PROMPT.label
    bl_options = {"INTERNAL"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_popup(self, width=WIDTH)

    def draw(self, context: bpy.types.Context) -> None:
        settings, column = form_scene(context).motionclone, self.layout.column()
        column.label(text="Prompt")
        column.activate_init = True
        column.prop(settings, "prompt", text="", placeholder="What the clip shows")
        for more in settings.more_prompts:
            column.prop(more, "text", text="", placeholder="What the clip shows")
        column.prop(settings, "negative_prompt", text="", placeholder="What to avoid")
        if words := facts.words_now(settings):
            column.label(text=count_of(words), translate=False)

    def execute(self, context: bpy.types.Context) -> set[str]:
        return {"FINISHED"}


class MOTIONCLONE_OT_prompt_add(bpy.types.Operator):
    """Add another prompt, to generate a take of it with the same motion"""

    bl_idname = Operators.PROMPT_ADD
    bl_label = Operators.PROMPT_ADD.label
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        form_scene(context).motionclone.more_prompts.add()
        return {"FINISHED"}


class MOTIONCLONE_OT_prompt_remove(bpy.types.Operator):
    """Remove this prompt"""

    bl_idname = Operators.PROMPT_REMOVE
    bl_label = Operators.PROMPT_REMOVE.label
    bl_options = {"REGISTER", "UNDO"}

    number: bpy.props.IntProperty(name="Number", description="Index of the additional prompt, from 0", min=0)

    def execute(self, context: bpy.types.Context) -> set[str]:
        prompts = form_scene(context).motionclone.more_prompts
        if self.number >= len(prompts):
            self.report({"ERROR"}, sentence(Sentence("There is no additional prompt {number}.", number=self.number)))
            return {"CANCELLED"}
        prompts.remove(self.number)
        return {"FINISHED"}


class MOTIONCLONE_OT_dismiss_problem(bpy.types.Operator):
    """Dismiss this message"""

    bl_idname = Operators.DISMISS_PROBLEM
    bl_label = Operators.DISMISS_PROBLEM.label
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        install_runner.forget_problem()
        job_runner.clear_problem()
        return {"FINISHED"}


CLASSES = (
    MOTIONCLONE_OT_choose_model,
    MOTIONCLONE_OT_apply_preset,
    MOTIONCLONE_OT_settings_reset,
    MOTIONCLONE_OT_preset_add,
    MOTIONCLONE_OT_edit_prompt,
    MOTIONCLONE_OT_prompt_add,
    MOTIONCLONE_OT_prompt_remove,
    MOTIONCLONE_OT_dismiss_problem,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
