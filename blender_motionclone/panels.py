"""The sidebar: a form while nothing runs, progress while something does."""

from __future__ import annotations

import bpy

from ..backend.wire.job_state import JobState
from . import job_runner
from .errors import UserError


class MOTIONCLONE_PT_sidebar(bpy.types.Panel):
    bl_label = "MotionClone"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "MotionClone"

    def draw(self, context: bpy.types.Context) -> None:
        if job := job_runner.running():
            draw_progress(self.layout, job_runner.state(job))
        draw_form(self.layout, context.scene.motionclone)
        if problem := job_runner.problem():
            draw_problem(self.layout, problem)


def draw_form(layout: bpy.types.UILayout, take: bpy.types.PropertyGroup) -> None:
    column = layout.column()
    for name in ("prompt", "negative_prompt", "seed", "model", "settings"):
        column.prop(take, name)
    layout.operator("motionclone.generate", icon="RENDER_ANIMATION")
    row = layout.row()
    row.enabled = bool(take.last_job)
    row.operator("motionclone.take_place", icon="SEQUENCE")


def draw_progress(layout: bpy.types.UILayout, state: JobState) -> None:
    layout.progress(factor=state.progress, text=state.text)
    layout.operator("motionclone.cancel", icon="CANCEL")


def draw_problem(layout: bpy.types.UILayout, problem: UserError) -> None:
    column = layout.column()
    column.alert = True
    for line in (problem.message, problem.hint):
        if line:
            column.label(text=line, icon="ERROR")


register, unregister = bpy.utils.register_classes_factory((MOTIONCLONE_PT_sidebar,))
