"""A clip that was made is seen: it plays beside the view by itself after the demo, and with Watch."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import cv2
import numpy as np

from tests.window.blender_window import BlenderWindow
from tests.window.blockout import BLOCKOUT, DUMMY, PROMPT
from tests.window.test_shot import SLOW_FRAMES

TYPES = "sorted(area.type for area in bpy.context.window_manager.windows[0].screen.areas)"
PLAYING = "bpy.context.window_manager.windows[0].screen.is_animation_playing"
DEMO = "bpy.data.scenes['MotionClone Demo']"
BLENDERS = ["DOPESHEET_EDITOR", "OUTLINER", "PROPERTIES", "VIEW_3D"]


def test_the_demo_ends_with_its_clip_playing(installed, tmp_path):
    """Two clicks: the sidebar's tab, and the demo's button."""
    installed.ask(DUMMY + f"dummy({sys.executable!r})")
    installed.open_sidebar()
    installed.press("motionclone.try_demo")
    installed.wait_for(f"'MotionClone Demo' in bpy.data.scenes and {PLAYING}")
    assert installed.ask(TYPES) == sorted([*BLENDERS, "IMAGE_EDITOR"])
    folder = Path(installed.ask(f"{DEMO}.motionclone.takes[0].folder"))
    assert installed.ask("bpy.path.abspath(area('IMAGE_EDITOR').spaces[0].image.filepath)") == str(
        folder / "result.mp4"
    )
    before = installed.ask(f"{DEMO}.frame_current")
    installed.wait_for(f"{DEMO}.frame_current != {before}")
    check_pictures(installed, folder, tmp_path)

    installed.ask("bpy.ops.motionclone.stop_watching()")
    installed.wait_for(f"{TYPES} == {BLENDERS} and not {PLAYING}")
    installed.ask("with over('VIEW_3D', 'UI'): bpy.ops.motionclone.watch()")
    installed.wait_for(PLAYING)
    installed.ask("bpy.ops.wm.read_homefile(use_factory_startup=True)")  # with screens of its own
    installed.ask("bpy.ops.motionclone.stop_watching()")
    assert installed.close() == 0


def test_watching_gives_the_preview_range_back(installed):
    installed.ask(BLOCKOUT + DUMMY + f"dummy({sys.executable!r})\nform.prompt = {PROMPT!r}")
    installed.ask("scene.timeline_markers.new('Wide', frame=11).camera = scene.camera")
    installed.ask("scene.timeline_markers.new('Close', frame=31).camera = scene.camera\nform.shots = 'ALL'")
    installed.ask("with over('VIEW_3D'): bpy.ops.motionclone.generate('INVOKE_DEFAULT')")
    installed.wait_for("[take.state for take in form.takes] == ['done', 'done']")
    ends = "[scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end]"
    before = installed.ask(ends)
    for number, expected in ((1, [True, 31, 58]), (0, [True, 11, 30])):
        installed.ask(f"with over('VIEW_3D'): bpy.ops.motionclone.watch(job=form.takes[{number}].name)")
        installed.wait_for(PLAYING)
        assert installed.ask(ends) == expected
    assert installed.ask(TYPES) == sorted([*BLENDERS, "IMAGE_EDITOR"]), "in the same area"
    installed.ask("bpy.ops.motionclone.stop_watching()")
    assert installed.ask(ends) == before
    assert installed.close() == 0


def test_blender_is_used_while_a_shot_is_filmed(installed):
    """Clicks and undo reach it; Esc ends the filming."""
    installed.ask(BLOCKOUT + f"form.prompt = {PROMPT!r}\nbpy.ops.object.select_all(action='DESELECT')" + SLOW_FRAMES)
    installed.ask("bpy.ops.ed.undo_push(message='before')")
    installed.open_sidebar()
    installed.press("motionclone.generate")
    installed.wait_for("(part('jobs.job_runner').capture() or (0, 0))[0] > 0")
    left, top, width, height = installed.place("VIEW_3D")
    installed.move(left + width // 3, top + height // 2)
    installed.key("a")
    installed.wait_for("len(bpy.context.window_manager.windows[0].view_layer.objects.selected) == 3")
    assert installed.ask("part('jobs.generation').going_on()")
    installed.key("Escape")
    installed.wait_for("not part('jobs.generation').going_on()")
    assert installed.ask("len(form.takes)") == 0
    assert installed.close() == 0


def test_a_shot_that_was_watched_is_not_filmed_again(installed):
    """Nor after scrubbing, selecting and looking around; after a move it is. What was moved and not keyed stays."""
    installed.ask(BLOCKOUT + DUMMY + f"dummy({sys.executable!r})\nform.prompt = {PROMPT!r}")
    installed.ask("import os\ncube.location.y = 0.75; cube.keyframe_insert('location', index=1, frame=11)")
    films = "with over('VIEW_3D'): bpy.ops.motionclone.generate('INVOKE_DEFAULT')"
    pictures = "[os.stat(take.folder + '/reference/0001.png').st_ino for take in form.takes]"
    installed.ask("cube.location.y = 0.25")
    installed.ask(films)
    installed.wait_for("[take.state for take in form.takes] == ['done']")
    assert installed.ask("cube.location.y") == 0.25
    installed.ask("with over('VIEW_3D'): bpy.ops.motionclone.watch()")
    installed.wait_for(PLAYING)
    time.sleep(2)
    installed.ask("bpy.ops.motionclone.stop_watching()\nscene.frame_current = 30")
    installed.ask("bpy.ops.object.select_all(action='SELECT')\nform.seed = 5")
    time.sleep(1)
    installed.ask(films)
    installed.wait_for("[take.state for take in form.takes] == ['done', 'done']")
    first, second = installed.ask(pictures)
    assert first == second
    installed.ask("cube.scale.z = 2")
    time.sleep(1)
    installed.ask(films)
    installed.wait_for("[take.state for take in form.takes] == ['done', 'done', 'done']")
    assert installed.ask(pictures)[2] not in (first, second)
    assert installed.close() == 0


def check_pictures(window: BlenderWindow, folder: Path, tmp_path: Path) -> None:
    """The dummy's clip is its reference, so that both pictures are alike: the reference above, the clip beneath."""
    window.ask("bpy.ops.screen.animation_cancel(restore_frame=False)") if window.ask(PLAYING) else None
    window.ask(f"{DEMO}.frame_set(1)\nregion('IMAGE_EDITOR').tag_redraw()")
    time.sleep(2)
    picture = cv2.imread(str(window.screenshot(tmp_path / "watched.png", window.place("IMAGE_EDITOR")))).astype(int)
    height, width, _ = picture.shape
    columns = slice(width // 2 - 20, width // 2 + 20)
    upper, lower = (picture[row - 10 : row + 10, columns].mean((0, 1)) for row in (height // 4, height * 3 // 4))
    first = cv2.imread(str(folder / "reference" / "0000.png"))
    side = first.shape[0]
    made = first[side * 45 // 100 : side * 55 // 100, side * 45 // 100 : side * 55 // 100].mean((0, 1))
    assert np.abs(upper - lower).max() < 12 and np.abs(lower - made).max() < 25, f"{upper} {lower} {made}"
