"""What is rendered beside the reference: the subject's mask, depth, and true motion vectors.

In the job folder, for every frame of the reference and of its size:
mask/0000.png     how much of each pixel the subject covers, white on black; what hides it is black
depth/0000.png    inverse distance, near light and far dark, one scale for the whole clip
vectors/0000.npy  float32 [H, W, 2]: how many pixels right and down the surface seen in each pixel moves until the next
                  frame of the reference, NaN where there is only sky; the last frame has none
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import bpy
import numpy as np

from ...backend.job_folder.problem import Problem
from ...backend.job_folder.writing import remove_with_retry
from .motion_texture import use_cycles
from .pixels import SKY, depth_shades, read_exr, to_bytes, write_png
from .plan import CapturePlan
from .rendering import WAITING, render_frames
from .stage import NAME, Stage, put, temporary
from .subject import hold_out_others

_EXR = {
    "media_type": "MULTI_LAYER_IMAGE",
    "file_format": "OPEN_EXR_MULTILAYER",
    "color_depth": "32",
    "exr_codec": "NONE",
}
MASK_SAMPLES = 16  # gray levels along an outline


def capture_passes(stage: Stage, plan: CapturePlan, folder: Path) -> Iterator[str | None]:
    """Writes the passes that the plan asks for into the job's folder, one rendered picture per step. Yields WAITING for
    a step that renders none."""
    put(stage.scene.render.image_settings, _EXR)
    with _one_material(stage):
        if plan.subject:
            yield from _mask(stage, plan, folder)
        if plan.depth_folder or plan.vectors:
            yield from _geometry(stage, plan, folder)


@contextmanager
def _one_material(stage: Stage) -> Iterator[None]:
    """Makes all surfaces opaque, and skips slow shading."""
    with temporary(bpy.data.materials, bpy.data.materials.new(NAME)) as material:
        put(stage.view_layer, {"material_override": material, "use_volumes": False})
        stage.scene.world = None
        yield


def _mask(stage: Stage, plan: CapturePlan, folder: Path) -> Iterator[None]:
    use_cycles(stage.scene, samples=MASK_SAMPLES)
    stage.scene.render.film_transparent = True
    (folder / "mask").mkdir()
    brightest = 0.0
    with temporary(bpy.data.collections, hold_out_others(stage, plan.subject or ())):
        for k, layers in _layers(stage, plan.times, folder):
            brightest = max(brightest, float(layers["Combined.A"].max()))
            write_png(folder / f"mask/{k:04d}.png", to_bytes(layers["Combined.A"]))
            yield
    if not brightest:
        raise Problem(
            "{camera} never sees the subject, so the mask would be black in all frames.",
            "Choose other objects or another collection as the subject, or turn off the mask.",
        ).about(camera=plan.target.camera)


def _geometry(stage: Stage, plan: CapturePlan, folder: Path) -> Iterator[str | None]:
    """Depth and vectors use one sample at each pixel's center, because the mean of two surfaces' distances belongs to
    neither."""
    use_cycles(stage.scene, samples=1, pixel_filter_type="BOX", filter_width=0.01)
    stage.view_layer.use_pass_z, stage.view_layer.use_pass_vector = True, plan.vectors
    times, distances = plan.times, {}
    if plan.vectors:
        (folder / "vectors").mkdir()
        stretched = plan.stretched
        render = stage.scene.render
        render.frame_map_old, render.frame_map_new, times = stretched.old, stretched.new, stretched.times
    for k, layers in _layers(stage, times, folder):
        distances[k] = layers["Depth.Z"]
        if plan.vectors and k < plan.count - 1:
            moved = np.stack([-layers["Vector.Z"], layers["Vector.W"]], -1)
            moved[layers["Depth.Z"] >= SKY] = np.nan
            np.save(folder / f"vectors/{k:04d}.npy", moved)
        yield
    if plan.depth_folder:
        (folder / plan.depth_folder).mkdir(parents=True)
        for k, shades in enumerate(depth_shades([distances[k] for k in range(plan.count)])):
            write_png(folder / plan.depth_folder / f"{k:04d}.png", shades)
            yield WAITING  # each picture is a step, so that Blender can respond, but none that was rendered


def _layers(
    stage: Stage, times: Sequence[tuple[int, float]], folder: Path
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Yields k and the render layers at time k: float32 [H, W] by name, without the view layer's name."""
    for k, path in render_frames(stage, times, folder / "layers", ".exr"):
        prefix = f"{stage.view_layer.name}."
        yield k, {name.removeprefix(prefix): plane for name, plane in read_exr(path).items()}
        remove_with_retry(path)
    with suppress(OSError):  # a virus scanner may still hold a file that was removed
        (folder / "layers").rmdir()
