"""The notes that a take may have, read from the source: sentences for the user that are no errors."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.documents import ROOT
from tests.sentences import syntax_of

NOT_OF_JOBS = ("bench", "demo_training")
GIVEN = ("note", "_note", "say", "print_note", "_none")  # functions whose first argument is a note
KEPT = ("notes", "noted", "said", "more")  # lists of notes
PASSING = ("Sentence", "join", "fromkeys", "list", "tuple", "sorted")  # what they are given is in what they return
SENTENCE = re.compile(r"[^\\]*[a-z]{2} [^\\]*(\.|\. \{\w+\})")  # no backslash: that is a regular expression

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    """Of the backend's jobs and of what the add-on captures."""
    backend = [path for path in sorted((ROOT / "backend").rglob("*.py")) if not {*path.parts} & {*NOT_OF_JOBS}]
    return backend + sorted((ROOT / "blender_motionclone" / "capture").glob("*.py"))


@cache
def notes() -> set[str]:
    """Every note that these modules can give."""
    return _Reader([syntax_of(path) for path in modules()]).notes()


@dataclass
class _Reader:
    """Follows what is given as a note to where its words stand: names within a function, and what functions return."""

    trees: list[ast.Module]
    found: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)  # names of functions that return notes
    constants: dict[str, list[ast.expr]] = field(default_factory=dict)

    def notes(self) -> set[str]:
        for tree in self.trees:
            for line in tree.body:
                if isinstance(line, ast.Assign):
                    self.constants.setdefault(ast.unparse(line.targets[0]), []).append(line.value)
        for tree in self.trees:
            for function in _functions(tree):
                for node in _given(function):
                    self._read(node, function)
        done: set[str] = set()
        while names := self.asked - done:
            done |= names
            self._read_returns(names)
        return {re.sub(r" \{\w+\}$", "", text) for text in self.found if SENTENCE.fullmatch(text)}

    def _read_returns(self, names: set[str]) -> None:
        for tree in self.trees:
            for function in _functions(tree):
                if function.name in names:
                    for node in _own_nodes(function):
                        if isinstance(node, ast.Return | ast.Yield) and node.value:
                            self._read(node.value, function)

    def _read(self, node: ast.expr, function: Function, seen: frozenset[str] = frozenset()) -> None:
        """The texts in an expression."""
        if isinstance(node, ast.Constant | ast.JoinedStr):
            self.found.add(_template(node))
        elif isinstance(node, ast.Call | ast.Attribute):
            self.asked.add(ast.unparse(node.func if isinstance(node, ast.Call) else node).rpartition(".")[2])
        for inner in self._within(node, function, seen):
            self._read(inner, function, seen | {node.id} if isinstance(node, ast.Name) else seen)

    def _within(self, node: ast.expr, function: Function, seen: frozenset[str]) -> list[ast.expr]:
        """The expressions whose texts are in this one."""
        if isinstance(node, ast.Name):
            return [] if node.id in seen else [*_given_to(node.id, function), *self.constants.get(node.id, ())]
        if isinstance(node, ast.Call):
            owner = [node.func.value] if isinstance(node.func, ast.Attribute) else []
            return [*owner, *node.args] if ast.unparse(node.func).rpartition(".")[2] in PASSING else []
        if isinstance(node, ast.Attribute | ast.Compare | ast.JoinedStr):
            return []
        inner = [part.iter if isinstance(part, ast.comprehension) else part for part in ast.iter_child_nodes(node)]
        return [part for part in inner if isinstance(part, ast.expr)]


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """Without those of functions within."""
    rest: list[ast.AST] = [*function.body]
    while rest:
        node = rest.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda):
            rest += ast.iter_child_nodes(node)


def _given(function: Function) -> Iterator[ast.expr]:
    """What is handed to the user as a note, or kept to be one."""
    for node in _own_nodes(function):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            last, owner = name.rpartition(".")[2], name.rpartition(".")[0].rpartition(".")[2]
            if last in (*GIVEN, "notes") and node.args or last == "append" and owner in KEPT:
                yield node.args[0]
            yield from (word.value for word in node.keywords if word.arg == "notes")
        elif isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(_names_in(target) & {*KEPT} for target in targets):
                yield node.value
        elif isinstance(node, ast.Dict):
            keys = [key.value if isinstance(key, ast.Constant) else "" for key in node.keys]
            yield from (value for key, value in zip(keys, node.values, strict=True) if key == "notes")
            yield from (key for key in node.keys if key)  # sentences that name what changed


def _given_to(name: str, function: Function) -> Iterator[ast.expr]:
    """What the name may stand for in the function; what is unpacked, as a whole."""
    for node in _own_nodes(function):
        if isinstance(node, ast.Assign):
            if any(name in _names_in(target) for target in node.targets):
                yield node.value
        elif isinstance(node, ast.AugAssign | ast.NamedExpr):
            if name in _names_in(node.target):
                yield node.value
        elif isinstance(node, ast.For | ast.comprehension) and name in _names_in(node.target):
            yield node.iter


def _names_in(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}


def _template(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ""
