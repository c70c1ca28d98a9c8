"""Run the doctor, apply its fixes, copy its report, and report how long timers take."""

from __future__ import annotations

import bpy

from ...backend.job_folder.problem import Problem
from .. import tick_times
from ..declarations import Operators
from ..preferences import doctor_options, wheels_options
from ..setup import install_runner
from ..translations import sentence
from .backend import run_installer
from .reporting import reporting_errors


class MOTIONCLONE_OT_doctor(bpy.types.Operator):
    bl_idname = Operators.DOCTOR
    bl_label = Operators.DOCTOR.label
    bl_description = "Check the backend, the device, the models and the disk. The preferences list the findings"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return install_runner.running() is None

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if context.area and context.area.type != "PREFERENCES":
            bpy.ops.motionclone.open_preferences()
        return self._run(context, wait=False)

    def execute(self, context: bpy.types.Context) -> set[str]:
        done = self._run(context, wait=True)
        for finding in install_runner.findings() or ():
            kind = "INFO" if finding["level"] == "ok" else "WARNING"
            self.report({kind}, f"{sentence(finding['text'])} {sentence(finding['hint'])}".strip())
        return done

    def _run(self, context: bpy.types.Context, wait: bool) -> set[str]:
        with reporting_errors(self):
            arguments = ["doctor", *doctor_options(context)]
            return run_installer(self, arguments, online=False, wait=wait)
        return {"CANCELLED"}


class MOTIONCLONE_OT_fix(bpy.types.Operator):
    """Apply the doctor's fix"""

    bl_idname = Operators.FIX
    bl_label = Operators.FIX.label

    finding: bpy.props.IntProperty(name="Finding", description="Index of the doctor's finding, from 0")

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            findings = install_runner.findings() or []
            if not 0 <= self.finding < len(findings) or not findings[self.finding]["fix"]:
                raise Problem("There is nothing to fix.", "Ask the doctor again.", repair=Operators.DOCTOR)
            arguments = list(findings[self.finding]["fix"])
            if arguments[0] == "backend":
                arguments += wheels_options(context)
            return run_installer(self, arguments, online="--wheels" not in arguments, wait=bpy.app.background)
        return {"CANCELLED"}


class MOTIONCLONE_OT_copy_report(bpy.types.Operator):
    bl_idname = Operators.COPY_REPORT
    bl_label = Operators.COPY_REPORT.label
    bl_description = (
        "Copy a report to the clipboard that you can paste into a bug report. It contains neither your name nor your "
        "paths"
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return install_runner.running() is None

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            install_runner.start(["doctor", *doctor_options(context)], when_done=_copy)
            if bpy.app.background:
                install_runner.wait()
            return {"FINISHED"}
        return {"CANCELLED"}


def _copy() -> None:
    bpy.context.window_manager.clipboard = _report()


def _report() -> str:
    return f"{install_runner.reported().report.rstrip()}\n\nLongest ticks in Blender: {tick_times.report()}\n"


class MOTIONCLONE_OT_report_ticks(bpy.types.Operator):
    bl_idname = Operators.REPORT_TICKS
    bl_label = Operators.REPORT_TICKS.label
    bl_description = (
        "Report the longest times that MotionClone's timers have blocked Blender since it was "
        "started: processor time, and elapsed time, which is longer on a busy machine"
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        self.report({"INFO"}, f"Longest ticks: {tick_times.report()}")
        return {"FINISHED"}


CLASSES = (MOTIONCLONE_OT_doctor, MOTIONCLONE_OT_fix, MOTIONCLONE_OT_copy_report, MOTIONCLONE_OT_report_ticks)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
