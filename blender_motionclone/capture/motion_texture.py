"""A gray texture that sticks to every surface, so that plain blockouts show their motion.

It is mapped to each object's rest shape, before modifiers, and to the directions of the sky. Geometry nodes keep no
rest shape: the texture slides over what they move or create, but sticks to instances. The user's data is not changed: a
view layer of the stage overrides all materials.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy

from .rendering import use_engine
from .stage import NAME, Stage, put, temporary

LIGHT = (-0.45, -0.49, 0.75)  # where the slightly stronger part of the light comes from
SURFACE = {"features": 4.0, "detail": 6.0, "roughness": 0.65, "low": 0.35, "high": 0.65}
SKY = {"features": 2.5, "detail": 3.0, "roughness": 0.5, "low": 0.35, "high": 0.65}
GRAYS, SKY_GRAYS = (0.12, 0.75), (0.05, 0.25)  # scene-linear, darkest and brightest
SAMPLES = 8

_CYCLES = {
    "device": "CPU",  # rendering one bounce is quicker than loading a GPU's kernels
    "use_adaptive_sampling": False,
    "use_denoising": False,
    "max_bounces": 0,
    "transparent_max_bounces": 8,
    "seed": 0,
    "use_animated_seed": False,
    "shading_system": False,
    "pixel_filter_type": "BLACKMAN_HARRIS",
    "filter_width": 1.5,
    "film_transparent_glass": False,
}


@contextmanager
def motion_texture(stage: Stage) -> Iterator[None]:
    """Makes the stage render with the texture inside the block."""
    use_cycles(stage.scene, samples=SAMPLES)
    with (
        temporary(bpy.data.materials, bpy.data.materials.new(NAME)) as material,
        temporary(bpy.data.worlds, bpy.data.worlds.new(NAME)) as world,
    ):
        _draw_surface(_emptied(material))
        _draw_sky(_emptied(world))
        world.cycles.sampling_method = "NONE"  # otherwise it is rendered first, for seconds per frame
        stage.scene.world = world
        put(stage.view_layer, {"material_override": material, "use_sky": True, "use_volumes": False})
        yield


def use_cycles(scene: bpy.types.Scene, **settings) -> None:
    """Cycles needs no graphics driver and can override all materials."""
    use_engine(
        scene, "CYCLES", "Enable the add-on Cycles Render Engine, or choose the shading Plain and turn off the passes."
    )
    put(scene.cycles, _CYCLES | settings)


def _emptied(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    if not owner.node_tree:  # Blender 4
        owner.use_nodes = True
    owner.node_tree.nodes.clear()
    return owner.node_tree


def _draw_surface(tree: bpy.types.NodeTree) -> None:
    """Noise in rest-shape coordinates: the same number of features along each object's longest side, offset per
    object."""
    coordinates, size, surface, which = (
        tree.nodes.new(f"ShaderNode{kind}") for kind in ("TexCoord", "Attribute", "NewGeometry", "ObjectInfo")
    )
    size.attribute_type, size.attribute_name = "OBJECT", "texspace_size"
    # Generated coordinates run from 0 to 1 along each side of the rest shape; its size makes the noise uniform again.
    even = _maths(tree, "ShaderNodeVectorMath", "MULTIPLY", coordinates.outputs["Generated"], size.outputs["Vector"])
    parts = tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(size.outputs["Vector"], parts.inputs[0])
    longest = _maths(tree, "ShaderNodeMath", "MAXIMUM", parts.outputs[0], parts.outputs[1])
    longest = _maths(tree, "ShaderNodeMath", "MAXIMUM", longest, parts.outputs[2])
    scale = _maths(tree, "ShaderNodeMath", "DIVIDE", SURFACE["features"], longest)
    seed = _maths(tree, "ShaderNodeMath", "MULTIPLY", which.outputs["Random"], 100.0)
    gray = _noise(tree, SURFACE, GRAYS, even, scale, seed)
    facing = _maths(tree, "ShaderNodeVectorMath", "DOT_PRODUCT", surface.outputs["Normal"], LIGHT)
    light = _maths(tree, "ShaderNodeMath", "MULTIPLY_ADD", facing, 0.3, 0.7)
    lit = _maths(tree, "ShaderNodeMath", "MULTIPLY", gray, light)
    _emit(tree, "ShaderNodeEmission", "ShaderNodeOutputMaterial", lit)


def _draw_sky(tree: bpy.types.NodeTree) -> None:
    """Clouds in world directions, which show how the camera turns."""
    direction = tree.nodes.new("ShaderNodeTexCoord").outputs["Generated"]
    gray = _noise(tree, SKY, SKY_GRAYS, direction, SKY["features"], 0.0)
    _emit(tree, "ShaderNodeBackground", "ShaderNodeOutputWorld", gray)


def _noise(tree, form: dict[str, float], grays: tuple[float, float], vector, scale, seed):
    noise = tree.nodes.new("ShaderNodeTexNoise")
    noise.noise_dimensions = "4D"
    noise.inputs["Detail"].default_value, noise.inputs["Roughness"].default_value = form["detail"], form["roughness"]
    for name, value in (("Vector", vector), ("Scale", scale), ("W", seed)):
        _feed(tree, noise.inputs[name], value)
    spread = tree.nodes.new("ShaderNodeMapRange")
    for k, value in enumerate((noise.outputs[0], form["low"], form["high"], *grays)):
        _feed(tree, spread.inputs[k], value)
    return spread.outputs[0]


def _maths(tree, kind: str, operation: str, *values):
    node = tree.nodes.new(kind)
    node.operation = operation
    for k, value in enumerate(values):
        _feed(tree, node.inputs[k], value)
    return node.outputs["Value" if operation == "DOT_PRODUCT" or kind == "ShaderNodeMath" else "Vector"]


def _feed(tree, socket, value) -> None:
    """value: another socket, or a constant."""
    if isinstance(value, bpy.types.NodeSocket):
        tree.links.new(value, socket)
    else:
        socket.default_value = value


def _emit(tree, shader: str, output: str, gray) -> None:
    light, out = tree.nodes.new(shader), tree.nodes.new(output)
    tree.links.new(gray, light.inputs["Color"])
    tree.links.new(light.outputs[0], out.inputs[0])
