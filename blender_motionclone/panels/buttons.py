"""Buttons of our operators, always with the same icon, and problems with the button that fixes them."""

from __future__ import annotations

import bpy

from ...backend.job_folder.state import DONE
from ..errors import UserError
from ..preferences import ALLOW_ONLINE
from ..results import watching
from ..translations import sentence
from .sidebar import BOX, paragraph

ICONS = {
    "add_camera": "ADD",
    "adopt": "FILE_REFRESH",
    "apply_preset": "PRESET",
    "balanced": "PRESET",
    "cancel": "CANCEL",
    "cancel_install": "CANCEL",
    "choose_model": "OUTLINER_OB_GROUP_INSTANCE",
    "all_shots": "MARKER",
    "clone_camera": "CAMERA_DATA",
    "copy_report": "COPYDOWN",
    "dismiss_offers": "X",
    "dismiss_problem": "X",
    "doctor": "CHECKMARK",
    "edit_prompt": "GREASEPENCIL",
    "every_frame": "TIME",
    "generate": "RENDER_ANIMATION",
    "get_model": "IMPORT",
    "hide_first_run": "X",
    "install_backend": "IMPORT",
    "model_get": "IMPORT",
    "model_remove": "TRASH",
    "fix": "TOOL_SETTINGS",
    "no_mask": "X",
    "no_passes": "X",
    "open_preferences": "PREFERENCES",
    "preset_add": "ADD",
    "prompt_add": "ADD",
    "prompt_remove": "REMOVE",
    "queue_move": "SORTTIME",
    "remove_backend": "TRASH",
    "report_ticks": "TIME",
    "restore_view": "LOOP_BACK",
    "resume": "PLAY",
    "set_end": "TIME",
    "settings_reset": "LOOP_BACK",
    "show_solid": "SHADING_SOLID",
    "start_worker": "PLAY",
    "stop_watching": "PAUSE",
    "stop_worker": "SNAP_FACE",
    "storage_clean": "TRASH",
    "storage_measure": "DISK_DRIVE",
    "take_open_folder": "FILE_FOLDER",
    "take_place": "IMPORT",
    "take_remove": "TRASH",
    "take_retry": "FILE_REFRESH",
    "try_demo": "PLAY",
    "use_camera": "CAMERA_DATA",
    "use_named_files": "CHECKMARK",
    "use_range": "TIME",
    "watch": "PLAY",
}


def button(layout: bpy.types.UILayout, name: str, **look) -> bpy.types.OperatorProperties:
    """name: without "motionclone.". look: as for UILayout.operator."""
    look.setdefault("icon", ICONS[name])
    return layout.operator(f"motionclone.{name}", **look)


def repair_button(layout: bpy.types.UILayout, idname: str) -> None:
    """idname: as UserError.repair has it."""
    if idname == ALLOW_ONLINE:
        online_switch(layout)
    else:
        button(layout, idname.removeprefix("motionclone."))


def online_switch(layout: bpy.types.UILayout) -> None:
    """Blender's own setting, right where it is missed: only the user ticks it."""
    layout.prop(bpy.context.preferences.system, "use_online_access")


def watch_button(layout: bpy.types.UILayout, take: bpy.types.PropertyGroup) -> None:
    """Plays the take, or ends that; nothing for one that is not done."""
    if watching.watched() == take.name:
        button(layout, "stop_watching")
    elif take.state == DONE:
        button(layout, "watch").job = take.name


CLOSE = 24  # pixels of the button that takes it away


def draw_problem(layout: bpy.types.UILayout, context: bpy.types.Context, problem: UserError) -> None:
    """One that happened, until the user takes it away, or has done what it asked for."""
    if problem.repair == ALLOW_ONLINE and bpy.app.online_access:
        return
    box = layout.box()
    row = box.row()
    body = row.column()
    body.alert = True
    paragraph(body, context, sentence(problem.message), icon="ERROR", less=BOX + CLOSE)
    button(row, "dismiss_problem", text="", emboss=False)
    _draw_rest(box, context, problem, BOX)


def draw_obstacle(layout: bpy.types.UILayout, context: bpy.types.Context, problem: UserError) -> None:
    """What is still missing: no alarm."""
    column = layout.column()
    paragraph(column, context, sentence(problem.message), icon="INFO")
    _draw_rest(column, context, problem, 0)


def _draw_rest(layout: bpy.types.UILayout, context: bpy.types.Context, problem: UserError, less: int) -> None:
    if problem.hint:
        paragraph(layout, context, sentence(problem.hint), icon="BLANK1", less=less)
    if problem.repair:
        repair_button(layout, problem.repair)
