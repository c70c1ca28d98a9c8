"""Runs inside Blender or bpy: builds the demo scene, clones its motion with the add-on, and imports the clips.

Argument: the folder to write to. Output lines that start with `> ` are for the user. Writes demo.blend and takes.json.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import signal
import sys
from pathlib import Path

import bpy

EXTENSION = Path(__file__).parents[3]
SEED = 7
PROMPTS = (
    "a red ball on green ground under a blue sky",
    "a yellow cube on purple ground under a black sky",
    "a blue cone on brown ground under a pink sky",
)


def main(folder: Path) -> None:
    # Blender's own handler only records the signal; Python's lets the add-on end its backend at once.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    extension = load_extension("motionclone")
    extension.register()
    try:
        make_demo(folder)
    finally:
        extension.unregister()


def load_extension(name: str):
    """Imports the extension under this name, whatever its folder is called, as Blender does."""
    spec = importlib.util.spec_from_file_location(name, EXTENSION / "__init__.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def make_demo(folder: Path) -> None:
    announce("building a scene: a grey ball bounces past a moving camera, 48 frames")
    blend = str(folder / "demo.blend")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.save_version = 0  # no demo.blend1 beside it
    scene = importlib.import_module("motionclone.blender_motionclone.demo_scene").add_demo_scene("Blockout")
    bpy.data.scenes.remove(bpy.context.scene)
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    take, takes = scene.motionclone, []
    take.seed, take.placement = SEED, "NONE"  # only the guided clips go into the sequencer
    for number, prompt in enumerate(PROMPTS):
        take.prompt = prompt
        plain = generate(scene, f"clip {2 * number + 1} of 6, without guidance", "motion_weight=0")
        guided = generate(scene, f"clip {2 * number + 2} of 6, with the scene's motion", "")
        bpy.ops.motionclone.take_place(job=guided, how="STRIP", replace=False)
        takes.append({"prompt": prompt, "plain": plain, "guided": guided})
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    plan = {"frames": scene.frame_end, "fps": scene.render.fps, "takes": takes}
    (folder / "takes.json").write_text(json.dumps(plan, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def generate(scene: bpy.types.Scene, title: str, settings: str) -> str:
    """Captures and generates a take like the button does. Returns the job's folder. Errors end the script with their
    message."""
    take = scene.motionclone
    announce(f"{title}: {take.prompt}")
    take.settings = settings
    bpy.ops.motionclone.generate()
    return take.last_job


def announce(text: str) -> None:
    """Prints a line for the user."""
    print(f"> {text}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[-1]).resolve())
