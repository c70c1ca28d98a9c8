"""The sidebars' tab: what to clone, how it comes along, and the takes. Drawing only reads what others know."""

from __future__ import annotations

from ..registration import in_order
from . import clone, details, menus, presets, queue, takes

MODULES = (menus, presets, clone, details, queue, takes)

register, unregister = in_order(MODULES)
