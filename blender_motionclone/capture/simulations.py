"""Simulations in a capture: Blender runs some of them only for the scene that its window shows.

A copy of the scene reads their caches, so the user has to play the animation or bake it first. Cloth and particles do
run in the copy, if it steps through all frames from their first; they fill their caches as in playback.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import bpy

from ...backend.job_folder.problem import Problem, Sentence


def check_simulations(scene: bpy.types.Scene, view_layer: str, until: int) -> None:
    """Problem when a simulation that the copy cannot run has no cache up to frame `until`."""
    for owner, what, cache in _only_read(scene):
        scene.view_layers[view_layer].update()  # otherwise a cache may not know that it is outdated
        if not _is_known(cache, until):
            raise Problem(
                "The {what} simulation of {owner} is not cached up to frame {until}.",
                "Play the animation once from frame {frame_start}, or bake the simulation, then try again.",
            ).about(what=what, owner=repr(owner.name), until=until, frame_start=cache.frame_start)


def keep_bodies(copy: bpy.types.Scene) -> None:
    """Makes a copied scene use its rigid body cache, which Blender reads only when it is baked."""
    world = copy.rigidbody_world
    if world and world.enabled and not world.point_cache.is_baked:
        with bpy.context.temp_override(point_cache=world.point_cache):
            bpy.ops.ptcache.bake_from_cache()


def first_frame(scene: bpy.types.Scene, otherwise: int) -> int:
    """The frame from which all frames must be visited, for a shot that starts at frame `otherwise`."""
    starts = [cache.frame_start for cache in _run_by_copies(scene) if not cache.is_baked]
    return min([otherwise, *starts])


def notes_of(scene: bpy.types.Scene) -> list[str]:
    """Notes about simulations of geometry nodes, because Python cannot tell whether they are cached."""
    names = [
        item.name for item in scene.objects for part in item.modifiers if part.type == "NODES" and _simulates(part)
    ]
    return [
        Sentence(
            "{name} has a geometry nodes simulation. If it does not move in the reference, play the "
            "animation or bake it first.",
            name=repr(name),
        )
        for name in dict.fromkeys(names)
    ]


def _only_read(scene: bpy.types.Scene) -> Iterator[tuple[bpy.types.ID, str, bpy.types.PointCache]]:
    world = scene.rigidbody_world
    if world and world.enabled and world.collection and world.collection.all_objects:
        yield scene, "rigid body", world.point_cache
    for item in scene.objects:
        for part in item.modifiers:
            if part.type == "SOFT_BODY" and part.show_render:
                yield item, "soft body", part.point_cache


def _run_by_copies(scene: bpy.types.Scene) -> Iterator[bpy.types.PointCache]:
    for item in scene.objects:
        yield from (part.point_cache for part in item.modifiers if part.type == "CLOTH")
        yield from (system.point_cache for system in item.particle_systems if system.settings.type == "EMITTER")


def _is_known(cache: bpy.types.PointCache, until: int) -> bool:
    """A baked cache may end earlier: Blender then shows its last frame, and so does the reference."""
    if cache.is_baked:
        return True
    frames = re.search(r"\d+", cache.info)  # "69 frames in memory (11 KiB)", translated
    wanted = min(until, cache.frame_end) - cache.frame_start + 1
    return not cache.is_outdated and not cache.is_frame_skip and (int(frames[0]) if frames else 0) >= wanted


def _simulates(part: bpy.types.NodesModifier) -> bool:
    seen, trees = set(), [part.node_group]
    while trees:
        tree = trees.pop()
        if tree is None or tree.name_full in seen:
            continue
        seen.add(tree.name_full)
        if any(node.type == "SIMULATION_OUTPUT" for node in tree.nodes):
            return True
        trees += [node.node_tree for node in tree.nodes if node.type == "GROUP"]
    return False
