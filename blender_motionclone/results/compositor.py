"""A clip as an input of the compositor, at the render's size."""

from __future__ import annotations

import bpy

from ..errors import UserError
from .colours import clip_space, tend_view
from .finished_job import FinishedJob
from .movie_image import earlier_takes, follow_shot, movie_image
from .placement import Placement, Wish


def place_in_compositor(_context: bpy.types.Context, scene: bpy.types.Scene, job: FinishedJob, wish: Wish) -> Placement:
    """Adds the node beside what is there: the render stays as it is until the user connects it."""
    tree = _tree(scene)
    if tree and not tree.is_editable:
        raise UserError(f"The compositor's nodes {tree.name!r} are linked and cannot be changed.", "Make them local.")
    image = movie_image(job, clip_space(scene, wish.keep_view))
    tree = tree or _new_tree(scene)
    showers = [node for node in tree.nodes if node.bl_idname == "CompositorNodeImage"]
    nodes, replaced = earlier_takes(showers, job) if wish.replace else ([], "")
    for node in nodes or [_add(tree)]:
        node.image = image
        node.label = job.name
        follow_shot(node, job, scene)
        name = node.name
    text = f"The compositor has the clip in node {name!r}"
    if hasattr(scene, "node_tree") and not scene.use_nodes:
        text = f"The compositor has the clip in node {name!r}, but Use Nodes is off"
    return Placement(name=name, replaced=replaced, text=text, note=tend_view(scene, wish.keep_view))


def _tree(scene: bpy.types.Scene) -> bpy.types.NodeTree | None:
    return scene.compositing_node_group if hasattr(scene, "compositing_node_group") else scene.node_tree


def _new_tree(scene: bpy.types.Scene) -> bpy.types.NodeTree:
    """One that lets the render through."""
    if hasattr(scene, "compositing_node_group"):
        return _new_group(scene)
    scene.use_nodes = True  # brings Render Layers and Composite along
    return scene.node_tree


def _new_group(scene: bpy.types.Scene) -> bpy.types.NodeTree:
    tree = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
    tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    layers, output = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("NodeGroupOutput")
    layers.scene, output.location.x = scene, 400
    tree.links.new(layers.outputs["Image"], output.inputs["Image"])
    scene.compositing_node_group = tree
    return tree


def _add(tree: bpy.types.NodeTree) -> bpy.types.Node:
    """The image node, with a scale node behind it that stretches the clip over the frame."""
    left = min((node.location.x for node in tree.nodes), default=0.0)
    low = min((node.location.y for node in tree.nodes), default=0.0) - 400
    image, scale = tree.nodes.new("CompositorNodeImage"), tree.nodes.new("CompositorNodeScale")
    image.location, scale.location = (left, low), (left + 300, low)
    if "Type" in scale.inputs:  # 5.0
        scale.inputs["Type"].default_value, scale.inputs["Frame Type"].default_value = "Render Size", "Stretch"
    else:
        scale.space, scale.frame_method = "RENDER_SIZE", "STRETCH"
    tree.links.new(image.outputs["Image"], scale.inputs["Image"])
    return image
