"""Download models from the catalog and remove them: `python -m install models`."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ...backend.job_folder.problem import Problem
from ..declarations import Operators
from ..preferences import install_options, show_models
from ..setup import install_runner
from ..setup.first_run import needs
from ..setup.installer import MB
from ..translations import sentence
from ..wrapping import sentences_of
from .backend import run_installer
from .reporting import InWindow, reporting_errors

WIDTH, PART = 520, 0.68  # pixels of the dialog, and the share of a part's name


def row_named(name: str) -> dict:
    """The catalog's row. Problem when there is none."""
    row = next((row for row in install_runner.models() or () if row["name"] == name), None)
    if row is None:
        raise Problem("The catalog has no model {name}.", "Open MotionClone's preferences to see its models.").about(
            name=repr(name)
        )
    return row


def _extras(operator: bpy.types.Operator, context: bpy.types.Context) -> list[tuple]:
    """Stored in _kept, because Blender needs the items to stay alive."""
    rows = [row for row in install_runner.models() or () if row["name"] == operator.model]
    _kept[:] = [
        (part["name"], _title(part), part["license"], 1 << number)
        for row in rows
        for number, part in enumerate(row["extras"])
    ]
    return _kept


_kept: list[tuple] = []


class MOTIONCLONE_OT_model_get(bpy.types.Operator):
    bl_idname = Operators.MODEL_GET
    bl_label = Operators.MODEL_GET.label
    bl_description = (
        "Download this model, or use the files of other programs on this machine. Licenses and sizes are shown first"
    )

    model: bpy.props.StringProperty(name="Model", description="The model's name in the catalog")
    extras: bpy.props.EnumProperty(
        name="Extras", description="Additional parts to download", items=_extras, options={"ENUM_FLAG"}
    )
    details: bpy.props.BoolProperty(name="Details", description="Show the parts, their sizes and their licenses")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        text = iface_("Download", "Operator")
        return context.window_manager.invoke_props_dialog(self, width=WIDTH, confirm_text=text)

    def draw(self, context: bpy.types.Context) -> None:
        with reporting_errors(self):
            row = row_named(self.model)
            column = self.layout.column()
            column.label(text=row["about"])
            column.label(text=needs(row, iface_), translate=False)
            self._draw_extras(column, row["extras"])
            for line in sentences_of(iface_("License: {terms}").format(terms=sentence(row["terms"]))):
                column.label(text=line, translate=False)
            column.label(text="Downloading means accepting these licenses.")
            icon = "DISCLOSURE_TRI_DOWN" if self.details else "DISCLOSURE_TRI_RIGHT"
            column.prop(self, "details", icon=icon, emboss=False)
            if self.details:
                box = column.box()
                box.label(text=row["title"], translate=False)
                for part in row["components"]:
                    _beside_license(box, part).label(text=_title(part), translate=False)

    def _draw_extras(self, column: bpy.types.UILayout, extras: list[dict]) -> None:
        if not extras:
            return
        column.label(text="Optional:")
        box = column.box()
        for part in extras:
            icon = "CHECKBOX_HLT" if part["name"] in self.extras else "CHECKBOX_DEHLT"
            _beside_license(box, part).prop_enum(self, "extras", part["name"], icon=icon)

    def execute(self, context: bpy.types.Context) -> set[str]:
        with reporting_errors(self):
            row_named(self.model)
            chosen = [option for extra in sorted(self.extras) for option in ("--with", extra)]
            arguments = ["models", "add", self.model, *chosen, *install_options(context, wheels=False)]
            return run_installer(self, arguments, online=True, wait=bpy.app.background)
        return {"CANCELLED"}


class MOTIONCLONE_OT_model_remove(bpy.types.Operator):
    """Remove this model's files, except those that another model needs"""

    bl_idname = Operators.MODEL_REMOVE
    bl_label = Operators.MODEL_REMOVE.label

    model: bpy.props.StringProperty(name="Model", description="The model's name in the catalog")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        return run_installer(self, ["models", "remove", self.model], online=False, wait=bpy.app.background)


class MOTIONCLONE_OT_get_model(InWindow, bpy.types.Operator):
    """Open the list of available models in the preferences"""

    bl_idname = Operators.GET_MODEL
    bl_label = Operators.GET_MODEL.label

    def execute(self, context: bpy.types.Context) -> set[str]:
        install_runner.ask("models list")
        show_models(context)
        return bpy.ops.motionclone.open_preferences()


def _title(part: dict) -> str:
    have = "" if part["download_bytes"] else f" ({iface_('already on this machine')})"
    return f"{part['title']}, {part['bytes'] / MB:,.0f} MB{have}"


def _beside_license(box: bpy.types.UILayout, part: dict) -> bpy.types.UILayout:
    """A row that ends with a link to the license. Returns the part before it."""
    line = box.split(factor=PART)
    before = line.row()
    name = part["license"].partition(",")[0]
    line.operator("wm.url_open", text=name, icon="URL", translate=False).url = part["license_url"]
    return before


CLASSES = (MOTIONCLONE_OT_model_get, MOTIONCLONE_OT_model_remove, MOTIONCLONE_OT_get_model)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
