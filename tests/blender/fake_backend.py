"""Answers as `python -m backend` does, without a model: `-m backend models --json` and `-m backend run DIR`.

A job's prompt chooses what happens: "fail" ends it with a sentence, "crash" without a word, "slow" waits to be stopped,
"deaf" cannot be cancelled politely; anything else makes a clip of `pictures.chart`, one a frame of the shot.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from tests.blender.pictures import chart, write_png

MODELS = [{"name": "demo", "title": "Demo", "frames": 16, "most_frames": 32, "area": 4096, "multiple": 16}]


def main(arguments: list[str]) -> int:
    assert arguments[:2] == ["-m", "backend"], arguments
    assert (Path.cwd() / "backend" / "wire").is_dir(), "not started in the extension's folder"
    if arguments[2] == "models":
        print(json.dumps(MODELS))
        return 0
    return run(Path(arguments[3]))


def run(folder: Path) -> int:
    request = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    say(folder, state="running", stage="sampling", step=3, steps=12, eta=4.2)
    prompt = request["prompt"]
    if prompt == "fail":
        say(folder, state="failed", message="The model is too tired.", hint="Let it rest.")
        return 1
    if prompt == "crash":
        print("Traceback: the ceiling came down", file=sys.stderr, flush=True)
        os._exit(9)
    if prompt in ("slow", "deaf"):
        return wait_for_the_end(folder, deaf=prompt == "deaf")
    write_movie(folder, request["shot"])
    say(folder, state="done", message="Done.")
    return 0


def wait_for_the_end(folder: Path, deaf: bool) -> int:
    if deaf:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (folder / "ready").touch()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        say(folder, state="cancelled", message="The job was cancelled.")
    return 130


def say(folder: Path, **state) -> None:
    (folder / "state.json.part").write_text(json.dumps(state), encoding="utf-8")
    os.replace(folder / "state.json.part", folder / "state.json")


def write_movie(folder: Path, shot: dict) -> None:
    """Blender writes it, without loss: frame k shows chart(k)."""
    import bpy

    pictures = folder / "result"
    pictures.mkdir()
    for k in range(shot["frames"]):
        write_png(pictures / f"{k:04d}.png", chart(k))
    scene = bpy.context.scene
    height, width, _ = chart(0).shape
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, 100
    scene.render.fps, scene.frame_start, scene.frame_end = round(shot["fps"]), 1, shot["frames"]
    scene.view_settings.view_transform = "Standard"
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip = strips.new_image(name="charts", filepath=str(pictures / "0000.png"), channel=1, frame_start=1)
    for k in range(1, shot["frames"]):
        strip.elements.append(f"{k:04d}.png")
    write_animation(scene, folder / "result.mp4")


def write_animation(scene, path: Path) -> None:
    import bpy

    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "VIDEO"
    image.file_format = "FFMPEG"
    ffmpeg = scene.render.ffmpeg
    ffmpeg.format, ffmpeg.codec, ffmpeg.constant_rate_factor, ffmpeg.audio_codec = "MPEG4", "H264", "LOSSLESS", "NONE"
    scene.render.filepath, scene.render.use_file_extension = str(path), False
    bpy.ops.render.render(animation=True)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
