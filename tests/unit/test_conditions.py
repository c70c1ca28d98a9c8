"""Pictures, sketches and depth on the command line and in a job folder: accepted, converted, noted and refused."""

import json

import cv2
import numpy as np
import pytest

from backend.__main__ import main
from backend.clips import read_clip, write_frames, write_pictures
from backend.controls.conditions import read_conditions
from backend.job_folder.problem import Problem
from backend.models.entry import find_entry

FRAMES, SIZE = 8, (32, 32)


def noise(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 255, (count, height, width, 3), dtype=np.uint8)


@pytest.fixture
def pictures(tmp_path):
    """A folder with a square and a wide picture, a sketch of dark lines, a depth clip, and a file that is not one."""
    folder = tmp_path / "Bilder ü"
    write_pictures(folder, {0: noise(1, 32, 32)[0], 1: noise(1, 32, 64)[0], 2: drawing(255, 0)})
    write_frames(folder / "depth", noise(FRAMES, 32, 32))
    (folder / "text.png").write_text("not a picture")
    return folder


def drawing(paper: int, ink: int) -> np.ndarray:
    sketch = np.full((*SIZE, 3), paper, np.uint8)
    cv2.circle(sketch, (16, 16), 10, (ink, ink, ink), 2)
    return sketch


@pytest.fixture
def clone(tiny, moving_clip, pictures, tmp_path, capsys):
    """Runs `clone` with conditions, "{}" being the folder of pictures; returns exit code, stderr and job folder."""

    def run(*arguments, model="tiny-controls", job="job"):
        told = [argument.format(pictures) for argument in arguments]
        wanted = ["--prompt", "a red ball", "--model", model, "--job", str(tmp_path / job)]
        code = main(["clone", str(moving_clip), *wanted, *told])
        return code, capsys.readouterr().err, tmp_path / job

    return run


def test_conditions_go_into_the_job_and_shape_its_result(clone, data_folder):
    every = ["--image", "{}/0000.png", "--image", "{}/0001.png@-1", "--sketch", "{}/0002.png@3", "--depth", "{}/depth"]
    code, err, job = clone(*every)
    assert code == 0, err
    assert sorted(path.name for path in (job / "image").iterdir()) == ["0000.png", "0007.png"]
    assert [path.name for path in (job / "sketch").iterdir()] == ["0003.png"]
    assert len(list((job / "depth").iterdir())) == FRAMES
    result = json.loads((job / "result.json").read_text(encoding="utf-8"))
    for said in ("image/0007.png is 64 x 32; it was cropped", "sketch/0003.png has dark lines on light"):
        assert said in err and any(said in note for note in result["request"]["notes"])
    for key in ("sparse_rgb", "sparse_scribble", "depth_control"):
        assert f"{key}/diffusion_pytorch_model.safetensors" in result["model_hashes"]
    assert result["settings"]["depth_strength"] == 1.0
    _, _, plain = clone(job="plain")
    assert (read_clip(plain / "result").frames != read_clip(job / "result").frames).any()
    assert len(list((data_folder / "motion").iterdir())) == 1, "the motion is read without conditions"
    mute = [f"--set={kind}_strength=0" for kind in ("image", "sketch", "depth")]
    _, _, silent = clone(*every, *mute, job="silent")
    np.testing.assert_array_equal(read_clip(plain / "result").frames, read_clip(silent / "result").frames)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--image", "{}/nowhere.png"], ["no picture", "nowhere.png"]),
        (["--image", "{}"], ["no picture"]),
        (["--image", "{}/text.png"], ["text.png", "not a complete PNG or JPG"]),
        (["--image", "{}/0000.png@8"], ["frame 8", "8 frames, 0 to 7"]),
        (["--sketch", "{}/0000.png@-9"], ["frame -9", "0 to 7"]),
        (["--image", "{}/0000.png", "--image", "{}/0001.png@-8"], ["Two pictures", "frame 0"]),
        (["--depth", "{}/0000.png"], ["single picture"]),
        (["--depth", "{}/gone"], ["no file or folder"]),
        (["--set", "image_strength=3"], ["between 0 and 2"]),
        (["--set", "depth_end=-0.1"], ["between 0 and 1"]),
    ],
)
def test_mistakes_are_said_before_a_job_is_made(clone, arguments, words):
    code, err, job = clone(*arguments)
    assert code == 1
    assert all(word in err for word in words), err
    assert "Traceback" not in err and not job.exists()


@pytest.mark.parametrize(
    "kind, key, file",
    [
        ("image", "sparse_rgb", "0000.png"),
        ("sketch", "sparse_scribble", "0002.png"),
        ("depth", "depth_control", "depth"),
    ],
)
def test_a_model_without_the_control_model_says_so(clone, kind, key, file):
    code, err, job = clone(f"--{kind}", "{}/" + file, model="tiny")
    assert code == 1 and not job.exists()
    assert f"does not support {kind}: its entry names no {key}" in err


def test_a_depth_clip_is_spread_over_the_model_s_frames(clone, pictures):
    write_frames(pictures / "depth", noise(20, 32, 32))
    code, err, job = clone("--depth", "{}/depth", "--set", "steps=2")
    assert code == 0, err
    assert len(list((job / "depth").iterdir())) == FRAMES


@pytest.fixture
def job(tiny, tmp_path):
    """Reads the conditions of a job folder: job(image={0: picture}) returns conditions and notes."""

    def read(**kinds):
        for kind, given in kinds.items():
            write_pictures(tmp_path / "job" / kind, given)
        return read_conditions(tmp_path / "job", find_entry("tiny-controls"), FRAMES, SIZE)

    return read


def test_pictures_of_other_sizes_and_shapes_come_at_the_clip_s(job):
    wide, large = noise(1, 40, 120)[0], noise(1, 64, 64)[0]
    conditions, notes = job(image={5: wide, 2: large})
    assert conditions["image"].frame_indices == (2, 5)
    assert conditions["image"].pictures.shape == (2, *SIZE, 3)
    assert notes == ["image/0005.png is 120 x 40; it was cropped to the aspect ratio of the clip, 32 x 32."]


def test_many_notes_are_summed_up(job):
    _, notes = job(depth=dict(enumerate(noise(FRAMES, 32, 64))))
    assert len(notes) == 3 and notes[-1] == "The same applies to 6 more pictures."


@pytest.mark.parametrize("paper, ink", [(255, 0), (0, 255), (200, 120), (128, 0), (128, 255)])
def test_sketches_become_white_lines_on_black(job, paper, ink):
    conditions, notes = job(sketch={0: drawing(paper, ink)})
    np.testing.assert_array_equal(conditions["sketch"].pictures[0], drawing(0, 255))
    assert bool(notes) == (ink < paper)


@pytest.mark.parametrize(
    "kinds, words",
    [
        ({"depth": {k: noise(1, 32, 32)[0] for k in range(5)}}, "contains 5 pictures; the clip has 8 frames"),
        ({"image": {8: noise(1, 32, 32)[0]}}, "is for frame 8; the model's clip has 8 frames, 0 to 7"),
        ({"sketch": {1: drawing(200, 200)}}, "is blank"),
        ({"image": {}}, "contains no PNG or JPG pictures"),
    ],
)
def test_a_job_folder_that_is_not_right(job, kinds, words):
    with pytest.raises(Problem, match=words):
        job(**kinds)


@pytest.mark.parametrize(
    "name, words", [("first.png", "is not a frame number"), ("0.png", "are for the same frame"), ("1.png", "complete")]
)
def test_files_in_a_job_folder_that_are_not_right(job, tmp_path, name, words):
    write_pictures(tmp_path / "job" / "image", {0: noise(1, 32, 32)[0]})
    (tmp_path / "job" / "image" / name).write_bytes(b"no picture")
    with pytest.raises(Problem, match=words):
        job()
