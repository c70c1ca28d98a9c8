"""Sliders and menus for the settings, made from their declarations. They are only a view of the form's settings text.

The text stays the only place that stores what is chosen, so presets, jobs and older files work. A control that the text
does not mention shows the model's own value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy

from ..backend.job_folder.declared import Declaration, typed_text
from .settings_text import KNOWN, given, own_value, with_value
from .setup import backend_models

IN_FORM = ("motion_strength",)  # the form has its own slider for it
SHOWN = {name: one for name, one in KNOWN.items() if name not in IN_FORM}
LARGE = 1e5  # a larger bound is no useful limit for a slider


def form_of(controls: bpy.types.PropertyGroup) -> bpy.types.PropertyGroup:
    return controls.id_data.motionclone


def value_of(form: bpy.types.PropertyGroup, name: str) -> Any:
    """The value in the text, or else the model's own."""
    chosen = given(form.settings)
    if name in chosen:
        return chosen[name]
    return own_value(name, backend_models.model_called(form.model), str(chosen.get("family", form.quality)))


def is_chosen(form: bpy.types.PropertyGroup, name: str) -> bool:
    return name in given(form.settings)


def chosen_in(form: bpy.types.PropertyGroup, group: str) -> list[str]:
    """Names of a group's settings that are in the text."""
    return [name for name, one in SHOWN.items() if one.group == group and is_chosen(form, name)]


def known_settings(form: bpy.types.PropertyGroup) -> list[tuple[str, Declaration]]:
    """The settings that the chosen model knows; all of them while the model is unknown."""
    backbone = (backend_models.model_called(form.model) or {}).get("backbone")
    return [(name, one) for name, one in SHOWN.items() if backbone is None or one.known_to(backbone)]


def groups() -> list[str]:
    return list(dict.fromkeys(one.group for one in SHOWN.values()))


def _property(one: Declaration) -> Any:
    told = {"name": one.label, "description": one.description, "get": _getter(one), "set": _setter(one)}
    if one.choices:
        return bpy.props.EnumProperty(items=[(choice, choice, "") for choice in one.choices], **told)
    if one.kind == "bool":
        return bpy.props.BoolProperty(**told)
    if one.kind not in ("int", "float") or one.bounds is None:
        return bpy.props.StringProperty(**told)
    low, high = one.bounds
    limits = {"min": low, "max": high, "soft_max": min(high, LARGE)}
    if one.kind == "int":
        return bpy.props.IntProperty(**told, **{key: int(limit) for key, limit in limits.items()})
    return bpy.props.FloatProperty(**told, **limits, precision=2)


def _getter(one: Declaration) -> Callable[[Any], Any]:
    def get(controls: bpy.types.PropertyGroup) -> Any:
        value = value_of(form_of(controls), one.name)
        if one.choices:
            return one.choices.index(value)
        return typed_text(value) if one.kind not in ("int", "float", "bool") else value

    return get


def _setter(one: Declaration) -> Callable[[Any, Any], None]:
    def put(controls: bpy.types.PropertyGroup, value: Any) -> None:
        form = form_of(controls)
        chosen = one.choices[value] if one.choices else round(value, 6) if isinstance(value, float) else value
        form.settings = with_value(form.settings, one.name, chosen)

    return put


class MotionCloneControls(bpy.types.PropertyGroup):
    """Every setting of a take that is not shown elsewhere in the form"""

    __annotations__ = {name: _property(one) for name, one in SHOWN.items()}
