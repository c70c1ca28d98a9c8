"""`scene.motionclone`: the settings of the next takes, and the existing takes. All of it is saved in the .blend.

The model's own settings are in its entry. The state of a running job is in job_runner.py.
"""

from __future__ import annotations

import re
from typing import Any

import bpy

from ..backend.job_folder.problem import with_templates
from ..backend.job_folder.reading import parse_json
from ..backend.job_folder.request import JobRequest
from ..backend.job_folder.state import QUEUED
from . import reach
from .setting_controls import MotionCloneControls

NO_SCORE = -2.0  # a motion score is in [-1, 1]
MAX_INT = 2**31 - 1  # the maximum of Blender's integers
SEEDS = 2**64  # the number of possible seeds

FORMER_NAMES = {"look": "reference_shading", "preset": "quality", "place": "placement"}  # until version 0.1.0

SOURCES = (
    ("CAMERA", "Camera", "The active camera's animation", "CAMERA_DATA", 0),
    ("VIEWPORT", "Viewport", "The 3D view as displayed, over the scene's frame range", "VIEW3D", 1),
    ("STRIP", "Strip", "The active movie, image or scene strip of the sequencer", "SEQUENCE", 2),
    ("FILE", "File", "A video file, or a folder of pictures", "FILE_MOVIE", 3),
)
SHOTS = (
    ("RANGE", "Frame Range", "The scene's frame range as one shot"),
    ("MARKER", "Current Shot", "The shot of the camera marker at the current frame"),
    ("ALL", "All Shots", "The shots of all camera markers, with a take for each"),
)
SHADINGS = (
    ("MOTION", "Motion", "A texture that moves with the surfaces, so that plain blockouts show their motion"),
    ("PLAIN", "Plain", "Plain gray Workbench shading"),
    ("AS_SEEN", "As Seen", "The shading of the 3D view, or the scene's Workbench settings"),
)
QUALITIES = (
    ("default", "Balanced", "The settings tuned for the model"),
    ("draft", "Draft", "A quick preview with few steps"),
    ("quality", "High", "More steps for higher quality. Slower"),
    ("paper", "Published", "The settings of the publication. Slowest"),
)
PLACEMENTS = (
    ("STRIP", "Sequencer Strip", "A movie strip on exactly the shot's frames", "SEQUENCE", 0),
    ("TEXTURE", "Texture", "A movie texture on the active object's material", "TEXTURE", 1),
    ("PLANE", "Camera Plane", "A plane that fills the camera's view", "MESH_PLANE", 2),
    ("BACKGROUND", "Camera Background", "A background image of the shot's camera", "CAMERA_DATA", 3),
    ("COMPOSITOR", "Compositor", "An image node in the compositor", "NODE_COMPOSITING", 4),
    ("NONE", "Nowhere", "Only list the take. You can place it later", "X", 5),
)


class MotionClonePrompt(bpy.types.PropertyGroup):
    """Another prompt, with takes of its own"""

    text: bpy.props.StringProperty(name="Prompt", description="What the clip shows")


def _chosen(name: str):
    """Runs when the user chooses a file, not when a .blend that refers to one is opened."""
    return lambda settings, _context: reach.choose(getattr(settings, name))


def carry_over(owner: bpy.types.PropertyGroup, _context: bpy.types.Context | None = None) -> None:
    """Moves a value that an older file, preset or script has set under a former name to the property's current name."""
    for former, present in FORMER_NAMES.items():
        if former in owner.bl_rna.properties and owner.is_property_set(former):
            setattr(owner, present, getattr(owner, former))
            owner.property_unset(former)


def carry_over_all() -> None:
    """Updates the settings and takes of all scenes that can be changed."""
    for scene in bpy.data.scenes:
        if scene.is_editable:
            for owner in (scene.motionclone, *scene.motionclone.takes):
                carry_over(owner)


class MotionCloneTake(bpy.types.PropertyGroup):
    """A take; `name` is its job's id. Its folder holds everything; these are the values that the panel shows.

    seed, long_seed: see whole_seed. state: as in backend/job_folder/state.py; score: the motion score, NO_SCORE if
    there is none. placement, placed_in: how it was last placed, and the name of the strip, material, object, camera or
    node.
    """

    folder: bpy.props.StringProperty(name="Folder", description="The job's folder", subtype="DIR_PATH")
    prompt: bpy.props.StringProperty(name="Prompt", description="The take's prompt")
    seed: bpy.props.IntProperty(name="Seed", description="The take's seed")
    long_seed: bpy.props.StringProperty(name="Long Seed", description="The take's seed, if it is too large for Seed")
    state: bpy.props.StringProperty(name="State", description="The state of the take's job", default=QUEUED)
    message: bpy.props.StringProperty(name="Message", description="What happened to the job, if it did not succeed")
    hint: bpy.props.StringProperty(name="Hint", description="What to do next")
    repair: bpy.props.StringProperty(name="Repair", description="The operator that fixes the problem")
    templates: bpy.props.StringProperty(
        name="Templates", description="The templates of the message, the hint and the notes, as JSON"
    )
    notes: bpy.props.StringProperty(name="Notes", description="Notes about the clip, one sentence per line")
    score: bpy.props.FloatProperty(
        name="Motion Score", description="How well the clip follows the motion", default=NO_SCORE
    )
    frame_start: bpy.props.IntProperty(name="Start", description="The shot's first frame in the scene")
    frames: bpy.props.IntProperty(name="Frames", description="The number of frames of the shot")
    camera: bpy.props.StringProperty(name="Camera", description="The camera that the shot was captured with, if any")
    placement: bpy.props.StringProperty(name="Placement", description="How the take was last placed")
    placed_in: bpy.props.StringProperty(
        name="Placed In", description="The strip, material, object, camera or node that shows the take"
    )
    batch: bpy.props.StringProperty(name="Batch", description="The first of the takes that were requested together")

    place: bpy.props.StringProperty(description="Former name of Placement", options={"HIDDEN"}, update=carry_over)

    @property
    def said(self) -> list[str]:
        """Message and hint, to be translated."""
        return with_templates((self.message, self.hint), self._templates)

    @property
    def shown_notes(self) -> list[str]:
        """The notes, to be translated."""
        return with_templates(self.notes.splitlines(), self._templates)

    @property
    def _templates(self) -> Any:
        """None where a .blend holds something else: it may be a stranger's."""
        try:
            return parse_json(self.templates.encode()) if self.templates else None
        except ValueError:
            return None

    @property
    def whole_seed(self) -> int:
        """Its seed. Seeds have up to 64 bits, but Blender's integers have 32."""
        return int(self.long_seed) if re.fullmatch("[0-9]{1,20}", self.long_seed) else self.seed

    @whole_seed.setter
    def whole_seed(self, seed: int) -> None:
        is_long = seed > MAX_INT
        self.seed, self.long_seed = (0, str(seed)) if is_long else (seed, "")


class MotionCloneSettings(bpy.types.PropertyGroup):
    # Reference
    source: bpy.props.EnumProperty(name="Reference", description="Where the motion comes from", items=SOURCES)
    shots: bpy.props.EnumProperty(name="Shots", description="Which frames are a shot", items=SHOTS)
    clip_file: bpy.props.StringProperty(
        name="Clip",
        description="A video file, or a folder of pictures",
        subtype="FILE_PATH",
        update=_chosen("clip_file"),
    )
    reference_shading: bpy.props.EnumProperty(
        name="Shading",
        description="How the reference clip is shaded",
        items=SHADINGS,
        default="AS_SEEN",  # best with the demo model, measured by `backend bench looks`
    )
    use_mask: bpy.props.BoolProperty(
        name="Subject Mask",
        description="Clone only the motion of the chosen objects, with a mask that is rendered beside the reference",
    )
    mask_collection: bpy.props.PointerProperty(
        name="Subject",
        description="The collection of objects whose motion is cloned. Empty: the selected objects",
        type=bpy.types.Collection,
    )
    use_depth: bpy.props.BoolProperty(
        name="Depth", description="Render depth beside the reference. It guides models that have a depth control"
    )
    use_vectors: bpy.props.BoolProperty(
        name="Motion Vectors", description="Render exact motion vectors beside the reference"
    )
    # Prompt
    prompt: bpy.props.StringProperty(name="Prompt", description="What the clip shows", options={"TEXTEDIT_UPDATE"})
    negative_prompt: bpy.props.StringProperty(
        name="Negative", description="What the clip should not show", options={"TEXTEDIT_UPDATE"}
    )
    more_prompts: bpy.props.CollectionProperty(
        name="More Prompts",
        description="Additional prompts, with takes of their own and the same motion",
        type=MotionClonePrompt,
    )
    image_file: bpy.props.StringProperty(
        name="First Picture",
        description="A picture of the clip's first frame",
        subtype="FILE_PATH",
        update=_chosen("image_file"),
    )
    sketch_file: bpy.props.StringProperty(
        name="First Sketch",
        description="A line drawing of the clip's first frame",
        subtype="FILE_PATH",
        update=_chosen("sketch_file"),
    )
    # Generation
    model: bpy.props.StringProperty(name="Model", description="The name of the model", default=JobRequest.model)
    quality: bpy.props.EnumProperty(name="Quality", description="Balance between speed and quality", items=QUALITIES)
    strength: bpy.props.FloatProperty(
        name="Motion Strength",
        description="How strongly the clip follows the motion of the reference: 1 is tuned for the model, 0 uses "
        "only the prompt",
        default=1.0,
        min=0.0,
        max=10.0,
        soft_max=2.0,
    )
    seed: bpy.props.IntProperty(
        name="Seed", description="Start value of the random noise. The same seed and settings give the same clip", min=0
    )
    seeds: bpy.props.IntProperty(
        name="Takes",
        description="The number of takes of each prompt, with this seed and the following ones",
        default=1,
        min=1,
        max=64,
    )
    controls: bpy.props.PointerProperty(
        name="Controls", description="The settings as sliders and menus", type=MotionCloneControls
    )
    settings: bpy.props.StringProperty(
        name="Settings", description="Changes to the model's own settings, for example: steps=30 cfg_scale=5"
    )
    # Takes
    placement: bpy.props.EnumProperty(name="Place In", description="Where to place finished takes", items=PLACEMENTS)
    replace: bpy.props.BoolProperty(
        name="Replace",
        description="A finished take replaces the visible take of the same shot. Otherwise it is placed above it. "
        "Where only one can be visible, a better one or one of another prompt is kept",
    )
    takes: bpy.props.CollectionProperty(name="Takes", description="The takes of this scene", type=MotionCloneTake)
    take_index: bpy.props.IntProperty(name="Active Take", description="The take that the buttons act on")
    key: bpy.props.StringProperty(name="Key", description="Identifies this scene in job folders", options={"HIDDEN"})
    view_before: bpy.props.StringProperty(
        name="View Before",
        description="The scene's view transform before it was set to Standard, to keep a clip's colors",
        options={"HIDDEN"},
    )
    last_job: bpy.props.StringProperty(
        name="Last Job", description="The folder of the last submitted job", subtype="DIR_PATH"
    )
    # Former names
    look: bpy.props.EnumProperty(
        items=SHADINGS, default="AS_SEEN", description="Former name of Shading", options={"HIDDEN"}, update=carry_over
    )
    preset: bpy.props.EnumProperty(
        items=QUALITIES, description="Former name of Quality", options={"HIDDEN"}, update=carry_over
    )
    place: bpy.props.EnumProperty(
        items=PLACEMENTS, description="Former name of Place In", options={"HIDDEN"}, update=carry_over
    )


def active_take(settings: MotionCloneSettings) -> MotionCloneTake | None:
    """The take that the buttons act on, if there is one."""
    return settings.takes[settings.take_index] if 0 <= settings.take_index < len(settings.takes) else None


CLASSES = (MotionClonePrompt, MotionCloneTake, MotionCloneControls, MotionCloneSettings)
_register_classes, _unregister_classes = bpy.utils.register_classes_factory(CLASSES)


def register() -> None:
    _register_classes()
    bpy.types.Scene.motionclone = bpy.props.PointerProperty(type=MotionCloneSettings)


def unregister() -> None:
    del bpy.types.Scene.motionclone
    _unregister_classes()
