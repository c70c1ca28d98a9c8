"""What the program can say, read from its source: every sentence as its template, or with … for what varies in it."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

VARIES = "…"
ERRORS = ("InstallError", "NoBuild")


@dataclass(frozen=True)
class DoctorFinding:
    """id: … for what varies; text: None where it is another function's words; fix: for `python3 -m install`."""

    id: str
    level: str
    text: str | None
    fix: str


@functools.cache
def syntax_of(path: Path) -> ast.Module:
    """The syntax tree of a module, parsed once."""
    return ast.parse(path.read_text(encoding="utf-8"))


def without_end(text: str) -> str:
    """Without what varies at its end."""
    return re.sub(rf"\s*{VARIES}+$", "", varied(text))


def varied(template: str) -> str:
    """{path} is missing -> … is missing."""
    return re.sub(r"{\w*}", VARIES, template)


def given(node: ast.expr, constants: Mapping[str, ast.expr] = MappingProxyType({})) -> list[str]:
    """The templates in an expression: each of a choice; "" for what is made elsewhere."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.Name) and node.id in constants:
        return given(constants[node.id], constants)
    if isinstance(node, ast.IfExp):
        return [*given(node.body, constants), *given(node.orelse, constants)]
    if isinstance(node, ast.BoolOp):
        return [text for value in node.values for text in given(value, constants)]
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "Sentence":
        return given(node.args[0], constants)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [a + b for a in given(node.left, constants) for b in given(node.right, constants)]
    if isinstance(node, ast.JoinedStr):  # of constants, and of nothing else
        parts = [given(part.value if isinstance(part, ast.FormattedValue) else part, constants) for part in node.values]
        return ["".join(part[0] for part in parts)] if all(parts) else []
    return []


@functools.cache  # modules are imported by many others, each of which is read
def constants_of(path: Path) -> dict[str, ast.expr]:
    """The texts that a module gives names to, and those that it imports."""
    return Source(path)._constants


class Source:
    """A module's syntax tree and its constants."""

    def __init__(self, path: Path):
        self.tree = syntax_of(path)
        named = [
            node for node in self.tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        ]
        self._constants = self._imported(path) | {node.targets[0].id: node.value for node in named}

    def _imported(self, path: Path) -> dict[str, ast.expr]:
        """Constants of the modules beside it."""
        found: dict[str, ast.expr] = {}
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom) and node.level and node.module:
                folder = path.parents[node.level - 1]
                module = folder.joinpath(*node.module.split(".")).with_suffix(".py")
                if module.is_file():
                    theirs = constants_of(module)
                    found |= {name.name: theirs[name.name] for name in node.names if name.name in theirs}
        return found

    def sentence(self, node: ast.expr) -> str:
        """A piece of text as it is shown, with … for what varies."""
        return without_end(self._text(node)) or VARIES

    def _text(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.Call) and _calls(node, "Sentence"):
            return self._text(node.args[0])
        if isinstance(node, ast.JoinedStr):
            return "".join(map(self._text, node.values))
        if isinstance(node, ast.FormattedValue):
            return self._text(node.value) if isinstance(node.value, ast.Name) else VARIES
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._text(node.left) + self._text(node.right)
        if isinstance(node, ast.Name) and isinstance(self._constants.get(node.id), ast.Constant | ast.JoinedStr):
            return self._text(self._constants[node.id])
        return VARIES

    def sentences(self) -> set[str]:
        """Of all texts in the module."""
        return {self.sentence(node) for node in ast.walk(self.tree) if isinstance(node, ast.Constant | ast.JoinedStr)}

    def function(self, name: str) -> ast.FunctionDef:
        return next(node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef) and node.name == name)

    def raised(self, function: str, error: str) -> set[str]:
        """The messages of the errors of this class that the function makes."""
        made = [node for node in ast.walk(self.function(function)) if _calls(node, error)]
        return {self.sentence(self._meant(self.function(function), node.args[0])) for node in made}

    def returned(self, function: str) -> set[str]:
        """The texts that the function gives back, as they are made."""
        returns = [node for node in ast.walk(self.function(function)) if isinstance(node, ast.Return)]
        return {self._text(node.value) for node in returns if node.value}

    def notes(self, function: str) -> set[str]:
        """The texts given as `note=`."""
        words = [
            word for node in ast.walk(self.function(function)) if isinstance(node, ast.Call) for word in node.keywords
        ]
        made = [self._meant(self.function(function), word.value) for word in words if word.arg == "note"]
        return {self.sentence(node) for node in made}

    def findings(self) -> Iterator[DoctorFinding]:
        """All that the module's checks make and that may be ill."""
        for function in [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)]:
            for call in [node for node in ast.walk(function) if _calls(node, "Finding") and len(node.args) >= 3]:
                if self._text(call.args[1]) != "ok":
                    words = {word.arg: word.value for word in call.keywords}
                    fix = words.get("fix") or (call.args[4] if len(call.args) > 4 else ast.Tuple([]))
                    text = self.sentence(self._meant(function, call.args[2]))
                    yield DoctorFinding(
                        self._text(call.args[0]),
                        self._text(call.args[1]),
                        None if text == VARIES else text,
                        self._words(fix),
                    )

    def said(self, kinds: Sequence[str] = (*ERRORS, "Finding")) -> Iterator[tuple[str, str]]:
        """(what is wrong, what to do) of each error and finding that the module makes, as they are made."""
        for function in [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)]:
            for call in [node for node in ast.walk(function) if isinstance(node, ast.Call)]:
                name = call.func.id if isinstance(call.func, ast.Name) else ""
                given = (call.args[2:4] if name == "Finding" else call.args[:2]) if name in kinds else []
                texts = [set(map(self._text, self._all_meant(function, node))) for node in given]
                for text in sorted(texts[0]) if texts else ():
                    yield from ((text, hint) for hint in sorted(texts[1] if len(texts) > 1 else {""}))

    def _all_meant(self, function: ast.FunctionDef, node: ast.expr) -> list[ast.expr]:
        """Whatever it may be."""
        if isinstance(node, ast.IfExp):
            return [found for part in (node.body, node.orelse) for found in self._all_meant(function, part)]
        given = [found for value in _given_to(function, node) for found in self._all_meant(function, value)]
        return given or [node]

    def _words(self, fix: ast.expr) -> str:
        """Arguments as they are typed; only those that are always the same."""
        parts = fix.elts if isinstance(fix, ast.Tuple) else []
        return " ".join(map(self._text, parts)) if parts else VARIES if isinstance(fix, ast.Call) else ""

    def _meant(self, function: ast.FunctionDef, node: ast.expr) -> ast.expr:
        """What was given to a name last, above its use; the first of what is joined."""
        if isinstance(node, ast.Name):
            return max(_given_to(function, node), key=lambda value: value.lineno, default=node)
        if isinstance(node, ast.Call) and _calls(node, "joined") and isinstance(node.args[0], ast.List):
            return node.args[0].elts[0]
        return node


def _given_to(function: ast.FunctionDef, node: ast.expr) -> list[ast.expr]:
    """What a name was given above its use."""
    return [
        one.value
        for one in ast.walk(function)
        if isinstance(node, ast.Name)
        and isinstance(one, ast.Assign)
        and ast.unparse(one.targets[0]) == node.id
        and one.lineno < node.lineno
    ]


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
