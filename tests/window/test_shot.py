"""The whole way as an artist goes it, with the mouse: from the zip on the disk to the strip in the sequencer."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from tests.window.blender_window import BlenderWindow, wait_until
from tests.window.blockout import BLOCKOUT, PROMPT, QUICK

SLOW_FRAMES = """
import time
def slow(*_):
    time.sleep(0.3)
bpy.app.handlers.frame_change_pre.append(slow)
"""


def test_from_the_zip_to_the_strip(window, extension_zip, tmp_path, record_property):
    install_from_disk(window, extension_zip.name)
    window.ask(BLOCKOUT)
    window.open_sidebar()
    write_prompt(window)

    window.ask("form.settings = 'steps=200'")  # so that it lasts until the mouse has found its way
    window.press("motionclone.generate")
    window.wait_for("part('jobs.job_runner').preview_step(part('jobs.job_runner').running() or '')")
    window.press("motionclone.cancel")
    window.wait_for("[take.state for take in form.takes] == ['cancelled']")

    window.ask(f"form.settings = {QUICK!r}")
    window.press("motionclone.generate")
    window.wait_for("form.takes[-1].state == 'done' and len(strips(scene))")
    assert window.ask("[take.state for take in form.takes]") == ["cancelled", "done"]
    check_strip(window, tmp_path)
    record_property("worst ticks", window.ask("part('tick_times').report()"))
    assert window.close() == 0
    window.wait_for_processes_to_end()


def test_a_capture_is_ended_by_escape_and_leaves_the_scene(installed):
    installed.ask(BLOCKOUT + f"form.prompt = {PROMPT!r}\nscene.frame_set(20)" + SLOW_FRAMES)
    installed.open_sidebar()
    objects = installed.ask("sorted(item.name for item in bpy.data.objects)")
    installed.press("motionclone.generate")
    installed.wait_for("part('jobs.job_runner').capture()")
    installed.key("Escape")
    installed.wait_for("not part('jobs.generation').going_on()")
    assert installed.ask("len(form.takes)") == 0 and installed.ask("scene.frame_current") == 20
    assert installed.ask("sorted(item.name for item in bpy.data.objects)") == objects
    assert not list((installed.folder.parent / "data").rglob("job.json"))
    assert installed.close() == 0
    installed.wait_for_processes_to_end()


def test_a_job_goes_on_to_its_end_when_blender_is_closed(installed):
    installed.ask(BLOCKOUT + f"form.prompt, form.settings = {PROMPT!r}, {QUICK!r}")
    installed.open_sidebar()
    installed.press("motionclone.generate")
    installed.wait_for("len(form.takes) and part('jobs.job_runner').state(form.takes[-1].name).state == 'running'")
    folder = Path(installed.ask("form.takes[-1].folder"))
    assert installed.close() == 0
    installed.wait_for_processes_to_end()
    assert json.loads((folder / "state.json").read_text(encoding="utf-8"))["state"] == "done"
    assert (folder / "result.mp4").is_file()


def test_switched_off_while_a_job_runs_nothing_is_left(installed):
    installed.ask(BLOCKOUT + f"form.prompt = {PROMPT!r}")
    installed.open_sidebar()
    installed.press("motionclone.generate")
    installed.wait_for("len(form.takes) and part('jobs.job_runner').state(form.takes[-1].name).state == 'running'")
    installed.ask("del form\nbpy.ops.preferences.addon_disable(module='bl_ext.user_default.motionclone')")
    left = installed.ask("difference(before, everything())")
    assert left.keys() <= {"processes", "threads"}, "only the worker finishes its job, and is listened to"
    wait_until(lambda: not installed.ask("difference(before, everything())"), "something is left")
    assert installed.close() == 0
    installed.wait_for_processes_to_end()


def test_the_demo_says_why_it_cannot_be_made(installed):
    addon = "bpy.context.preferences.addons['bl_ext.user_default.motionclone'].preferences"
    installed.ask(f"open('/tmp/no folder', 'w').close()\n{addon}.jobs_folder = '/tmp/no folder'")
    installed.open_sidebar()
    installed.press("motionclone.try_demo")
    installed.wait_for("bpy.context.scene.name == 'MotionClone Demo' and not part('jobs.generation').going_on()")
    installed.key("Escape")  # takes the message away
    installed.ask("area('VIEW_3D').ui_type = 'INFO'")
    installed.ask(
        "with over('INFO'):\n    bpy.ops.info.select_all(action='SELECT')\n    bpy.ops.info.report_copy()\n"
        "said = bpy.context.window_manager.clipboard"
    )
    assert "Cannot write to the jobs folder" in installed.ask("said")
    assert installed.close() == 0


def install_from_disk(window: BlenderWindow, name: str) -> None:
    """*Preferences > Get Extensions > Install from Disk*, from its file browser on."""
    window.ask("with over('VIEW_3D'): bpy.ops.extensions.package_install_files('INVOKE_DEFAULT', repo='user_default')")
    window.wait_for("any(a.type == 'FILE_BROWSER' for w in bpy.context.window_manager.windows for a in w.screen.areas)")
    window.wait_for("area('FILE_BROWSER').spaces[0].params is not None")
    window.ask(
        "params = area('FILE_BROWSER').spaces[0].params\n"
        f"params.directory, params.filename = {str(window.folder.parent).encode()!r}, {name!r}"
    )
    window.press("file.execute", "FILE_BROWSER", "EXECUTE")
    window.wait_for("hasattr(bpy.types.Scene, 'motionclone')")


def write_prompt(window: BlenderWindow) -> None:
    window.press("motionclone.prompt")
    window.key("ctrl+a")
    window.write(PROMPT)
    window.key("Return")
    assert window.ask("form.prompt") == PROMPT


def check_strip(window: BlenderWindow, tmp_path: Path) -> None:
    """The clip lies on the shot's frames, and the sequencer shows its picture in its colours."""
    assert window.ask("[(s.type, s.frame_final_start, s.frame_final_end) for s in strips(scene)]") == [
        ["MOVIE", 11, 59]
    ]
    window.ask("area('VIEW_3D').ui_type = 'SEQUENCE_EDITOR'\narea('SEQUENCE_EDITOR').spaces[0].view_type = 'PREVIEW'")
    window.ask("scene.frame_set(11)\nwith over('SEQUENCE_EDITOR', 'PREVIEW'): bpy.ops.sequencer.view_all_preview()")
    picture = window.screenshot(tmp_path / "preview.png", window.place("SEQUENCE_EDITOR", "PREVIEW"))
    first = Path(window.ask("form.takes[-1].folder")) / "result" / "0000.png"
    shown, made = middle(picture), middle(first)
    assert np.abs(shown - made).max() < 12, f"{shown} is shown, {made} was made"


def middle(path: Path) -> np.ndarray:
    """Mean blue, green and red of the middle of a picture."""
    picture = cv2.imread(str(path))
    height, width, _ = picture.shape
    return picture[height * 45 // 100 : height * 55 // 100, width * 48 // 100 : width * 52 // 100].mean((0, 1))
