"""Makes docs/panels: a picture of each state of the panels, from Blender's real window with real jobs.

Run it with the backend's Python in the repository's root, as root on Debian, and look at what it made:

    $(python3 -m install python) -m tests.window.pictures [DIR]

The Debian folder is MOTIONCLONE_WINDOW's, as for the tests, else the installer's own, which is made where missing.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from install.developing.extension import build_extension
from install.developing.window import make_window
from install.paths import ROOT
from tests.install_kills import make_wheels
from tests.package_index import Index, serving
from tests.window.album import Album, blender

PROMPT = "a red cube on green ground under a blue sky"
OTHER_PROMPT = "a purple cube on brown ground under an orange sky"
BLOCKOUT = f"""
scene.frame_start, scene.frame_end = 1, 48
cube = bpy.data.objects["Cube"]
for frame, x in ((1, -2), (48, 2)):
    cube.location.x = x
    cube.keyframe_insert("location", index=0, frame=frame)
form.prompt, form.quality, form.seed = {PROMPT!r}, "draft", 3
"""
SLOW_FRAMES = """
import time
def slow(*_):
    time.sleep(0.2)
bpy.app.handlers.frame_change_pre.append(slow)
"""
FAST_FRAMES = "bpy.app.handlers.frame_change_pre.remove(slow)"
OPENED = """
NAMES = ("passes", "pictures", "batch", "advanced", *(f"settings_{n}" for n in range(5)))
panels = [getattr(bpy.types, f"MOTIONCLONE_PT_{name}") for name in NAMES]
for panel in reversed(panels):
    bpy.utils.unregister_class(panel)
for panel in panels:
    panel.bl_options = set()
    bpy.utils.register_class(panel)
"""
PREFERENCES = "bpy.context.preferences.addons['bl_ext.user_default.motionclone'].preferences"
RUNNER, INSTALLER = "part('jobs.job_runner')", "part('setup.install_runner')"
GENERATE = "with over('VIEW_3D'): bpy.ops.motionclone.generate('INVOKE_DEFAULT')"
KILL_WORKER = """
import os, pathlib, signal
for said in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    if b"backend\\0serve" in said.read_bytes():
        os.kill(int(said.parent.name), signal.SIGKILL)
"""


def without_backend(album: Album) -> None:
    album.open_sidebar()
    album.wait(f"{INSTALLER}.plan()")
    album.sidebar("first-run")
    album.window.press("motionclone.install_backend")
    album.sidebar("problem-offline")
    album.open_preferences()
    album.preferences("preferences-missing")
    album.close_preferences()
    album.ask("bpy.ops.motionclone.dismiss_problem()\nbpy.context.preferences.system.use_online_access = True")
    with slow_packages(album):
        album.window.press("motionclone.install_backend")
        album.wait(f"({INSTALLER}.reported().megabytes or (0, 0))[0] > 60")
        album.sidebar("installing")
        album.ask(f"{INSTALLER}.cancel()")
        album.wait(f"not {INSTALLER}.running()")
        album.wait(f"{INSTALLER}.plan().download_bytes < 400e6")
    album.sidebar("unfinished")


@contextmanager
def slow_packages(album: Album) -> Iterator[None]:
    """Made-up ones, as many MB as torch, from an index on loopback: the same picture on every machine."""
    with tempfile.TemporaryDirectory() as place:
        locks = make_wheels(Path(place), packages=1, files=480)
        for lock in locks.iterdir():
            to = f"part('preferences').EXTENSION_ROOT / 'install/locks/{lock.name}'"
            album.ask(f"({to}).write_text({lock.read_text()!r})")
        with serving(Index(Path(place), pause=0.01)) as address:
            album.ask(f"import os; os.environ.update(PIP_INDEX_URL={address!r}, PIP_CONFIG_FILE=os.devnull)")
            yield


def first_clip(album: Album) -> None:
    """The demo, with one press."""
    album.open_sidebar()
    album.wait("part('setup.backend_models').models()")
    album.sidebar("try-demo")
    album.ask(SLOW_FRAMES)
    album.window.press("motionclone.try_demo")
    album.wait(f"({RUNNER}.capture() or (0, 0))[0] > 3")
    album.sidebar("capturing")
    album.ask(FAST_FRAMES)
    wait_for_preview(album)
    album.sidebar("running")
    album.ask("demo = bpy.data.scenes['MotionClone Demo'].motionclone")
    album.wait("demo.takes[0].state == 'done'")
    album.sidebar("get-real-model")
    watch(album)
    album.ask("bpy.ops.motionclone.hide_first_run()\nbpy.context.window.scene = scene")


def watch(album: Album) -> None:
    """The demo's clip as it plays: the window's areas again, and only the view and what is beside it."""
    album.ask("with over('VIEW_3D'): bpy.ops.screen.screen_full_area()")
    album.ask("with over('VIEW_3D', 'UI'): bpy.ops.motionclone.watch()")
    album.ask("bpy.ops.screen.animation_cancel(restore_frame=False)\nscene_of = bpy.data.scenes['MotionClone Demo']")
    album.ask("scene_of.frame_set(24)")
    album.window_picture("watch")
    album.ask("bpy.ops.motionclone.stop_watching()")
    album.open_sidebar()


def form(album: Album) -> None:
    """A scene of one's own."""
    album.ask(BLOCKOUT)
    album.sidebar("form")
    album.ask("form.prompt = ''")
    album.sidebar("problem-prompt")
    album.ask(f"form.prompt, scene.camera = {PROMPT!r}, None")
    album.sidebar("problem-camera")
    album.ask("scene.camera = bpy.data.objects['Camera']")


def takes(album: Album) -> None:
    """A batch: one is cancelled, one loses its worker, the others are done."""
    album.ask(f"form.seeds, form.more_prompts.add().text = 2, {OTHER_PROMPT!r}\n{GENERATE}")
    album.wait("len(form.takes) == 4")
    wait_for_preview(album)
    album.sidebar("queue")
    album.ask("bpy.ops.motionclone.cancel(job=form.takes[2].name)")
    album.wait(f"form.takes[0].state == 'done' and {RUNNER}.running()")
    wait_for_preview(album)
    album.ask(KILL_WORKER)
    album.wait("any(take.state == 'failed' for take in form.takes)")
    album.wait("form.takes[3].state == 'done'")
    album.ask("form.seeds = 1\nform.more_prompts.clear()")
    album.sidebar("take-failed")
    album.ask("form.take_index = 0")
    album.sidebar("takes")
    album.ask("with over('VIEW_3D'): bpy.ops.screen.screen_full_area()\narea('VIEW_3D').ui_type = 'SEQUENCE_EDITOR'")
    album.open_sidebar("SEQUENCE_EDITOR")
    album.sidebar("sequencer", "SEQUENCE_EDITOR")
    album.ask("with over('SEQUENCE_EDITOR'): bpy.ops.screen.screen_full_area()")


def offers(album: Album) -> None:
    """The file is opened again as it was before its takes were made."""
    album.ask(BLOCKOUT + "bpy.ops.motionclone.hide_first_run()\nform.key = 'shot'")
    album.ask(f"path = '/tmp/shot.blend'\nbpy.ops.wm.save_as_mainfile(filepath=path)\n{GENERATE}")
    album.wait("len(form.takes) and form.takes[0].state == 'done'")
    album.ask(GENERATE)
    wait_for_preview(album)
    album.ask("bpy.ops.motionclone.stop_worker()")
    album.wait("form.takes[1].state == 'queued'")
    album.wait(f"not {RUNNER}._now.queue.busy")  # the worker has let go of its folder
    album.ask("bpy.ops.wm.open_mainfile(filepath=path)")
    album.ask("scene = bpy.context.scene; form = scene.motionclone")
    album.open_sidebar()
    album.wait("part('jobs.takes').unfinished(scene)")
    album.sidebar("offers")


def left(album: Album) -> None:
    """Blender was closed while takes were made, and the worker still makes them."""
    album.ask(BLOCKOUT + "bpy.ops.motionclone.hide_first_run()")
    album.ask("form.seeds, form.settings = 3, 'steps=900 sampler=ddim'")
    album.ask(f"path = '/tmp/left.blend'\n{GENERATE}")
    wait_for_preview(album)
    album.ask("bpy.ops.wm.save_as_mainfile(filepath=path)")
    album.ask(f"{PREFERENCES}.when_closing = 'ALL'\ndel form")
    for how in ("disable", "enable"):  # as Blender's end and its next start
        album.ask(f"bpy.ops.preferences.addon_{how}(module='bl_ext.user_default.motionclone')")
    album.ask("bpy.ops.wm.open_mainfile(filepath=path)\nscene = bpy.context.scene; form = scene.motionclone")
    album.open_sidebar()
    album.wait(f"len({RUNNER}.elsewhere(scene)) == 3 and form.takes[0].message")
    album.ask("form.take_index = 0")
    album.sidebar("left")
    album.window.press("motionclone.cancel")
    album.sidebar("left-asked")
    album.wait("all(take.state == 'cancelled' for take in form.takes)")


def details(album: Album) -> None:
    """All that is folded away, in a fresh sidebar, which has not been told yet what is open."""
    album.ask(OPENED + "bpy.ops.motionclone.hide_first_run()")
    album.ask(BLOCKOUT + f"form.more_prompts.add().text = {OTHER_PROMPT!r}\nform.use_mask = True")
    album.open_sidebar()
    album.wait("part('setup.backend_models').models()")
    album.sidebar("details")


def preferences(album: Album) -> None:
    album.ask("bpy.context.preferences.system.use_online_access = True")
    album.open_preferences()
    album.ask("bpy.ops.motionclone.start_worker()")
    album.wait(f"{RUNNER}.worker().state == 'ready'")
    album.preferences("preferences")
    album.ask("with over('PREFERENCES'): bpy.ops.motionclone.doctor('INVOKE_DEFAULT')")
    album.wait(f"{INSTALLER}.findings()")
    album.preferences("doctor")
    album.window.press("motionclone.storage_measure", "PREFERENCES", "WINDOW")
    album.wait("part('setup.storage').rooms()")
    album.preferences("storage")
    album.close_preferences()


def models(album: Album) -> None:
    album.ask("bpy.context.preferences.system.use_online_access = True\nbpy.ops.motionclone.get_model()")
    album.wait(f"{INSTALLER}.models()")
    album.open_preferences()
    album.preferences("models")
    album.window.press("motionclone.model_get", "PREFERENCES", "WINDOW")
    album.preferences("get-model")


SESSIONS = (
    (False, (without_backend,)),
    (True, (first_clip, form, takes)),
    (True, (offers,)),
    (True, (left,)),
    (True, (details, preferences)),
    (True, (models,)),
)


def wait_for_preview(album: Album) -> None:
    album.wait(f"{RUNNER}.preview_step({RUNNER}.running() or '')")


def main(folder: Path, only: str = "") -> None:
    """only: the name of one state's function, to look at it alone."""
    root = Path(chosen) if (chosen := os.environ.get("MOTIONCLONE_WINDOW")) else make_window("sid")
    with tempfile.TemporaryDirectory() as place:
        extension = build_extension(Path(place))
        for installed, steps in SESSIONS:
            if only and only not in [step.__name__ for step in steps]:
                continue
            with blender(root, extension, Path(sys.executable), folder, installed) as album:
                for step in steps:
                    step(album)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "panels", *sys.argv[2:3])
