"""Rarely changed settings, collapsed: passes, pictures, more prompts, the model's own settings, and the worker."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ...backend.job_folder.declared import typed_text
from .. import facts
from ..declarations import Operators
from ..form_scene import form_scene
from ..jobs import job_runner
from ..setting_controls import SHOWN, chosen_in, groups, is_chosen, known_settings
from ..settings_text import given
from ..setup.interpreter import READY
from ..wrapping import shown_line
from .buttons import button
from .clone import MOTIONCLONE_PT_sidebar, labeled
from .sidebar import fitting, in_both_sidebars, paragraph

GB = 2**30
PASSES = ("use_mask", "use_depth", "use_vectors")
MAX_OF_A_SLIDER = 10  # sliders with a larger maximum are number fields
HEADER = 130  # pixels of a header's own name
WORKER_STATES = {"stopped": "starts with the first take", "starting": "starting", "ready": "ready", "lost": "lost"}


class Detail:
    """A subpanel that starts closed."""

    parent = MOTIONCLONE_PT_sidebar
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return facts.of(form_scene(context)).backend == READY

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        """Shows what is active while the panel is closed."""
        if shown := self.active(form_scene(context).motionclone):
            self.layout.label(text=fitting(context, shown, HEADER), icon="CHECKMARK", translate=False)

    @staticmethod
    def active(settings: bpy.types.PropertyGroup) -> str:
        """A word or two; "" for nothing."""
        return ""


class MOTIONCLONE_PT_passes(Detail):
    """Passes that are rendered beside the reference clip"""

    bl_label = "Passes"

    @staticmethod
    def active(settings: bpy.types.PropertyGroup) -> str:
        chosen = [name for name in PASSES if getattr(settings, name)]
        return ", ".join(iface_(settings.bl_rna.properties[name].name) for name in chosen)

    def draw(self, context: bpy.types.Context) -> None:
        settings, column = form_scene(context).motionclone, self.layout.column()
        column.prop(settings, "use_mask")
        if settings.use_mask:
            column.prop(settings, "mask_collection", text="", placeholder="The selected objects")
        column.prop(settings, "use_depth")
        column.prop(settings, "use_vectors")


class MOTIONCLONE_PT_pictures(Detail):
    """Pictures that define how the clip begins"""

    bl_label = "First Frame"

    @staticmethod
    def active(settings: bpy.types.PropertyGroup) -> str:
        files = [text for text in (settings.image_file.strip(), settings.sketch_file.strip()) if text]
        return ", ".join(bpy.path.basename(text) for text in files)

    def draw(self, context: bpy.types.Context) -> None:
        settings, column = form_scene(context).motionclone, self.layout.column()
        column.prop(settings, "image_file", text="", placeholder="A picture")
        column.prop(settings, "sketch_file", text="", placeholder="A line drawing")


class MOTIONCLONE_PT_batch(Detail):
    """More prompts, with a take for each"""

    bl_label = "More Prompts"

    @staticmethod
    def active(settings: bpy.types.PropertyGroup) -> str:
        count = sum(bool(more.text.strip()) for more in settings.more_prompts)
        return str(count) if count else ""

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        for number, more in enumerate(form_scene(context).motionclone.more_prompts):
            row = column.row(align=True)
            row.prop(more, "text", text="", placeholder="What the clip shows")
            button(row, Operators.PROMPT_REMOVE, text="").number = number
        button(self.layout, Operators.PROMPT_ADD)


class MOTIONCLONE_PT_advanced(Detail):
    """The model's own settings, and the worker that runs it"""

    bl_label = "Advanced"

    @staticmethod
    def active(settings: bpy.types.PropertyGroup) -> str:
        return settings.settings.strip()

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, form_scene(context).motionclone
        column = layout.column(align=True)
        for name, one in known_settings(settings):
            if one.basic:
                draw_setting(column, settings, name)
        column = layout.column(align=True)
        labeled(column, "Place In").prop(settings, "placement", text="")
        column.prop(settings, "replace")
        worker = job_runner.worker()
        paragraph(layout, context, worker_text(worker), icon="SYSTEM")
        button(layout, Operators.STOP_WORKER if worker.state in ("starting", "ready") else Operators.START_WORKER)
        button(layout, Operators.OPEN_PREFERENCES)


def draw_setting(column: bpy.types.UILayout, settings: bpy.types.PropertyGroup, name: str) -> None:
    """Draws a reset button if the value is not the model's own."""
    row = column.row(align=True)
    bounds = SHOWN[name].bounds
    row.prop(settings.controls, name, slider=bool(bounds and bounds[1] <= MAX_OF_A_SLIDER))
    if is_chosen(settings, name):
        button(row, Operators.SETTINGS_RESET, text="").setting = name


def _settings_panel(number: int, group: str) -> type:
    """The subpanel of the settings in one group."""

    def draw(self: bpy.types.Panel, context: bpy.types.Context) -> None:
        settings, column = form_scene(context).motionclone, self.layout.column(align=True)
        for name, one in known_settings(settings):
            if one.group == group and not one.basic:
                draw_setting(column, settings, name)
        if chosen_in(settings, group):
            button(self.layout, Operators.SETTINGS_RESET).group = group

    def active(settings: bpy.types.PropertyGroup) -> str:
        chosen = given(settings.settings)
        return ", ".join(f"{name}={typed_text(chosen[name])}" for name in chosen_in(settings, group))

    content = {"bl_label": group, "parent": MOTIONCLONE_PT_advanced, "draw": draw, "active": staticmethod(active)}
    doc = {"__doc__": "Settings that are the model's own unless you change them"}
    return type(f"MOTIONCLONE_PT_settings_{number}", (Detail,), content | doc)


def worker_text(worker: job_runner.WorkerStatus) -> str:
    """For example "Worker: ready (cuda, 24 GB)"."""
    state = iface_("Worker: {state}").format(state=iface_(WORKER_STATES[worker.state]))
    memory = f", {worker.memory_bytes / GB:.0f} GB" if worker.memory_bytes else ""
    return shown_line(f"{state} ({worker.device}{memory})") if worker.device else state


GROUPS = tuple(_settings_panel(number, group) for number, group in enumerate(groups()))
BODIES = (MOTIONCLONE_PT_passes, MOTIONCLONE_PT_pictures, MOTIONCLONE_PT_batch, MOTIONCLONE_PT_advanced, *GROUPS)
register, unregister = bpy.utils.register_classes_factory(
    tuple(panel for body in BODIES for panel in in_both_sidebars(body))
)
