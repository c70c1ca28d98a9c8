"""A blockout with a prompt, for Python pieces that run in Blender, and settings that make it quick."""

PROMPT = "a red ball on green ground under a blue sky"
QUICK = "steps=4 guided_steps=2 warm_up_steps=1 cool_down_steps=1"
BLOCKOUT = """
scene = bpy.context.scene
scene.frame_start, scene.frame_end = 11, 58
cube = bpy.data.objects["Cube"]
for frame, x in ((11, -3), (58, 3)):
    cube.location.x = x
    cube.keyframe_insert("location", index=0, frame=frame)
form = scene.motionclone
"""

# A worker whose jobs need no model: their result is their reference. It goes on with the name `dummy`.
DUMMY = """
def dummy(python):
    preferences = bpy.context.preferences.addons["bl_ext.user_default.motionclone"].preferences
    preferences.worker_command, preferences.worker_is_remote = f"{python} -m backend serve --dummy", False
"""
