"""The viewport as a reference: what the 3D view shows, at the model's moments, without a trace in the user's file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from install.paths import ROOT

COUNT = 4
# A red square moves evenly under a camera that looks straight down on 8 units; a blue one stands beside it.
SET_UP = f"""
from pathlib import Path
scene = bpy.context.scene
for item in list(scene.objects):
    if item.type != "CAMERA":
        bpy.data.objects.remove(item)
scene.frame_start, scene.frame_end = 11, 58
scene.render.resolution_x, scene.render.resolution_y = 320, 180
square, other = squares = [bpy.data.objects.new(name, bpy.data.meshes.new(name)) for name in ("Square", "Other")]
for item, colour in zip(squares, ((1, 0, 0, 1), (0, 0, 1, 1))):
    item.data.from_pydata([(-0.5, -0.5, 0), (0.5, -0.5, 0), (0.5, 0.5, 0), (-0.5, 0.5, 0)], [], [(0, 1, 2, 3)])
    item.color = colour
    scene.collection.objects.link(item)
square.driver_add("location", 0).driver.expression = "-3 + 6 * (frame - 11) / 47"
camera = scene.camera
camera.location, camera.rotation_euler = (0, 0, 10), (0, 0, 0)
camera.data.type, camera.data.ortho_scale = "ORTHO", 8
view = area("VIEW_3D").spaces[0]
shading = view.shading
shading.light, shading.color_type, shading.background_type = "FLAT", "OBJECT", "VIEWPORT"
shading.background_color = (0, 0, 0)
shading.show_cavity = shading.show_object_outline = False
view.region_3d.view_perspective = "CAMERA"
form = scene.motionclone
form.source, form.prompt, form.settings = "VIEWPORT", "a ball", "frames={COUNT}"
other.keyframe_insert("location", index=2, frame=1)
scene.frame_set(23, subframe=0.25)
bpy.ops.ed.undo_push(message="Before")
other.location.y, square.location.y = -1.5, 0.5
other.location.z = 2  # moved and not keyed: lost as soon as its animation is evaluated
bpy.ops.ed.undo_push(message="Moved")
MODEL = {{"name": "demo", "frames": 16, "most_frames": 32, "area": 4096, "multiple": 16}}

def capture(folder, on_frame=lambda done, of: None):
    with over("VIEW_3D"):
        (plan,) = part("capture.plan").plans_of(bpy.context, [MODEL])
        return str(part("capture.job").capture_job(plan, Path(folder), on_frame))

def state():
    eye = view.region_3d
    matrices = [list(row) for matrix in (eye.view_matrix, eye.perspective_matrix) for row in matrix]
    options = [view.overlay.show_overlays, view.show_gizmo, view.shading.type, eye.view_perspective, scene.frame_float]
    return repr([matrices, options, [list(item.location) for item in squares]])
"""

GLOW = """
engines = bpy.types.RenderSettings.bl_rna.properties["engine"].enum_items.keys()
scene.render.engine = next(name for name in ("BLENDER_EEVEE_NEXT", "BLENDER_EEVEE") if name in engines)
glow = bpy.data.materials.new("Glow")
glow.use_nodes = True
shader = next(node for node in glow.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
shader.inputs["Emission Color"].default_value, shader.inputs["Emission Strength"].default_value = (1, 0, 0, 1), 1
shader.inputs["Base Color"].default_value = (0, 0, 0, 1)
square.data.materials.append(glow)
scene.view_settings.view_transform = "Standard"
"""


@pytest.fixture
def staged(installed):
    """The scene above, and `whole` and `differences` of tests/blender/everything.py."""
    installed.ask((ROOT / "tests/blender/everything.py").read_text(encoding="utf-8"))
    installed.ask("whole, differences = everything, changes" + SET_UP)
    installed.wait_for("view.region_3d.window_matrix[0][0] != 1")
    installed.ask("had, seen = whole(), state()")
    return installed


def test_a_capture_shows_the_view_and_leaves_it(staged):
    clip = captured(staged)
    assert clip.shape == (COUNT, 48, 80, 3)
    assert np.abs(centres(clip, "red") - expected(0.5 + np.linspace(-3, 3, COUNT) / 8, 0.5 - 0.5 / 4.5)).max() < 0.01
    assert np.abs(centres(clip, "blue") - expected([0.5] * COUNT, 0.5 + 1.5 / 4.5)).max() < 0.01
    check_untouched(staged)
    end_it_by_escape(staged)
    close_its_view(staged)
    capture_another_view(staged)
    capture_eevee(staged)
    staged.ask("with over('VIEW_3D'): bpy.ops.ed.undo()")
    assert staged.ask("bpy.data.objects['Other'].location.y") == 0, "a capture is no step of its own"


def end_it_by_escape(window) -> None:
    window.ask("import time\nslow = lambda *_: time.sleep(0.3)\nbpy.app.handlers.frame_change_pre.append(slow)")
    window.open_sidebar()
    window.press("motionclone.generate")
    window.wait_for("part('jobs.job_runner').capture()")
    window.key("Escape")
    window.wait_for("not part('jobs.generation').going_on()")
    window.ask("bpy.app.handlers.frame_change_pre.remove(slow)")
    check_untouched(window)
    assert not list((window.folder.parent / "data").rglob("job.json"))


def close_its_view(window) -> None:
    """In the middle of the capture, which says so and leaves nothing."""
    jobs = window.folder / "closed"
    with pytest.raises(AssertionError, match="The 3D viewport was closed during the capture"):
        window.ask(
            "def close(done, of):\n"
            "    if done == 2: area('VIEW_3D').type = 'TEXT_EDITOR'\n"
            f"capture({str(jobs)!r}, close)"
        )
    window.ask("area('TEXT_EDITOR').type = 'VIEW_3D'")
    check_untouched(window)
    assert list(jobs.iterdir()) == []


def capture_another_view(window) -> None:
    """A free one, of an upright shot, with a hidden object."""
    window.ask("view.region_3d.view_perspective = 'PERSP'\nother.hide_set(True)")
    window.ask("scene.render.resolution_x, scene.render.resolution_y = 180, 320")
    window.wait_for("view.region_3d.window_matrix[3][2] == -1")  # it has been drawn so
    clip = captured(window)
    assert clip.shape == (COUNT, 80, 48, 3) and not mask_of(clip, "blue").any()
    x = centres(clip, "red")[:, 0]
    assert (np.diff(x) > 0.02).all() or (np.diff(x) < -0.02).all()
    window.ask("scene.render.engine, view.shading.type = 'CYCLES', 'RENDERED'")
    with pytest.raises(AssertionError, match="The viewport shows a render by Cycles, which cannot be captured"):
        captured(window)
    window.ask("view.shading.type = 'SOLID'")


def capture_eevee(window) -> None:
    """The view's own shading, by the materials: a glowing red square moves."""
    window.ask(GLOW)
    for shading in ("MATERIAL", "RENDERED"):
        window.ask(f"view.shading.type = {shading!r}\nseen = state()")
        x = centres(captured(window), "red")[:, 0]
        assert (np.diff(x) > 0.02).all() or (np.diff(x) < -0.02).all()
        assert window.ask("state() == seen")
    window.ask("view.shading.type = 'SOLID'")


def check_untouched(window) -> None:
    assert window.ask("differences(had, whole())") == ""
    assert window.ask("state() == seen")


def captured(window) -> np.ndarray:
    """uint8 [frames, H, W, BGR]."""
    folder = Path(window.ask(f"capture({str(window.folder / 'jobs')!r})"))
    return np.stack([cv2.imread(str(path)) for path in sorted((folder / "reference").iterdir())])


def mask_of(picture: np.ndarray, colour: str) -> np.ndarray:
    blue, red = picture[..., 0].astype(float), picture[..., 2].astype(float)
    return (red - blue if colour == "red" else blue - red) > 100


def centres(clip: np.ndarray, colour: str) -> np.ndarray:
    """(x, y) of what has the colour in each frame, as shares of the width and the height."""
    places = [np.argwhere(mask_of(frame, colour)).mean(0) + 0.5 for frame in clip]
    return np.array(places)[:, ::-1] / clip.shape[2:0:-1]


def expected(x, y: float) -> np.ndarray:
    return np.stack([np.asarray(x), np.full(COUNT, y)], 1)
