"""The tab in the sidebars: what to clone, progress, and takes. Drawing only reads what is already known."""

from __future__ import annotations

from .. import in_order
from . import clone, details, menus, queue, takes

MODULES = (menus, clone, details, queue, takes)

register, unregister = in_order(MODULES)
