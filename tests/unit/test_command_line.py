"""The command line as its user meets it: results, exit codes, and a clear sentence for every mistake."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from backend.__main__ import main
from backend.clips import read_clip, write_frames
from backend.job_folder.request import read_request

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tiny, moving_clip, tmp_path, capsys):
    """Runs `clone` on the moving clip: -> exit code, stdout, stderr, job folder."""

    def run(*arguments, clip=moving_clip, prompt="a red ball", job=tmp_path / "Auftrag 1", model="tiny"):
        code = main(["clone", str(clip), "--prompt", prompt, "--model", model, "--job", str(job), *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err, Path(job)

    return run


def test_clone_makes_a_job_and_its_result(clone):
    code, out, err, job = clone("--seed", "3", "--set", "steps=3", "--json")
    assert code == 0
    result = json.loads(out)
    assert result == json.loads((job / "result.json").read_text(encoding="utf-8"))
    assert result["settings"]["steps"] == 3
    assert result["request"]["seed"] == 3
    assert -1 <= result["motion_score"] <= 1
    assert result["model_hashes"].keys() >= {"unet/diffusion_pytorch_model.safetensors"}
    assert "sampling 3/3" in err
    assert json.loads((job / "state.json").read_text())["state"] == "done"
    assert read_clip(job / "result").frames.shape == (8, 32, 32, 3)
    assert len(read_clip(job / "result.mp4").frames) == 8


def test_run_repeats_a_job_exactly(clone, capsys):
    _, _, _, job = clone()
    first = read_clip(job / "result").frames
    shutil.rmtree(job / "result")
    assert main(["run", str(job)]) == 0
    assert capsys.readouterr().out.strip() == str(job / "result.mp4")
    np.testing.assert_array_equal(read_clip(job / "result").frames, first)


def test_the_motion_of_a_clip_is_read_once(clone, data_folder, tmp_path):
    clone(job=tmp_path / "one")
    (cached,) = (data_folder / "motion").iterdir()
    made = cached.stat().st_ino
    clone("--seed", "1", job=tmp_path / "two")
    assert [p.stat().st_ino for p in (data_folder / "motion").iterdir()] == [made]
    cached.write_bytes(b"damaged")
    assert clone(job=tmp_path / "three")[0] == 0
    one, three = (read_clip(tmp_path / name / "result").frames for name in ("one", "three"))
    np.testing.assert_array_equal(one, three)


def test_two_clips_of_one_name_do_not_share_their_motion(clone, data_folder, tmp_path):
    for name in ("a", "b"):
        frames = np.random.default_rng(ord(name)).integers(0, 255, (8, 32, 32, 3), dtype=np.uint8)
        write_frames(tmp_path / name / "shot", frames)
        clone(clip=tmp_path / name / "shot", job=tmp_path / f"job {name}")
    assert len(list((data_folder / "motion").iterdir())) == 2


def test_shape_and_number_of_frames_follow_the_clip(clone, tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (20, 90, 160, 3), dtype=np.uint8)
    write_frames(tmp_path / "wide", frames)
    code, _, _, job = clone("--set", "frames=12", clip=tmp_path / "wide")
    assert code == 0
    assert read_clip(job / "result").frames.shape == (12, 24, 40, 3)
    assert read_request(job).shot.frames == len(read_clip(job / "result.mp4").frames) == 20


def test_a_short_clip_is_stretched_and_it_is_said(clone, tmp_path):
    write_frames(tmp_path / "short", np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8))
    code, _, err, job = clone(clip=tmp_path / "short")
    assert code == 0
    assert len(read_clip(job / "reference").frames) == 8
    assert "3 frames" in err
    assert "3 frames" in json.loads((job / "result.json").read_text())["request"]["notes"][0]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--set", "step=3"], ["'step'", "Did you mean 'steps'?"]),
        (["--set", "steps"], ["key=value"]),
        (["--set", "guidance_blocks=up_blocks.7"], ["'up_blocks.7'", "guidance_blocks"]),
        (["--set", "context_length=99"], ["at most 24 frames at once"]),
        (["--model", "tinny"], ["'tinny'", "Did you mean 'tiny'?"]),
        (["--prompt", "red " * 50], ["50 tokens", "at most 30", "Shorten"]),
        (["--set", "motion_weight=10000000", "--set", "cfg_scale=100"], None),
    ],
)
def test_mistakes_are_said_in_a_sentence(clone, arguments, words):
    code, out, err, job = clone(*arguments)
    if words is None:  # wild but possible: either it works or it says why not, and never shows black frames
        assert code == 0 or "Lower motion_weight" in err
        return
    assert code == 1
    assert out == ""
    assert all(word in err for word in words)
    assert "Traceback" not in err
    assert not (job / "result.mp4").exists()


def test_a_prompt_too_long_is_said_before_a_job_is_made(clone):
    for arguments in ([], ["--negative", "red " * 31]):
        code, _, err, job = clone(*arguments, prompt="red " * (30 if arguments else 31))
        assert code == 1 and "31 tokens" in err and not job.exists()


def test_numbers_that_fall_apart_leave_the_earlier_result(clone, tiny, monkeypatch):
    _, _, _, job = clone()
    earlier = (job / "result.mp4").read_bytes()
    from safetensors.torch import load_file, save_file

    weights = load_file(tiny / "unet" / "diffusion_pytorch_model.safetensors")
    save_file(
        weights | {"conv_out.bias": weights["conv_out.bias"] * float("nan")},
        tiny / "unet" / "diffusion_pytorch_model.safetensors",
    )
    assert main(["run", str(job)]) == 1
    state = json.loads((job / "state.json").read_text())
    assert state["state"] == "failed"
    assert "invalid numbers (NaN)" in state["message"] and "Lower motion_weight" in state["hint"]
    assert (job / "result.mp4").read_bytes() == earlier


def test_a_damaged_model_is_named(clone, tiny):
    path = tiny / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    code, _, err, _ = clone()
    assert code == 1
    assert str(path) in err and "is truncated" in err


def test_a_job_folder_that_cannot_be_written(clone, tmp_path):
    (tmp_path / "file").write_text("x")
    code, _, err, _ = clone(job=tmp_path / "file" / "job")
    assert code == 1
    assert "cannot be created" in err and "--job" in err


@pytest.mark.skipif(
    not shutil.which("unshare") or os.name != "posix", reason="needs a system with permissions to take away"
)
def test_a_read_only_job_folder(clone, tmp_path):
    code, _, _, job = clone()
    assert code == 0
    command = (
        f"mount --bind '{job}' '{job}' && mount -o remount,bind,ro '{job}' && '{sys.executable}' -m backend run '{job}'"
    )
    done = subprocess.run(["unshare", "-rm", "sh", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr and "Traceback" not in done.stderr


def test_an_existing_job_is_not_overwritten(clone):
    clone()
    code, _, err, _ = clone()
    assert code == 1
    assert "already contains a job" in err


@pytest.mark.parametrize(
    "content, words", [(None, "no job.json"), ("{", "cannot be read as JSON"), ("[]", "must be an object")]
)
def test_run_on_a_folder_that_is_no_job(tmp_path, capsys, content, words):
    if content is not None:
        (tmp_path / "job.json").write_text(content)
    assert main(["run", str(tmp_path)]) == 1
    assert words in capsys.readouterr().err
    assert main(["run", str(tmp_path / "nowhere")]) == 1
    assert "There is no job folder" in capsys.readouterr().err


def test_usage_errors_exit_with_two():
    with pytest.raises(SystemExit) as stop:
        main(["clone", "x"])
    assert stop.value.code == 2


def test_score_and_models(clone, moving_clip, capsys):
    assert main(["score", str(moving_clip), str(moving_clip), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["motion_score"] == pytest.approx(1)
    assert main(["models", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["tiny"]["frames"] == 8 and rows["demo"]["area"] == 4096
    assert rows["tiny"]["controls"] == [] and "draft" not in rows["tiny"]["families"]
    assert rows["tiny-controls"]["controls"] == ["sparse_rgb", "sparse_scribble", "depth_control"]
    assert {"default", "draft", "paper", "inversion"} <= set(rows["demo"]["families"]) and not rows["demo"]["missing"]


def test_models_are_listed_without_torch():
    code = (
        "import sys; from backend.__main__ import main\n"
        "assert main(['models', '--json']) == 0\n"
        "assert not {'torch', 'numpy', 'diffusers', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
def test_a_running_job_is_cancelled_by_a_signal(clone, tmp_path):
    _, _, _, job = clone()
    request = json.loads((job / "job.json").read_text())
    request["settings"] = {"steps": "1000"}
    (job / "job.json").write_text(json.dumps(request))
    process = subprocess.Popen(
        [sys.executable, "-m", "backend", "run", str(job)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while '"sampling"' not in (job / "state.json").read_text():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Cancelled." in err
    assert json.loads((job / "state.json").read_text())["state"] == "cancelled"
    assert (job / "result.mp4").exists()  # the earlier result stays


@pytest.mark.skipif(os.name == "nt", reason="pipes end in another way there")
def test_a_reader_who_has_enough_is_no_error():
    """As `python -m backend settings | head -1`."""
    told = subprocess.Popen(
        [sys.executable, "-m", "backend", "settings"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    told.stdout.close()
    assert told.stderr.read() == b"" and told.wait(60) == 1
