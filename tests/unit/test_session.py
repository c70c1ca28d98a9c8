"""One object holds what the add-on remembers; nothing is kept beside it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from tests.extension import ROOT, part

module = part("session")


@dataclass
class Kept:
    count: int = 0
    names: list[str] = field(default_factory=list)


def test_a_part_is_one_and_can_begin_anew():
    session = module.Session()
    kept = session.part(Kept)
    kept.count, kept.other = 3, "left over"
    kept.names.append("a")
    assert session.part(Kept) is kept and list(session) == [kept]
    session.reset(kept)
    assert kept == Kept() and session.part(Kept) is kept


def test_no_module_of_the_add_on_changes_a_variable_of_its_own():
    for path in (ROOT / "blender_motionclone").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global)], path
