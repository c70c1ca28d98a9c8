"""The sidebars' tab: what to clone, how it comes along, and the takes. Drawing only reads what others know."""

from __future__ import annotations

from .. import in_order
from . import clone, details, menus, queue, takes

MODULES = (menus, clone, details, queue, takes)

register, unregister = in_order(MODULES)
