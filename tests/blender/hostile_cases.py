"""What a stranger may send beside a .blend, and name in it: see hostile.py. Without the code under test."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KEY = "0123456789abcdef"
GOOD, BAD = "20261101-000000-ffffff", "20261101-000000-aaaaaa"
SECRET = b"-----BEGIN OPENSSH PRIVATE KEY-----\nnobody else's\n"
FRAMES = 48
BUTTONS = ("adopt", "take_place", "take_retry", "resume", "take_open_folder", "take_remove")
SPARSE = 2**31
REQUEST = {"prompt": "a red ball", "seed": 3, "shot": {"frames": FRAMES, "fps": 24.0}}
NOTE = {"scene": "Scene", "key": KEY, "file": "", "frame_start": 11, "camera": ""}


@dataclass
class World:
    """project: the .blend's folder; jobs: the preferences'; elsewhere: what nothing of this may touch, with a key and
    a job in it; take, form: properties of the take of BAD, and of the scene's form; blender: preferences."""

    root: Path
    movie: Path
    picture: bytes
    take: dict[str, Any] = field(default_factory=dict)
    form: dict[str, Any] = field(default_factory=dict)
    blender: dict[str, str] = field(default_factory=dict)
    clicks: bool = True  # whether the take's buttons are pressed too
    buttons: tuple[str, ...] = BUTTONS

    def __post_init__(self) -> None:
        self.project, self.jobs = self.root / "Projekt ü 猫", self.root / "jobs"
        self.elsewhere = self.root / "elsewhere"
        for folder in (self.project, self.jobs, self.elsewhere):
            folder.mkdir(parents=True)
        (self.project / "link").symlink_to(self.elsewhere)
        (self.elsewhere / "id_key").write_bytes(SECRET)
        (self.elsewhere / "id_key.png").write_bytes(SECRET)
        self.job(self.elsewhere / BAD)
        self.good = self.job(self.jobs / GOOD)

    def job(self, folder: Path) -> Path:
        for name in ("reference", "result"):
            (folder / name).mkdir(parents=True)
            (folder / name / "0000.png").write_bytes(self.picture)
        shutil.copy(self.movie, folder / "result.mp4")
        contents = {"job.json": REQUEST, "blender.json": NOTE, "state.json": {"state": "done"}}
        contents["result.json"] = {"motion_score": 0.5}
        for name, content in contents.items():
            (folder / name).write_text(json.dumps(content))
        return folder

    def bad(self, where: str) -> Path:
        folder = self.job((self.jobs if where == "in jobs" else self.project) / BAD)
        self.take = {"folder": str(folder) if where == "in jobs" else f"//{BAD}"}
        return folder


@dataclass(frozen=True)
class Case:
    name: str
    prepare: Callable[[World], None]


DEEP = '{"a":' * 100_000
HUGE = "9" * 5000
WRONG = {
    "state.json": ['{"state":"done","message":["x"]}', '{"state":["done"]}', '{"eta":1e999,"state":"running"}', "[]"],
    "blender.json": [
        '{"scene":["Scene"],"key":{},"file":3,"frame_start":"x","camera":[]}',
        f'{{"key":"{KEY}","handed_over":{HUGE},"frame_start":{HUGE}}}',
        f'{{"key":"{KEY}","frame_start":1e400,"camera":"\\u0000\\ud800"}}',
    ],
    "result.json": [
        '{"motion_score":NaN,"seconds":{"a":1e400}}',
        f'{{"motion_score":{HUGE},"request":{{"model":[],"settings":{{"motion_strength":[]}}}},"seconds":{{"a":9}}}}',
        '{"motion_score":"\\ud800","seconds":[],"request":[],"settings":3}',
        '{"notes":[3,{},"\\ud800\\u202e\\u001b[31m\\u0000a\\nb","' + "x" * 90_000 + '"' + ',"y"' * 9000 + "]}",
    ],
    "job.json": [
        '{"prompt":["x"],"shot":{}}',
        '{"prompt":"\\ud800","shot":{"frames":48,"fps":24}}',
        f'{{"prompt":"x","seed":{HUGE},"shot":{{"frames":48,"fps":24}}}}',
        f'{{"prompt":"x","seed":{2**64},"shot":{{"frames":48,"fps":24}}}}',
        f'{{"prompt":"x","seed":{2**64 - 1},"shot":{{"frames":48,"fps":24}}}}',
        f'{{"prompt":"x","seed":-{2**40},"shot":{{"frames":48,"fps":24}}}}',
    ],
    "worker.lock": ["[[", '{"pid":"x"}'],
    "result.mp4": ["", "\0\0\0\x08free" * 300_000],
    "reference/0000.png": ["\x89PNG", "x" * 100],
    "result/0000.png": ["\x89PNG", "x" * 100],
}


def fifo(path: Path, world: World) -> None:
    os.mkfifo(path)


def endless(path: Path, world: World) -> None:
    path.symlink_to("/dev/zero")


def sparse(path: Path, world: World) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE)


def deep(path: Path, world: World) -> None:
    path.write_text(DEEP)


def linked(path: Path, world: World) -> None:
    path.symlink_to(world.elsewhere / "id_key")


def folder(path: Path, world: World) -> None:
    path.mkdir()


def in_place_of(name: str, where: str, make: Callable[[Path, World], None]) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        path = world.bad(where) / name
        path.unlink(missing_ok=True)
        make(path, world)

    return prepare


def text(content: str) -> Callable[[Path, World], None]:
    return lambda path, world: path.write_text(content, encoding="latin-1") and None


def link_at(name: str, target: str, where: str) -> Callable[[World], None]:
    """A link in the job's folder that leads elsewhere."""

    def prepare(world: World) -> None:
        path = world.bad(where) / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(world.elsewhere / target)

    return prepare


def named(**take: str) -> Callable[[World], None]:
    """What the take says of its folder: {} is elsewhere. Who presses New Seed means the job there, so it is not."""

    def prepare(world: World) -> None:
        world.buttons = ("take_remove",)
        world.take = {key: value.replace("{}", str(world.elsewhere)) for key, value in take.items()}

    return prepare


def form(**form: str) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        world.bad("in jobs")
        world.form = {key: value.replace("{}", str(world.elsewhere)) for key, value in form.items()}
        world.clicks = False

    return prepare


def chosen(name: str, value: str) -> Callable[[World], None]:
    """A preference that names what came with the .blend: a program that writes what it was started for."""

    def prepare(world: World) -> None:
        world.bad("in jobs")
        for place in ("evil/bin/python", "evil/Scripts/python.exe"):
            program = world.project / place
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(f"#!/bin/sh\necho ran > '{world.elsewhere}/ran'\n")
            program.chmod(0o755)
        world.blender, world.clicks = {name: value}, False

    return prepare


def clip(make: Callable[[Path, World], None], name: str) -> Callable[[World], None]:
    """A clip beside the .blend."""

    def prepare(world: World) -> None:
        world.bad("in jobs")
        path = world.project / name
        path.parent.mkdir(exist_ok=True)
        make(path, world)
        world.form = {"source": "FILE", "clip_file": f"//{name.partition('/')[0]}"}
        world.clicks = False

    return prepare


def png_bomb(path: Path, world: World) -> None:
    """30000 x 30000 pixels, it says."""
    header = world.picture[:16] + (30000).to_bytes(4, "big") * 2 + world.picture[24:]
    path.write_bytes(header)


def texts(content: str) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        job = world.bad("in jobs")
        safe = content.encode("utf-8", "ignore").decode().replace("\0", "")
        world.take |= {"prompt": safe, "message": safe, "hint": safe, "placed_in": safe, "state": "failed"}
        request = REQUEST | {"prompt": content, "seed": 2**63}
        (job / "job.json").write_text(json.dumps(request))
        (job / "state.json").write_text(json.dumps({"state": "failed", "message": content, "hint": content}))

    return prepare


def many_offers(world: World) -> None:
    world.bad("in jobs")
    for number in range(300):
        offer = world.jobs / f"20261102-000000-{number:06x}"
        offer.mkdir()
        (offer / "job.json").write_text(json.dumps(REQUEST))
        (offer / "blender.json").write_text(json.dumps(NOTE))
    world.clicks = False


MAKERS = {"a pipe": fifo, "endless": endless, "2 GB": sparse, "deep": deep, "a link": linked, "a folder": folder}
PARTS = ("blender.json.part", "state.json.part", "job.json.part", "log.txt", "result.mp4.part", "preview/strip.png")
SHARED = ("reference", "mask", "depth", "vectors", "passes", "image", "sketch", "result", "preview")
FAR = (
    *("{}/" + BAD, "//../elsewhere/" + BAD, "{}/../elsewhere/" + BAD, "{}", "{}/id_key", "/"),
    *("//link/" + BAD, "elsewhere/" + BAD, r"\\host\share\job", "/net/host/share", "////host/share", "//"),
)
NASTY = "\x1b[31mred\x1b]0;title\x07 \u202egpj.exe\u202c \u2066x\u2069\u200b\u200e\0\x07\r\n\ud800 done. "


def cases() -> Iterator[Case]:
    for where in ("in jobs", "beside"):
        yield from _in_a_job(where)
    yield from _named_far_away()
    for name in ("backend_python", "backend_folder", "wheels_folder", "jobs_folder"):
        for value in ("//evil/bin/python", "//evil", "evil", "evil/bin/python", "./evil", "../Projekt ü 猫/evil"):
            yield Case(f"{name} {value}", chosen(name, value))
    for kind, make in {**MAKERS, "30000 x 30000": png_bomb}.items():
        yield Case(f"clip beside: {kind}", clip(make, "clip.mp4"))
        yield Case(f"clip's frames beside: {kind}", clip(make, "clip/0000.png"))
    yield Case("nasty texts", texts(NASTY * 3))
    yield Case("endless texts", texts(NASTY * 20_000))
    yield Case("texts that are hard to match", texts(("x has x frames, but the shot has x. " * 40_000)[:900_000]))
    for name in ("prompt", "negative_prompt", "settings", "view_before", "model", "last_job"):
        yield Case(f"endless {name}", form(**{name: "x=y 'x " * 200_000}))
    yield Case("300 unfinished jobs", many_offers)


def _in_a_job(where: str) -> Iterator[Case]:
    for name in WRONG:
        for kind, make in MAKERS.items():
            yield Case(f"{where}, {name}: {kind}", in_place_of(name, where, make))
        for number, content in enumerate(WRONG[name]):
            yield Case(f"{where}, {name}: wrong {number}", in_place_of(name, where, text(content)))
    for name in SHARED:
        yield Case(f"{where}, {name}/ leads elsewhere", link_at(name, ".", where))
    for name in ("reference/0001.png", "mask/0000.png", "image/0000.png", "result/0000.png", *PARTS):
        yield Case(f"{where}, {name} leads to a key", link_at(name, "id_key", where))


def _named_far_away() -> Iterator[Case]:
    for path in FAR:
        yield Case(f"take in {path}", named(folder=path))
        yield Case(f"clip {path}", form(source="FILE", clip_file=path))
        yield Case(f"picture {path}", form(image_file=path, sketch_file=path))
    for name in ("../elsewhere/" + BAD, "{}/" + BAD, "..", ".", "", "a/b", r"..\x", "\u202eevil", "x" * 60_000):
        yield Case(f"take named {name[:40]!r}", named(name=name, folder=""))
