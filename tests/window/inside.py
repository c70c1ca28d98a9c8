"""Runs in the window's Blender: one piece of Python after the other, as the test outside asks for them.

ask-0.py, ask-1.py ... appear in the folder named after `--`; the value of each (an expression), or None (statements),
is written to answer-0.json ... as {"value": ...}, or as {"error": traceback}. What a piece defines, the next ones know.
"""

import importlib
import itertools
import json
import os
import sys
import traceback

import bpy

FOLDER = sys.argv[sys.argv.index("--") + 1]
SECONDS_BETWEEN_LOOKS = 0.02

numbers = itertools.count()
number = next(numbers)


def window(kind):
    """The first that has an area of this kind."""
    return next(w for w in bpy.context.window_manager.windows if any(a.type == kind for a in w.screen.areas))


def area(kind):
    return next(a for a in window(kind).screen.areas if a.type == kind)


def region(kind, part="WINDOW"):
    return next(r for r in area(kind).regions if r.type == part)


def over(kind, part="WINDOW"):
    """The context of a region, for operators."""
    return bpy.context.temp_override(window=window(kind), area=area(kind), region=region(kind, part))


def place(kind, part="WINDOW"):
    """left, bottom, width, height of a region on the screen."""
    inside = region(kind, part)
    return window(kind).x + inside.x, window(kind).y + inside.y, inside.width, inside.height


def hovered(kind, part):
    """What the button under the mouse in this region does: its Python command or its data path, "" for none."""
    bpy.context.window_manager.clipboard = ""
    with over(kind, part):
        for copy in (bpy.ops.ui.copy_python_command_button, bpy.ops.ui.copy_data_path_button):
            if copy.poll():
                copy()
                return bpy.context.window_manager.clipboard
    return ""


def show_tab(kind, tab):
    """Whether the sidebar shows it by now; it has to be drawn with its tabs first."""
    sidebar = region(kind, "UI")
    if sidebar.active_panel_category != tab:
        sidebar.active_panel_category = tab
    sidebar.tag_redraw()
    return sidebar.active_panel_category == tab


def part(name):
    """A module of the installed add-on."""
    room = "" if name.startswith("backend.") else "blender_motionclone."
    return importlib.import_module(f"bl_ext.user_default.motionclone.{room}{name}")


def strips(scene):
    """The sequencer's, by either of their names."""
    editor = scene.sequence_editor
    return list(editor.strips if hasattr(editor, "strips") else editor.sequences) if editor else []


tools = (window, area, region, over, place, hovered, show_tab, part, strips)
names = {"bpy": bpy} | {tool.__name__: tool for tool in tools}


def answer(source):
    try:
        try:
            code = compile(source, "asked", "eval")
        except SyntaxError:
            exec(compile(source, "asked", "exec"), names)
            return json.dumps({"value": None})
        return json.dumps({"value": eval(code, names)}, default=list)
    except BaseException:
        return json.dumps({"error": traceback.format_exc()})


def look():
    global number
    ask = os.path.join(FOLDER, f"ask-{number}.py")
    if os.path.exists(ask):
        with open(ask, encoding="utf-8") as file:
            said = answer(file.read())
        path = os.path.join(FOLDER, f"answer-{number}.json")
        number = next(numbers)
        with open(path + ".part", "w", encoding="utf-8") as file:
            file.write(said)
        os.replace(path + ".part", path)
    return SECONDS_BETWEEN_LOOKS


bpy.context.preferences.view.show_splash = False
bpy.app.timers.register(look, first_interval=1.0, persistent=True)
