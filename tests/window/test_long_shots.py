"""Shots of many seconds: generated in contexts, placed on all of their frames."""

from __future__ import annotations

import json
from pathlib import Path

from tests.window.blockout import BLOCKOUT, PROMPT, QUICK

LONG = BLOCKOUT.replace("58", "130")
CUTS = """
scene.frame_start, scene.frame_end = 1, 300
for number, frame in enumerate((1, 101, 201)):
    data = scene.camera.data.copy()
    data.lens = 30 + 15 * number
    camera = bpy.data.objects.new(f"Camera {number}", data)
    camera.matrix_world = scene.camera.matrix_world
    scene.collection.objects.link(camera)
    marker = scene.timeline_markers.new(f"shot {number}", frame=frame)
    marker.camera = camera
form.shots = "ALL"
"""


def test_five_seconds_are_made_of_forty_frames_in_contexts(installed):
    installed.ask(LONG + f"form.prompt, form.settings = {PROMPT!r}, {QUICK!r}")
    installed.open_sidebar()
    installed.press("motionclone.generate")
    installed.wait_for("len(form.takes) and form.takes[-1].state == 'done' and len(strips(scene))")
    assert installed.ask("[(s.frame_final_start, s.frame_final_end) for s in strips(scene)]") == [[11, 131]]
    folder = Path(installed.ask("form.takes[-1].folder"))
    assert len(list((folder / "reference").glob("*.png"))) == 40
    assert len(list((folder / "result").glob("*.png"))) == 40
    assert "frames" not in json.loads((folder / "job.json").read_text(encoding="utf-8"))["settings"]
    assert installed.close() == 0
    installed.wait_for_processes_to_end()


def test_three_shots_of_a_scene_each_have_their_own_length(installed):
    installed.ask(LONG + f"form.prompt, form.settings = {PROMPT!r}, {QUICK!r}\n" + CUTS)
    installed.open_sidebar()
    installed.press("motionclone.generate")
    installed.wait_for("len(form.takes) == 3 and all(take.state == 'done' for take in form.takes)")
    installed.wait_for("len(strips(scene)) == 3")
    places = installed.ask("sorted((s.frame_final_start, s.frame_final_end) for s in strips(scene))")
    assert places == [[1, 101], [101, 201], [201, 301]]
    folders = map(Path, installed.ask("[take.folder for take in form.takes]"))
    assert [len(list((folder / "result").glob("*.png"))) for folder in folders] == [33, 33, 33]
    assert installed.close() == 0
    installed.wait_for_processes_to_end()
