"""A Blender in a window of its own, with a mouse, a keyboard and a camera to take pictures of the screen."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from install.developing.window import enter
from tests.window.blender_program import alone

INSIDE = Path(__file__).with_name("inside.py")
WIDTH, HEIGHT = 1600, 1000
SECONDS_TO_ANSWER = 600  # a busy machine may need long; a Blender that has ended is noticed at once
STEP = 9  # pixels between two looks for a button, which are about 20 high
EDGE = 10  # pixels at a region's end, where a click would move its border

# $1: the folder for all that is said. Blender's exit code is written there, and from then on what still runs.
_SESSION = f"""cd "$1"; shift
mkdir -p "$HOME"
Xvfb -displayfd 3 -screen 0 {WIDTH}x{HEIGHT}x24 +extension GLX -nolisten tcp 3>display 2>xvfb.txt &
while [ ! -s display ]; do sleep 0.1; done
export DISPLAY=":$(cat display)"
blender --window-geometry 0 0 {WIDTH} {HEIGHT} "$@" >blender.txt 2>&1
echo $? >exit-code
while true; do
  for process in /proc/[0-9]*; do
    line=$(tr '\\0\\n' '  ' <$process/cmdline)
    case "$process $line" in "/proc/1 "*|*" Xvfb "*|"$process ") ;; *) echo "$line";; esac
  done >processes.part 2>/dev/null
  mv processes.part processes.txt
  sleep 0.2
done
"""


def wait_until(true: Callable[[], object], what: str, details: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + SECONDS_TO_ANSWER
    while not true():
        assert time.monotonic() < deadline, f"{details()}\n{what}"
        time.sleep(0.05)


class BlenderWindow:
    """root: the Debian folder; folder: for all that is said and made, seen inside under the same name; places: other
    folders that Blender shall see; x, y of the mouse count from the screen's top left, regions' from its bottom."""

    def __init__(self, root: Path, folder: Path, places: Sequence[Path], surroundings: Mapping[str, str]):
        self.folder, self._root, self._numbers = folder, root, itertools.count()
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(INSIDE, folder)
        blender = ["--gpu-backend", "opengl", "--python", str(folder / INSIDE.name), "--", str(folder)]
        session = [*alone(folder, surroundings), "sh", "-c", _SESSION, "sh", str(folder), *blender]
        self._process = subprocess.Popen(enter(root, [folder, *places], session), start_new_session=True)
        self.wait_for("bpy.context.window_manager.windows[0].screen.areas[0].width > 1")

    def ask(self, source: str) -> Any:
        """The value of an expression, or None of statements, run in Blender's main thread; AssertionError with what
        went wrong there."""
        path = self.folder / f"answer-{self._send(source)}.json"
        wait_until(lambda: path.exists() or self._has_ended(), "Blender does not answer", self.said)
        assert path.exists(), f"Blender has ended: {self.said()}"
        answer = json.loads(path.read_text(encoding="utf-8"))
        assert "error" not in answer, f"{source}\n{answer.get('error')}"
        return answer["value"]

    def _has_ended(self) -> bool:
        return (self.folder / "exit-code").exists() or self._process.poll() is not None

    def wait_for(self, expression: str) -> Any:
        """Asks until the value is true, and gives it."""
        deadline = time.monotonic() + SECONDS_TO_ANSWER
        while not (value := self.ask(expression)):
            assert time.monotonic() < deadline, f"{self.said()}\ndid not come true: {expression}"
            time.sleep(0.05)
        return value

    def said(self) -> str:
        path = self.folder / "blender.txt"
        return path.read_text(encoding="utf-8", errors="replace")[-4000:] if path.exists() else ""

    def close(self) -> int:
        """Quits as the menu does; Blender's exit code."""
        self._send("bpy.ops.wm.quit_blender()")
        code = self.folder / "exit-code"
        wait_until(lambda: code.exists() and code.read_text().strip(), "Blender did not end")
        return int(code.read_text())

    def end_at_once(self) -> None:
        """As the system ends a program that is out of memory; what it has started goes on."""
        self._send("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
        wait_until((self.folder / "exit-code").exists, "Blender did not end")

    def wait_for_processes_to_end(self) -> None:
        """All that Blender had started; AssertionError names what goes on running."""
        path = self.folder / "processes.txt"
        wait_until(path.exists, "no list of processes")
        wait_until(lambda: not path.read_text(), "still running", path.read_text)

    def kill(self) -> None:
        """Ends it and all that was started in it."""
        self._process.kill()
        self._process.wait()

    # ------------------------------------------------------------------------------------------------ mouse and keys

    def move(self, x: int, y: int) -> None:
        self._x("xdotool", "mousemove", str(x), str(y))

    def click(self, x: int, y: int, button: int = 1) -> None:
        """Slowly, as a hand does: Blender may miss a click that is over at once."""
        self.move(x - 1, y)
        self.move(x, y)
        time.sleep(0.2)
        self._x("xdotool", "mousedown", str(button))
        time.sleep(0.2)
        self._x("xdotool", "mouseup", str(button))
        time.sleep(0.2)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        self.move(*start)
        time.sleep(0.3)
        self._x("xdotool", "mousedown", "1")
        for share in (0.3, 0.6, 1.0):
            time.sleep(0.15)
            self.move(*(round(a + share * (b - a)) for a, b in zip(start, end)))
        time.sleep(0.3)
        self._x("xdotool", "mouseup", "1")
        time.sleep(0.3)

    def key(self, *keys: str) -> None:
        """By X's names, "ctrl+a" or "Escape"."""
        self._x("xdotool", "key", "--delay", "60", *keys)
        time.sleep(0.2)

    def write(self, text: str) -> None:
        self._x("xdotool", "type", "--delay", "30", text)
        time.sleep(0.2)

    def resize(self, title: str, width: int, height: int) -> None:
        """A window of Blender's beside the first, which has no frame to be dragged; it goes to the top left."""
        found = ["xdotool", "search", "--onlyvisible", "--name", title]
        self._x(*found, "windowsize", str(width), str(height), "windowmove", "1", "1")

    # --------------------------------------------------------------------------------------------------- the sidebar

    def open_sidebar(self, kind: str = "VIEW_3D", tab: str = "MotionClone", width: int = 0) -> None:
        """Shows the tab. width: in pixels, dragged to; 0 leaves it."""
        self.ask(f"area({kind!r}).spaces[0].show_region_ui = True")
        self.wait_for(f"region({kind!r}, 'UI').width > 1")
        time.sleep(0.7)
        self.wait_for(f"show_tab({kind!r}, {tab!r})")
        if width:
            left, top, wide, _ = self.place(kind, "UI")
            self.drag((left + 2, top + 60), (left + 2 + wide - width, top + 60))
        time.sleep(0.7)

    def place(self, kind: str, part: str = "WINDOW") -> tuple[int, int, int, int]:
        """left, top, width, height of a region on the screen."""
        left, bottom, width, height = self.ask(f"place({kind!r}, {part!r})")
        return left, HEIGHT - bottom - height, width, height

    def button(self, does: str, kind: str = "VIEW_3D", part: str = "UI") -> tuple[int, int]:
        """Where the first button is whose Python command or data path has `does` in it, looked for with the mouse."""
        seen = []
        left, top, width, height = self.place(kind, part)
        for x in (left + width // 2, left + width - 45, left + 30):
            for y in range(top + STEP, top + height - EDGE, STEP):
                self.move(x, y)
                time.sleep(0.05)
                found = self.ask(f"hovered({kind!r}, {part!r})")
                if does in found:
                    return x, y
                seen.append(found)
        raise AssertionError(f"no button does {does}, but {sorted(set(seen))}")

    def press(self, does: str, kind: str = "VIEW_3D", part: str = "UI") -> None:
        self.click(*self.button(does, kind, part))

    def screenshot(self, path: Path, box: tuple[int, int, int, int] | None = None) -> Path:
        """box: left, top, width, height of what is wanted of the screen."""
        inside = self.folder / "screenshot.png"
        crop = ["-crop", "{2}x{3}+{0}+{1}".format(*box)] if box else []
        self._x("import", "-window", "root", *crop, "+repage", "-strip", str(inside))
        return Path(shutil.move(inside, path))

    def _send(self, source: str) -> int:
        number = next(self._numbers)
        part = self.folder / "ask.part"
        part.write_text(source, encoding="utf-8")
        part.rename(self.folder / f"ask-{number}.py")
        return number

    def _x(self, *command: str) -> None:
        """Runs a client of the window's screen."""
        display = (self.folder / "display").read_text().strip()
        place = ["nsenter", f"--mount=/proc/{self._process.pid}/ns/mnt", "chroot", str(self._root)]
        environment = ["env", "-i", "PATH=/usr/bin:/bin", "HOME=/tmp/home", f"DISPLAY=:{display}"]
        answer = subprocess.run([*place, *environment, *command], capture_output=True, text=True, timeout=120)
        assert answer.returncode == 0, f"{command}: {answer.stderr}"
