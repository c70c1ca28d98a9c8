"""A clip in nodes: of the active object's material, or of the compositor."""

from __future__ import annotations

import bpy

from ...backend.job_folder.problem import Problem, Sentence
from .colors import clip_space, neutralize_view
from .finished_job import FinishedJob
from .movie_image import earlier_takes, follow_shot, movie_image
from .placement import Placement, PlacementOptions


def place_texture(
    context: bpy.types.Context, scene: bpy.types.Scene, job: FinishedJob, options: PlacementOptions
) -> Placement:
    """Colors the surface with the clip. Lights and the scene's view affect it like any other texture."""
    obj = _textured_object(context)
    image = movie_image(job)
    material = _material(obj, job)
    tree = material.node_tree
    nodes, replaced = earlier_takes(image_nodes(tree), job) if options.replace else ([], "")
    if not nodes:
        nodes = [add_image_node(tree, _color_socket(material))]
    for node in nodes:
        node.image = image
        follow_shot(node.image_user, job, scene)
    text = Sentence(
        "The clip is the texture of material {material} of {object}",
        material=repr(material.name),
        object=repr(obj.name),
    )
    return Placement(name=material.name, replaced=replaced, text=text)


def image_nodes(tree: bpy.types.NodeTree) -> list[bpy.types.Node]:
    return [node for node in tree.nodes if node.bl_idname == "ShaderNodeTexImage"]


def add_image_node(tree: bpy.types.NodeTree, socket: bpy.types.NodeSocket) -> bpy.types.Node:
    """Connects an image node to `socket`. What was connected before stays in the tree."""
    node = tree.nodes.new("ShaderNodeTexImage")
    node.location = socket.node.location.x - 320, socket.node.location.y
    tree.links.new(node.outputs["Color"], socket)
    return node


def _textured_object(context: bpy.types.Context) -> bpy.types.Object:
    obj = context.view_layer.objects.active
    if obj is None:
        raise Problem("No object is active.", "Select the object that should show the clip.")
    if obj.type != "MESH":
        raise Problem("{object} is not a mesh.", "Select the mesh object that should show the clip.").about(
            object=repr(obj.name)
        )
    if not obj.is_editable or not obj.data.is_editable:
        raise Problem(
            "{object} is linked and cannot be changed.",
            "Use Object > Relations > Make Local, or choose another object.",
        ).about(object=repr(obj.name))
    if not obj.data.uv_layers:
        raise Problem("{object} has no UV map.", "Unwrap it (in Edit Mode, UV > Unwrap) and try again.").about(
            object=repr(obj.name)
        )
    return obj


def _material(obj: bpy.types.Object, job: FinishedJob) -> bpy.types.Material:
    """The object's active material, with nodes. Makes a new one if there is none."""
    material = obj.active_material
    _check_override(material or obj.data)
    if material is None:
        material = bpy.data.materials.new(job.name)
        if obj.material_slots:
            obj.active_material = material
        else:
            obj.data.materials.append(material)
    if not material.is_editable:
        raise Problem(
            "Material {material} is linked and cannot be changed.", "Make it local, or give the object another."
        ).about(material=repr(material.name))
    if material.node_tree is None or not material.use_nodes:
        material.use_nodes = True
    return material


def _check_override(block: bpy.types.ID) -> None:
    """Blender lets Python add nodes and slots there, but loses them when the file is opened again."""
    if block.override_library:
        raise Problem(
            "{block} is a library override, which would lose the clip when the file is opened again.",
            "Make it local, or give the object another material.",
        ).about(block=repr(block.name))


def _color_socket(material: bpy.types.Material) -> bpy.types.NodeSocket:
    """The color input of the shader nearest to the output. A material without a surface gets a Principled BSDF."""
    tree = material.node_tree
    output = tree.get_output_node("ALL") or tree.nodes.new("ShaderNodeOutputMaterial")
    surface = output.inputs["Surface"]
    if not surface.is_linked:
        shader = tree.nodes.new("ShaderNodeBsdfPrincipled")
        shader.location = output.location.x - 320, output.location.y
        tree.links.new(shader.outputs[0], surface)
    row, seen = [surface.links[0].from_node], set()
    while row:
        node = row.pop(0)
        for name in ("Base Color", "Color"):
            if name in node.inputs:
                return node.inputs[name]
        seen.add(node)
        row += [link.from_node for socket in node.inputs for link in socket.links if link.from_node not in seen]
    raise Problem(
        "Material {material} has no shader with a color.", "Connect a Principled BSDF to its output and try again."
    ).about(material=repr(material.name))


def place_in_compositor(
    _context: bpy.types.Context, scene: bpy.types.Scene, job: FinishedJob, options: PlacementOptions
) -> Placement:
    """Adds the node without connecting it, so the render does not change until the user does."""
    tree = _tree(scene)
    if tree and not tree.is_editable:
        raise Problem("The compositor's nodes {tree} are linked and cannot be changed.", "Make them local.").about(
            tree=repr(tree.name)
        )
    image = movie_image(job, clip_space(scene, options.keep_view))
    tree = tree or _new_tree(scene)
    showers = [node for node in tree.nodes if node.bl_idname == "CompositorNodeImage"]
    nodes, replaced = earlier_takes(showers, job) if options.replace else ([], "")
    for node in nodes or [_add(tree)]:
        node.image = image
        node.label = job.name
        follow_shot(node, job, scene)
        name = node.name
    text = Sentence("The clip is in the compositor's node {name}", name=repr(name))
    if hasattr(scene, "node_tree") and not scene.use_nodes:
        text = Sentence("The clip is in the compositor's node {name}, but Use Nodes is off", name=repr(name))
    return Placement(name=name, replaced=replaced, text=text, note=neutralize_view(scene, options.keep_view))


def _tree(scene: bpy.types.Scene) -> bpy.types.NodeTree | None:
    return scene.compositing_node_group if hasattr(scene, "compositing_node_group") else scene.node_tree


def _new_tree(scene: bpy.types.Scene) -> bpy.types.NodeTree:
    """A compositor tree that passes the render through."""
    if hasattr(scene, "compositing_node_group"):
        return _new_group(scene)
    scene.use_nodes = True  # adds Render Layers and Composite nodes
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
    """An image node, and a scale node that stretches the clip over the frame."""
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
