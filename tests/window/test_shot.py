"""The whole way as an artist goes it, with the mouse: from the zip on the disk to the strip in the sequencer."""

from __future__ import annotations

from pathlib import Path

from tests.window.blender_window import BlenderWindow

PROMPT = "a red ball on green ground under a blue sky"
QUICK = "steps=4 guided_steps=2 warm_up_steps=1 cool_down_steps=1"
BLOCKOUT = """
scene = bpy.context.scene
scene.frame_start, scene.frame_end = 11, 58
cube = bpy.data.objects["Cube"]
for frame, x in ((11, -3), (58, 3)):
    cube.location.x = x
    cube.keyframe_insert("location", index=0, frame=frame)
"""
RUNNER = "importlib.import_module('bl_ext.user_default.motionclone.blender_motionclone.job_runner')"


def test_from_the_zip_to_the_strip(window, extension_zip, tmp_path):
    install_from_disk(window, extension_zip.name)
    window.ask(f"{BLOCKOUT}\nimport importlib\nrunner = {RUNNER}")
    window.open_sidebar()
    write_prompt(window)

    window.press("motionclone.generate")
    window.wait_for("runner.running()")
    window.press("motionclone.cancel")
    window.wait_for("not runner.running()")
    assert window.ask("runner.state().state") == "cancelled"

    window.ask(f"scene.motionclone.settings = {QUICK!r}")
    window.press("motionclone.generate")
    window.wait_for("runner.running()")
    window.wait_for("not runner.running()")
    assert window.ask("runner.state().state") == "done"
    window.press("motionclone.take_place")
    check_strip(window, tmp_path)
    assert window.close() == 0 and not window.processes_left()


def install_from_disk(window: BlenderWindow, name: str) -> None:
    """*Preferences > Get Extensions > Install from Disk*, from its file browser on."""
    window.ask("with over('VIEW_3D'): bpy.ops.extensions.package_install_files('INVOKE_DEFAULT', repo='user_default')")
    window.wait_for("any(a.type == 'FILE_BROWSER' for w in bpy.context.window_manager.windows for a in w.screen.areas)")
    window.wait_for("area('FILE_BROWSER').spaces[0].params")
    window.ask(
        "params = area('FILE_BROWSER').spaces[0].params\n"
        f"params.directory, params.filename = {str(window.folder).encode()!r}, {name!r}"
    )
    window.press("file.execute", "FILE_BROWSER", "EXECUTE")
    window.wait_for("hasattr(bpy.types.Scene, 'motionclone')")


def write_prompt(window: BlenderWindow) -> None:
    window.press("motionclone.prompt")
    window.key("ctrl+a")
    window.write(PROMPT)
    window.key("Return")
    assert window.ask("bpy.context.scene.motionclone.prompt") == PROMPT


def check_strip(window: BlenderWindow, tmp_path: Path) -> None:
    """The clip lies on the shot's frames, and the sequencer shows it."""
    assert window.ask("[(s.type, s.frame_final_start, s.frame_final_end) for s in strips(scene)]") == [
        ["MOVIE", 11, 59]
    ]
