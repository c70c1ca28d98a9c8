"""Clips as Blender writes them, without loss."""

from __future__ import annotations

from pathlib import Path

import bpy

from tests.blender.pictures import chart, write_png


def write_movie(folder: Path, shot: dict) -> None:
    """folder/result.mp4, in which frame k shows chart(k)."""
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
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "VIDEO"
    image.file_format = "FFMPEG"
    ffmpeg = scene.render.ffmpeg
    ffmpeg.format, ffmpeg.codec, ffmpeg.constant_rate_factor, ffmpeg.audio_codec = "MPEG4", "H264", "LOSSLESS", "NONE"
    scene.render.filepath, scene.render.use_file_extension = str(path), False
    bpy.ops.render.render(animation=True)
