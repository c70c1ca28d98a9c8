"""Whether what the demo command wrote is what it promises. Run by the backend's Python: check_demo.py FOLDER."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2


def main(folder: Path) -> None:
    sheet = cv2.imread(str(folder / "contact_sheet.png"))
    assert sheet is not None and min(sheet.shape[:2]) > 500 and sheet.std() > 20, "the contact sheet shows nothing"
    video = cv2.VideoCapture(str(folder / "demo.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) >= 48, "the video is too short"
    assert (folder / "demo.blend").stat().st_size > 50_000, "the scene is too small to hold anything"
    takes = json.loads((folder / "takes.json").read_text(encoding="utf-8"))["takes"]
    assert len(takes) == 3
    for take in takes:
        for kind in ("plain", "guided"):
            job = Path(take[kind])
            frames = [cv2.imread(str(path)) for path in sorted((job / "result").glob("*.png"))]
            assert len(frames) == 16 and all(frame.std() > 5 for frame in frames), f"{job} holds empty frames"
            result = json.loads((job / "result.json").read_text(encoding="utf-8"))
            print(f"{take['prompt']}, {kind}: motion score {result['motion_score']}")
    print("The demo wrote what it promises.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
