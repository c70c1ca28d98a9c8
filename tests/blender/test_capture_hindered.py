"""What can stand in a capture's way, and what the user is told."""

from __future__ import annotations

import pytest

from tests.blender.test_sources import captured


def test_a_locked_interface_is_no_hindrance(scene, part, tmp_path):
    scene.render.use_lock_interface = True
    assert (captured(part, tmp_path) / "job.json").is_file()


def test_a_path_too_long_for_blender(scene, part, tmp_path):
    deep = tmp_path.joinpath(*["猫" * 60] * 6)
    with pytest.raises(part("errors").UserError, match="too long for Blender"):
        captured(part, deep)
    assert list((deep / "jobs").iterdir()) == []
