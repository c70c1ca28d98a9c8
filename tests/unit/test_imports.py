"""Reads every import of the tree and compares it with the architecture's table."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLENDER = {"bpy", "bmesh", "gpu", "mathutils", "blf", "bl_ext", "addon_utils"}
TENSORS = {"torch", "diffusers", "transformers", "safetensors"}
PICTURES = {"numpy", "cv2", "PIL", "imageio_ffmpeg"}
OURS = {"backend", "blender_motionclone", "install", "tests"}
SHARED = ("job_folder", "wire")  # the rooms of the backend that the add-on has too
TORCHLESS = (*SHARED, "worker", "errors", "job.eta", "job.progress")


def _starts_without_torch(path: Path) -> bool:
    return _module(path).startswith(TORCHLESS) or path == ROOT / "backend" / "__main__.py"


def _module(path: Path) -> str:
    """The module's name within its program."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts[1:])


def _of_other_rooms(path: Path) -> set[str]:
    """What is imported of the backend beside the shared rooms."""
    ours = {name for name in imported(path) if name.startswith("backend")}
    return {name for name in ours if not name.removeprefix("backend.").startswith(SHARED)}


def _arrows(program: str) -> dict[str, set[str]]:
    """The imports of each room of a program."""
    rooms = {path.name for path in (ROOT / program).iterdir() if path.is_dir()}
    arrows: dict[str, set[str]] = {}
    for path in files(program):
        room, *inside = path.relative_to(ROOT / program).parts
        needed = {name.split(".")[1] for name in imported(path) if name.startswith(f"{program}.")}
        if inside:
            arrows.setdefault(room, set()).update((needed & rooms) - {room})
    return arrows


def _way(arrows: dict[str, set[str]], start: str, end: str) -> list[str]:
    """The shortest import path, without `start`; [] when there is none."""
    ways, seen = [[room] for room in sorted(arrows.get(start, ()))], set()
    while ways:
        way = ways.pop(0)
        if way[-1] == end:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways += [[*way, room] for room in sorted(arrows.get(way[-1], ()))]
    return []


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def every_file() -> list[Path]:
    return [ROOT / "__init__.py", *files("backend", "blender_motionclone", "install", "tests")]


def imported(path: Path, module_level: bool = False) -> set[str]:
    """The full names of the modules that a file imports, with relative imports resolved."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    package = path.relative_to(ROOT).parent.parts
    names: set[str] = set()
    for node in _reached_at_import(tree) if module_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{start}.{alias.name}" if start else alias.name for alias in node.names}
    return names


def _reached_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes except function bodies."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _reached_at_import(child)


def roots(path: Path, module_level: bool = False) -> set[str]:
    return {name.partition(".")[0] for name in imported(path, module_level)}


def named(paths: list[Path]) -> dict[str, list]:
    return {"argvalues": paths, "ids": [path.relative_to(ROOT).as_posix() for path in paths]}


@pytest.mark.parametrize("path", **named(files("backend")))
def test_the_backend_never_imports_blender(path):
    assert not roots(path) & (BLENDER | {"blender_motionclone", "install", "tests"})


@pytest.mark.parametrize("path", **named(files(*(f"backend/{room}" for room in SHARED))))
def test_what_the_add_on_shares_is_standard_library_only(path):
    outside = {name for name in roots(path) if not _standard(name) and name != "backend"}
    assert not outside and not _of_other_rooms(path)


@pytest.mark.parametrize("path", **named(files("blender_motionclone")))
def test_the_add_on_imports_of_the_backend_only_job_folders_and_the_wire(path):
    assert not roots(path) & (TENSORS | {"cv2", "PIL", "imageio_ffmpeg", "install", "tests"})
    assert not _of_other_rooms(path)
    absolute = {name for name in _absolute(path) if name.partition(".")[0] in OURS}
    assert not absolute, "inside an installed extension our packages have another name: import relatively"


@pytest.mark.parametrize("path", **named([path for path in files("backend") if _starts_without_torch(path)]))
def test_the_command_line_and_the_worker_start_without_torch(path):
    assert not roots(path, module_level=True) & (TENSORS | PICTURES)
    ours = {name for name in imported(path, module_level=True) if name.startswith("backend.")}
    heavy = {name for name in ours if not name.removeprefix("backend.").startswith(TORCHLESS)}
    assert not heavy, "these modules import torch; import them inside the function"


@pytest.mark.parametrize("program", ["backend", "blender_motionclone"])
def test_no_room_leads_back_to_itself(program):
    """A room is a folder. There are no import cycles between rooms."""
    arrows = _arrows(program)
    for room in arrows:
        way = _way(arrows, room, room)
        assert not way, " -> ".join([room, *way])


@pytest.mark.parametrize("path", **named(files("backend/sampling")))
def test_sampling_knows_motion_only_as_a_function(path):
    assert not [name for name in imported(path) if name.startswith("backend.motion")]


@pytest.mark.parametrize("path", **named(files("backend/sampling", "backend/motion")))
def test_the_method_opens_no_files_but_saved_representations(path):
    calls = {node.func.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if _plain_call(node)}
    assert "open" not in calls


@pytest.mark.parametrize("path", **named(files("install")))
def test_the_installer_needs_nothing_installed(path):
    allowed = {"in_blender": {"bpy"}, "in_backend": {"huggingface_hub", "pip"}}.get(path.parent.name, set())
    outside = {name for name in roots(path) if not _standard(name)} - {"install"} - allowed
    assert not outside


def test_the_extension_s_root_imports_nothing_until_blender_registers_it():
    assert not imported(ROOT / "__init__.py", module_level=True)


@pytest.mark.parametrize("path", **named(every_file()))
def test_nothing_edits_the_import_path(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    touched = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_sys_path(node)]
    assert not touched


@pytest.mark.parametrize("path", **named([path for path in every_file() if "tests" not in path.parts]))
def test_no_file_can_run_code_from_downloaded_data(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not roots(path) & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword):
            assert node.arg != "trust_remote_code", node.value.lineno
            assert not (node.arg == "weights_only" and _is_false(node.value)), node.value.lineno
            assert not (node.arg == "allow_pickle" and not _is_false(node.value)), node.value.lineno


def _standard(name: str) -> bool:
    return name in sys.stdlib_module_names or name == "__future__"


def _absolute(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }


def _plain_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def _is_sys_path(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "sys" and node.attr == "path"


def _is_false(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is False
