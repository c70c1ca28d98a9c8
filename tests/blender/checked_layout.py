"""A layout that draws nothing, but accepts only what Blender's own would: functions, parameters, icons, properties,
operators and menus that there are. A typing error in a draw function is an error here, and not an empty panel."""

from __future__ import annotations

import bpy

UILAYOUT = bpy.types.UILayout.bl_rna
ICONS = {item.identifier for item in UILAYOUT.functions["label"].parameters["icon"].enum_items}
PARTS = {"row", "column", "box", "split", "grid_flow", "column_flow"}


class CheckedLayout:
    """said: every text that was shown, and the operators, menus and properties that were offered, in their order."""

    def __init__(self, said: list[str] | None = None):
        object.__setattr__(self, "said", [] if said is None else said)

    def __setattr__(self, name, value):
        assert name in UILAYOUT.properties, f"UILayout has no {name}"

    def __getattr__(self, name):
        if name in PARTS:
            return lambda **options: self._part(name, options)
        return lambda *arguments, **options: self._call(name, arguments, options)

    def _part(self, name, options):
        _check_options(name, options)
        return CheckedLayout(self.said)

    def _call(self, name, arguments, options):
        names = [p.identifier for p in UILAYOUT.functions[name].parameters if not p.is_output]
        given = dict(zip(names, arguments)) | options
        if name == "panel_prop":
            is_open = getattr(given["data"], given["property"])
            return CheckedLayout(self.said), CheckedLayout(self.said) if is_open else None
        _check_options(name, given)
        if given.get("text"):
            assert isinstance(given["text"], str)
            self.said.append(given["text"])
        return self._offer(name, given)

    def _offer(self, name, given):
        if name == "prop":
            assert given["property"] in given["data"].bl_rna.properties, given["property"]
            self.said.append(given["property"])
        elif name in ("operator", "popover", "menu"):
            key = next(given[key] for key in ("operator", "panel", "menu") if key in given)
            self.said.append(key)
            return Properties(key) if name == "operator" else check_class(key)
        elif name == "template_list":
            check_class(given["listtype_name"])
        elif name == "template_icon":
            assert isinstance(given["icon_value"], int)
        return None


class Properties:
    """An operator's, which can be set as they are declared."""

    def __init__(self, idname: str):
        module, _, name = idname.partition(".")
        assert name in dir(getattr(bpy.ops, module)), f"There is no operator {idname}"
        object.__setattr__(self, "rna", getattr(getattr(bpy.ops, module), name).get_rna_type())

    def __setattr__(self, name, value):
        assert name in self.rna.properties, f"{self.rna.identifier} has no {name}"


def check_class(name: str) -> None:
    assert hasattr(bpy.types, name), f"There is no {name}"


def _check_options(function: str, options: dict) -> None:
    known = UILAYOUT.functions[function].parameters
    for name, value in options.items():
        assert name in known, f"UILayout.{function} has no {name}"
        if name == "icon":
            assert value in ICONS, f"There is no icon {value}"


def drawn(cls: type, context) -> list[str]:
    """What the panel, menu or preferences of that class show."""
    layout = CheckedLayout()

    class Self:
        pass

    stand_in = Self()
    stand_in.layout = layout
    cls.draw(stand_in, context)
    return layout.said
