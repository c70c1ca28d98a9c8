"""What a farm does: `blender -b file.blend --python-expr ...`, in a process of its own, without a window."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from install.developing.window import backend_folders
from tests.window.blender_program import BlenderProgram
from tests.window.blockout import BLOCKOUT, DUMMY, PROMPT, QUICK
from tests.window.conftest import FOLDER, surroundings

FAILED = 7  # the exit code that is asked for
OTHER = """
other = bpy.data.scenes.new("Other")
for item in (scene.camera, cube):
    other.collection.objects.link(item)
other.camera, other.motionclone.prompt, other.motionclone.reference_shading = scene.camera, "two", "PLAIN"
"""
GENERATE = "bpy.ops.motionclone.generate()\n"
# Tells what the saved file has.
SAVE_AND_TELL = """
import json
bpy.ops.wm.save_mainfile()
bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
def strips(scene):
    editor = scene.sequence_editor
    found = (editor.strips if hasattr(editor, "strips") else editor.sequences) if editor else ()
    return [(strip.type, strip.frame_final_start, strip.frame_final_end) for strip in found]
def takes(scene):
    return [(take.state, take.prompt, take.frame_start, take.frames, take.folder) for take in scene.motionclone.takes]
print("\\n" + json.dumps({scene.name: [takes(scene), strips(scene)] for scene in bpy.data.scenes}))
"""


@pytest.fixture(scope="module")
def farm(tmp_path_factory, extension_zip) -> BlenderProgram:
    """A Blender with the extension, and made.blend: a blockout with a prompt, and a second scene."""
    folder = tmp_path_factory.mktemp("Farm") / "Schüsse 猫"
    folder.mkdir()
    shutil.copy(extension_zip, folder)
    made = BlenderProgram(Path(FOLDER), folder, backend_folders(Path(sys.executable)), surroundings(folder / "data"))
    path = str(folder / extension_zip.name)
    done = made.run("--command", "extension", "install-file", "-r", "user_default", "--enable", path)
    assert done.returncode == 0, done.stdout + done.stderr
    source = f"import bpy\n{BLOCKOUT}form.prompt, form.settings = {PROMPT!r}, {QUICK!r}\n{OTHER}"
    done = made.run(
        "-b", "--python-expr", f"{source}bpy.ops.wm.save_as_mainfile(filepath={str(folder / 'made.blend')!r})"
    )
    assert (folder / "made.blend").is_file(), done.stdout + done.stderr
    return made


@pytest.fixture
def blender(farm, tmp_path):
    """blender(source, *options, code=0, dummy=True, **surroundings) -> stdout, stderr of `blender -b` that runs the
    source in a copy of the file. dummy: by a worker whose jobs need no model."""
    file = farm.folder / f"{tmp_path.name}.blend"
    shutil.copy(farm.folder / "made.blend", file)

    def run(source: str, *options: str, code: int = 0, dummy: bool = True, **more: str) -> tuple[str, str]:
        before = f"import bpy\n{DUMMY}dummy({sys.executable!r})\n" if dummy else "import bpy\n"
        script = ["--python-exit-code", str(FAILED), "--python-expr", before + source]
        done = farm.run("-b", str(file), *options, *script, **more)
        assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout, done.stderr

    return run


def told(said: str) -> dict[str, list]:
    return json.loads(said[said.rindex("\n{") :].splitlines()[1])


def test_a_saved_shot_becomes_a_take_that_is_saved_with_it(blender):
    said, _ = blender(GENERATE + SAVE_AND_TELL, dummy=False)
    ((take,), strips) = told(said)["Scene"]
    assert take[:4] == ["done", PROMPT, 11, 48] and strips == [["MOVIE", 11, 59]]
    assert (Path(take[4]) / "result.mp4").stat().st_size and (Path(take[4]) / "result.json").is_file()
    assert told(said)["Other"] == [[], []]


def test_scene_and_frames_of_the_command_line_are_heeded(blender):
    said, _ = blender(GENERATE + SAVE_AND_TELL, "-S", "Other", "-s", "5", "-e", "20")
    assert told(said)["Scene"] == [[], []]
    ((take,), strips) = told(said)["Other"]
    assert take[:4] == ["done", "two", 5, 16] and strips == [["MOVIE", 5, 21]]


@pytest.mark.parametrize(
    "change, surroundings, says",
    [
        ("prompt = ''", {}, "There is no prompt. Describe the new clip"),
        ("reference_shading = 'PLAIN'", {"MOTIONCLONE_BACKEND_PYTHON": ""}, "MotionClone's backend is not installed"),
        ("prompt = 'fail'", {}, "The dummy job failed, as its prompt asked. Use another prompt."),
    ],
)
def test_what_keeps_it_from_a_take_is_said_and_ends_it_with_a_code(blender, change, surroundings, says):
    dummy = not surroundings
    _, said = blender(f"bpy.context.scene.motionclone.{change}\n{GENERATE}", code=FAILED, dummy=dummy, **surroundings)
    assert says in said


def test_without_a_graphics_driver_it_is_said_and_the_look_motion_works(blender):
    without = {"__EGL_VENDOR_LIBRARY_DIRS": "/nowhere"}
    _, said = blender(GENERATE, code=FAILED, **without)
    assert "This machine has no graphics driver (EGL) for Blender. Choose the shading Motion" in said
    motion = "form = bpy.context.scene.motionclone\nform.reference_shading, form.settings = 'MOTION', 'frames=2'\n"
    said, _ = blender(motion + GENERATE + SAVE_AND_TELL, **without)
    ((take,), _) = told(said)["Scene"]
    assert take[0] == "done"
