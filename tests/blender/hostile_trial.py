"""One hostile case in this Blender: opens it as a user would, lets the timers look, presses buttons. See hostile.py."""

from __future__ import annotations

import builtins
import io
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import bpy

from tests.blender.checked_layout import drawn
from tests.blender.hostile_cases import BAD, GOOD, KEY, SECRET, Case, World

PACKAGE = "bl_ext.user_default.motionclone"
SECONDS_TO_OPEN, SECONDS_A_CLICK = 5.0, 5.0
TICKS = 13  # of the timers at least
MODEL = {"name": "demo", "title": "Demo", "frames": 16, "most_frames": 32, "area": 4096, "multiple": 16}
MODEL |= {"families": [], "controls": ["sparse_rgb", "sparse_scribble"], "missing": []}
WORKER = f"import json,sys,time; print(json.dumps([{MODEL}])) if 'models' in sys.argv else time.sleep(600)"
TOUCHING = ("stat", "lstat", "open", "scandir", "listdir", "mkdir", "link", "symlink", "rename", "replace", "unlink")
PANELS = {"clone": "MOTIONCLONE_PT_sidebar", "takes": "MOTIONCLONE_PT_takes", "queue": "MOTIONCLONE_PT_queue"}


class Trial:
    """One case in this Blender."""

    def __init__(self, case: Case, world: World):
        self.case, self.world, self.touched, self.seconds = case, world, list[str](), 0.0
        self.preferences = bpy.context.preferences.addons[PACKAGE].preferences
        for operators in ("recovery", "takes"):  # as from a button; no job of these ever ends
            self.part(f"operators.{operators}").wait_for = len

    def problem(self) -> str:
        """What does not hold; "" when all does."""
        file, runner = self._save(), self.part("jobs.job_runner")
        before = self._elsewhere()
        try:
            with self._watched():
                began = time.monotonic()
                bpy.ops.wm.open_mainfile(filepath=str(file))
                self._tick()
                self.seconds = time.monotonic() - began
            return " ".join(filter(None, [*self._after_opening(), *self._after_clicks(), *self._changed(before)]))
        finally:
            for name in ("backend_python", "backend_folder", "wheels_folder", "jobs_folder", "worker_command"):
                setattr(self.preferences, name, "")
            runner.unregister()
            runner.register()

    def part(self, name: str) -> Any:
        return import_module(f"{PACKAGE}.blender_motionclone.{name}")

    def _save(self) -> Path:
        world = self.world
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        self.case.prepare(world)
        form, scene = bpy.context.scene.motionclone, bpy.context.scene
        scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        scene.collection.objects.link(scene.camera)
        scene.frame_end, form.key, form.prompt = 48, KEY, "a red ball"
        for values in ({"name": BAD, **world.take}, {"name": GOOD, "folder": str(world.good)}):
            take = form.takes.add()
            for name, value in values.items():
                setattr(take, name, value)
        for name, value in world.form.items():
            setattr(form, name, value)
        bpy.ops.wm.save_as_mainfile(filepath=str(world.project / "shot.blend"))
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        with suppress(ImportError, AttributeError):
            self.part("reach")._chosen.clear()  # as in another session
        worker = "" if world.blender else json.dumps(sys.executable) + f' -c "{WORKER}" serve'
        chosen = {"jobs_folder": str(world.jobs), "worker_command": worker, "worker_is_remote": False, **world.blender}
        for name, value in chosen.items():
            setattr(self.preferences, name, value)
        return world.project / "shot.blend"

    def _tick(self) -> None:
        """As Blender's timers would, with the panels open, until nothing is left to look at."""
        facts, runner, context = self.part("facts"), self.part("jobs.job_runner"), bpy.context
        runner.look_at_takes()
        takes, states, models = (
            self.part("jobs.takes"),
            self.part("jobs.take_states"),
            self.part("setup.backend_models"),
        )
        deadline, number = time.monotonic() + SECONDS_TO_OPEN, 0
        while number <= TICKS or takes.searching() or states.syncing() or models.fetching():
            runner.tick()
            if number % 3 == 0:
                facts.gather(context)
                facts._take_up(context)
            if time.monotonic() > deadline:
                break
            number += 1
            time.sleep(0.002)
        with self._drawing():
            for name, panel in PANELS.items():
                _draw(getattr(self.part(f"panels.{name}"), panel), context)

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Blender's fonts cannot measure without a window in 4.2."""
        text = self.part("panels.sidebar")
        measure, text._measure = text._measure, lambda words, size: 7.0 * len(words)
        try:
            yield
        finally:
            text._measure = measure

    def _after_opening(self) -> Iterator[str]:
        takes, runner = bpy.context.scene.motionclone.takes, self.part("jobs.job_runner")
        if self.seconds > SECONDS_TO_OPEN:
            yield f"Opening took {self.seconds:.1f} s."
        if self.touched:
            yield f"Opening touched {sorted(set(self.touched))[:3]}."
        if not self.world.blender and takes[-1].state != "done":
            yield f"The other take is {takes[-1].state}."
        if "Unexpected error" in str(runner.problem()):
            yield str(runner.problem())
        if len(self.part("jobs.takes")._now.offers) > 200:
            yield "More offers than can wait."

    def _after_clicks(self) -> Iterator[str]:
        if not self.world.clicks:
            return
        take = bpy.context.scene.motionclone.takes[0]
        folder = bpy.path.abspath(take.folder)
        options = {"adopt": {"folder": folder}, "take_place": {"how": "STRIP"}}
        for button in self.world.buttons:
            name = bpy.context.scene.motionclone.takes[0].name
            bpy.context.scene.motionclone.take_index = 0
            yield self._press(button, **options.get(button, {"job": name}))
            self.part("jobs.job_runner").tick()

    def _press(self, name: str, **options: Any) -> str:
        began, said = time.monotonic(), ""
        try:
            getattr(bpy.ops.motionclone, name)(**options)
        except RuntimeError as error:
            said = str(error)
        seconds = time.monotonic() - began
        if "Traceback" in said:
            return f"{name} fails: {said.strip().splitlines()[-1]}."
        return f"{name} took {seconds:.1f} s." if seconds > SECONDS_A_CLICK else ""

    def _changed(self, before: dict[str, Any]) -> Iterator[str]:
        after = self._elsewhere()
        if after != before:
            yield f"Elsewhere changed: {sorted(n for n in {*before, *after} if before.get(n) != after.get(n))}."
        for folder in (self.world.jobs, self.world.project, self.world.root / "data"):
            for path in folder.rglob("*"):
                small = path.is_file() and not path.is_symlink() and path.stat().st_size == len(SECRET)
                if small and path.read_bytes() == SECRET:
                    yield f"The key is in {path.relative_to(self.world.root)}."

    def _elsewhere(self) -> dict[str, Any]:
        found = {}
        for path in self.world.elsewhere.rglob("*"):
            facts = path.lstat()
            content = path.read_bytes() if path.is_file() and facts.st_size < 10_000 else b""
            found[path.relative_to(self.world.elsewhere).as_posix()] = facts.st_mtime_ns, facts.st_nlink, content
        return found

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Notes what Python does with names elsewhere, in this thread and others."""
        marks = (str(self.world.elsewhere), r"\\host", "//host", "/net/host", f"{self.world.project}/link/")
        guard = threading.local()

        def watched(function: Any) -> Any:
            def call(*arguments: Any, **options: Any) -> Any:
                if not getattr(guard, "inside", False):
                    guard.inside = True
                    try:
                        for argument in arguments[:2]:
                            if isinstance(argument, str | os.PathLike) and os.fspath(argument).startswith(marks):
                                self.touched.append(os.path.relpath(os.fspath(argument), self.world.root))
                    finally:
                        guard.inside = False
                return function(*arguments, **options)

            return call

        places = [(os, name) for name in TOUCHING] + [(io, "open"), (builtins, "open")]
        kept = [(owner, name, getattr(owner, name)) for owner, name in places]
        for owner, name, function in kept:
            setattr(owner, name, watched(function))
        try:
            yield
        finally:
            for owner, name, function in kept:
                setattr(owner, name, function)


def _draw(panel: type, context: bpy.types.Context) -> None:
    for line in drawn(panel, context):
        wrong = next((c for c in line if not (c.isprintable() or c == "\n")), None)
        assert wrong is None, f"{panel.__name__} draws {wrong!a}"
