"""A clip in a camera's view: on a plane that fills it, or behind the scene as a background image."""

from __future__ import annotations

import bpy

from ...backend.job_folder.problem import Problem, Sentence
from ..capture.shot import checked_camera
from ..capture.stage import plane_collection
from .camera_fit import fit_to_camera
from .colors import clip_space, neutralize_view
from .finished_job import FinishedJob
from .movie_image import earlier_takes, follow_shot, hide_outside_shot, movie_image
from .nodes import add_image_node, image_nodes
from .placement import Placement, PlacementOptions, give_name, has_given_name, job_shown, mark, same_take, shows_shot

# It is a picture: it must not emit light, cast shadows, or appear in reflections.
UNSEEN_BY = ("visible_diffuse", "visible_glossy", "visible_transmission", "visible_volume_scatter", "visible_shadow")

OVERLAP = 0.01


def place_plane(
    _context: bpy.types.Context, scene: bpy.types.Scene, job: FinishedJob, options: PlacementOptions
) -> Placement:
    """Visible only on the shot's frames, so that planes of several shots do not hide each other."""
    camera = shot_camera(scene, job)
    planes = earlier_planes(scene, job) if options.replace else []
    before = job_shown(planes[-1]) if planes else ""
    image = movie_image(job, clip_space(scene, options.keep_view))
    for plane in planes or [_new_plane(scene, camera, job, image)]:
        _show(plane, job, image, scene)
    text = Sentence(
        "Plane {plane} fills the view of camera {camera}, behind everything else. Its Distance "
        "property moves it closer",
        plane=repr(plane.name),
        camera=repr(camera.name),
    )
    return Placement(
        name=plane.name,
        replaced=before if before != job.id else "",
        text=text,
        note=neutralize_view(scene, options.keep_view),
    )


def earlier_planes(scene: bpy.types.Scene, job: FinishedJob) -> list[bpy.types.Object]:
    """Planes that still show a take of the shot. The user may have assigned another material."""
    found = [obj for obj in scene.objects if shows_shot(obj, job) and _nodes(obj, job)]
    return same_take(found, found[-1]) if found else []


def _nodes(obj: bpy.types.Object, job: FinishedJob) -> list[bpy.types.Node]:
    trees = [slot.material.node_tree for slot in obj.material_slots if slot.material and slot.material.node_tree]
    nodes = [node for tree in trees for node in image_nodes(tree)]
    return [node for node in nodes if node.image and shows_shot(node.image, job)]


def _show(plane: bpy.types.Object, job: FinishedJob, image: bpy.types.Image, scene: bpy.types.Scene) -> None:
    for node in _nodes(plane, job):
        node.image = image
        follow_shot(node.image_user, job, scene)
    if has_given_name(plane):
        give_name(plane, job.name)
    mark(plane, job)


def _new_plane(
    scene: bpy.types.Scene, camera: bpy.types.Object, job: FinishedJob, image: bpy.types.Image
) -> bpy.types.Object:
    plane = bpy.data.objects.new(job.name, _square(job.name))
    try:
        fit_to_camera(plane, scene, camera)
    except BaseException:
        bpy.data.meshes.remove(plane.data)  # this also removes the object
        raise
    plane.data.materials.append(_emission(job.name, image))
    for name in UNSEEN_BY:
        setattr(plane, name, False)
    hide_outside_shot(plane, scene, job)
    give_name(plane, job.name)
    plane_collection(scene).objects.link(plane)
    return plane


def _square(name: str) -> bpy.types.Mesh:
    """A little larger than the frame while the clip is not, so that pixels at the edge do not mix with the
    background."""
    low, high = -OVERLAP, 1 + OVERLAP
    corners = [(low, low), (high, low), (high, high), (low, high)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(x - 0.5, y - 0.5, 0) for x, y in corners], [], [(0, 1, 2, 3)])
    mesh.uv_layers.new(name="UVMap").data.foreach_set("uv", [value for corner in corners for value in corner])
    return mesh


def _emission(name: str, image: bpy.types.Image) -> bpy.types.Material:
    """Emits exactly the clip's colors, whatever the lighting is."""
    material = bpy.data.materials.new(name)
    if material.node_tree is None:
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    shader, output = tree.nodes.new("ShaderNodeEmission"), tree.nodes.new("ShaderNodeOutputMaterial")
    output.location.x = 200
    tree.links.new(shader.outputs[0], output.inputs["Surface"])
    node = add_image_node(tree, shader.inputs["Color"])
    node.image, node.extension = image, "EXTEND"
    return material


def place_background(
    _context: bpy.types.Context, scene: bpy.types.Scene, job: FinishedJob, options: PlacementOptions
) -> Placement:
    """The 3D view draws background images without the scene's view transform, so their colors need no adjustment."""
    camera = shot_camera(scene, job)
    if not camera.data.is_editable:
        raise Problem(
            "Camera {camera} is linked and cannot be changed.", "Make it local, or place the clip elsewhere."
        ).about(camera=repr(camera.name))
    backgrounds = camera.data.background_images
    images = [background for background in backgrounds if background.source == "IMAGE"]
    ours, replaced = earlier_takes(images, job) if options.replace else ([], "")
    image = movie_image(job)
    for background in ours or [_add(backgrounds)]:
        background.image = image
        follow_shot(background.image_user, job, scene)
    camera.data.show_background_images = True
    text = Sentence("The clip is the background image of camera {camera}", camera=repr(camera.name))
    return Placement(name=camera.name, replaced=replaced, text=text)


def _add(backgrounds: bpy.types.CameraBackgroundImages) -> bpy.types.CameraBackgroundImage:
    background = backgrounds.new()
    background.alpha = 1.0
    background.frame_method = "STRETCH"  # maps the clip's pixels to the shot's
    return background


def shot_camera(scene: bpy.types.Scene, job: FinishedJob) -> bpy.types.Object:
    """The camera of the capture if the scene still has it, or else the scene's camera. Problem when there is none."""
    camera = scene.objects.get(job.camera) if job.camera else None
    if camera is None or camera.type != "CAMERA":
        return checked_camera(scene)
    return camera
