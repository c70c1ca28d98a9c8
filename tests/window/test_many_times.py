"""Switched on and off twenty times in a window, before the user's eyes and while a job runs, it leaves nothing."""

from __future__ import annotations

import sys

from tests.window.blender_window import wait_until
from tests.window.blockout import BLOCKOUT, DUMMY

TIMES = 20
OFF = "bpy.ops.preferences.addon_disable(module='bl_ext.user_default.motionclone')\n"
ON = "bpy.ops.preferences.addon_enable(module='bl_ext.user_default.motionclone')\n"


def test_twenty_times_with_the_panel_open_and_a_job_running(installed):
    installed.ask(BLOCKOUT + DUMMY + f"dummy({sys.executable!r})\nform.prompt, form.reference_shading = 'two', 'PLAIN'")
    installed.ask("form.settings = 'steps=1000'")
    installed.open_sidebar()
    installed.wait_for("part('facts').of(scene).button")
    installed.press("motionclone.generate")
    installed.wait_for("len(form.takes) and part('jobs.job_runner').state(form.takes[-1].name).state == 'running'")
    installed.ask("name = form.takes[-1].name\ndel form")
    for _ in range(TIMES):
        installed.ask(OFF + ON)
        installed.wait_for("len(part('facts')._now.known)")  # the panel was drawn, and the timer has looked
    installed.wait_for("scene.motionclone.takes[name].state == 'done'")  # by the first of the workers
    installed.ask(OFF)
    left = "difference(before, everything())"
    wait_until(lambda: not installed.ask(left), "something is left", lambda: str(installed.ask(left)))
    assert installed.close() == 0
    installed.wait_for_processes_to_end()


def test_blender_may_end_with_it_switched_on_after_twenty_times(installed):
    installed.open_sidebar()
    installed.ask("bpy.ops.screen.userpref_show('INVOKE_DEFAULT', section='ADDONS')")
    for _ in range(TIMES):
        installed.ask(OFF + ON)
    assert installed.ask("hasattr(bpy.types.Scene, 'motionclone')")
    assert installed.close() == 0
    installed.wait_for_processes_to_end()
