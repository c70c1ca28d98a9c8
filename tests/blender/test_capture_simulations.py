"""Simulations in a capture: the frames that the user sees when the animation is played, or a sentence."""

from __future__ import annotations

import bpy
import pytest

from tests.blender.everything import changes, everything
from tests.blender.test_sources import captured

LAST = 24


@pytest.fixture
def falling(scene) -> bpy.types.Object:
    """Frames 11-24, and what will fall in them; simulations begin at frame 1."""
    scene.frame_end = LAST
    scene.objects["Cube"].hide_render = True
    bpy.ops.mesh.primitive_grid_add(
        x_subdivisions=5, y_subdivisions=5, size=3, location=(0, 0, 3.5), rotation=(0.3, 0.5, 0.1)
    )
    return bpy.context.object


def as_rigid_body(item) -> None:
    bpy.ops.rigidbody.object_add()


def as_soft_body(item) -> None:
    item.modifiers.new("Soft", "SOFT_BODY")
    item.soft_body.use_goal = False


def as_cloth(item) -> None:
    item.modifiers.new("Cloth", "CLOTH")
    item.vertex_groups.new(name="Pinned").add([0], 1, "ADD")
    item.modifiers["Cloth"].settings.vertex_group_mass = "Pinned"


def as_particles(item) -> None:
    item.modifiers.new("Particles", "PARTICLE_SYSTEM")
    settings = item.particle_systems[0].settings
    settings.count, settings.frame_end, settings.particle_size = 40, 20, 0.3
    settings.render_type, settings.instance_object = "OBJECT", bpy.data.objects["Cube"]


def as_geometry_nodes(item) -> None:
    tree = bpy.data.node_groups.new("Falling", "GeometryNodeTree")
    for way in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    start, first, move, last, end = (
        tree.nodes.new(kind)
        for kind in (
            "NodeGroupInput",
            "GeometryNodeSimulationInput",
            "GeometryNodeSetPosition",
            "GeometryNodeSimulationOutput",
            "NodeGroupOutput",
        )
    )
    first.pair_with_output(last)
    move.inputs["Offset"].default_value = (0.1, 0, -0.1)
    chain = ((start, 0), (first, "Geometry"), (move, "Geometry"), (last, "Geometry"), (end, 0))
    for (source, out), (target, into) in zip(chain, chain[1:]):
        tree.links.new(source.outputs[out], target.inputs[into])
    item.modifiers.new("Nodes", "NODES").node_group = tree


ALL = [as_rigid_body, as_soft_body, as_cloth, as_particles, as_geometry_nodes]


def play(scene) -> None:
    for frame in range(1, LAST + 1):
        scene.frame_set(frame)


def reference(part, tmp_path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((captured(part, tmp_path) / "reference").iterdir())]


def rendered(scene, tmp_path, part) -> list[bytes]:
    """The same moments as Blender renders them for the user's own scene, frame by frame."""
    part("capture.rendering").prepare_pictures(scene, (48, 80), 16 / 9)
    scene.render.engine = "BLENDER_WORKBENCH"
    part("capture.stage").put(scene.display.shading, part("capture.shading")._PLAIN)
    pictures = []
    for frame in range(1, LAST + 1):
        scene.frame_set(frame)
        if frame in (11, LAST):
            scene.render.filepath = str(tmp_path / "own.png")
            bpy.ops.render.render(write_still=True)
            pictures.append((tmp_path / "own.png").read_bytes())
    return pictures


@pytest.mark.parametrize("simulated", ALL)
def test_a_played_simulation_is_captured_as_it_is_seen(scene, falling, part, tmp_path, simulated):
    simulated(falling)
    play(scene)
    scene.frame_set(5)
    scene.motionclone.settings = "frames=2"
    before = everything()
    frames = reference(part, tmp_path)
    assert not changes(before, everything())
    assert frames[0] != frames[1] and frames == rendered(scene, tmp_path, part)


@pytest.mark.parametrize("simulated", [as_cloth, as_particles])
def test_those_that_run_for_a_copy_need_not_be_played(scene, falling, part, tmp_path, simulated):
    simulated(falling)
    scene.motionclone.settings = "frames=2"
    frames = reference(part, tmp_path)
    assert frames[0] != frames[1] and frames == rendered(scene, tmp_path, part)


@pytest.mark.parametrize("simulated, what", [(as_rigid_body, "rigid body"), (as_soft_body, "soft body")])
def test_others_are_asked_for(scene, falling, part, tmp_path, simulated, what):
    simulated(falling)
    sentence = f"The {what} simulation of '[^']+' is not cached up to frame 24. Play the animation once from frame 1"
    with pytest.raises(part("backend.job_folder.problem").Problem, match=sentence):
        captured(part, tmp_path)
    assert list((tmp_path / "jobs").iterdir()) == []
    play(scene)
    assert (captured(part, tmp_path) / "job.json").is_file()
    scene.frame_set(1)
    falling.location.x += 1  # what is known is of the past
    with pytest.raises(part("backend.job_folder.problem").Problem, match=sentence):
        captured(part, tmp_path)


def test_a_baked_one_is_captured_from_any_frame(scene, falling, part, tmp_path):
    as_rigid_body(falling)
    play(scene)
    played = reference(part, tmp_path)
    with bpy.context.temp_override(point_cache=scene.rigidbody_world.point_cache):
        bpy.ops.ptcache.bake(bake=True)
    assert reference(part, tmp_path) == played


def test_nobody_can_tell_of_geometry_nodes(scene, falling, part, tmp_path):
    as_geometry_nodes(falling)
    assert "has a geometry nodes simulation" in (captured(part, tmp_path) / "job.json").read_text("utf-8")


def test_a_strip_needs_no_simulation(scene, falling, part, tmp_path, movie):
    as_rigid_body(falling)
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    editor.active_strip = strips.new_movie(name="Clip", filepath=str(movie), channel=1, frame_start=1)
    scene.motionclone.source = "STRIP"
    assert (captured(part, tmp_path) / "job.json").is_file()
