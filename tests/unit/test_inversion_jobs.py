"""The inversion method and mask clips on the command line: their effects and their errors."""

import json

import numpy as np
import pytest

from backend.__main__ import main
from backend.clips import read_clip, write_frames

FULL = np.full((8, 32, 32, 3), 255, np.uint8)


@pytest.fixture
def left_half(tmp_path):
    half = np.zeros_like(FULL)
    half[:, :, :16] = 255
    return write(tmp_path / "left half", half)


def write(folder, frames):
    write_frames(folder, frames)
    return str(folder)


@pytest.fixture
def clone(tiny, moving_clip, tmp_path, capsys):
    """Runs `clone`; returns exit code, stderr and job folder."""
    count = iter(range(100))

    def run(*arguments, prompt="a red ball"):
        job = tmp_path / f"job {next(count)}"
        code = main(["clone", str(moving_clip), "--prompt", prompt, "--model", "tiny", "--job", str(job), *arguments])
        return code, capsys.readouterr().err, job

    return run


@pytest.fixture(scope="module")
def known():
    """The frames of clips that several tests compare with, by the arguments of `clone`."""
    return {}


@pytest.fixture
def plain(clone, known):
    """Returns the frames of a clip that only these arguments decide. It is made once for all tests."""

    def frames(*arguments):
        if arguments not in known:
            known[arguments] = frames_of(clone(*arguments))
        return known[arguments]

    return frames


def frames_of(ran):
    code, err, job = ran
    assert code == 0, err
    return read_clip(job / "result").frames


INVERSION = ("--method", "inversion", "--inversion-prompt", "a grey ball", "--set", "semantic_weights=300")


@pytest.mark.parametrize("keys", ["temp", "spatial"])
@pytest.mark.parametrize("named", [(), ("--object", "ball:red ball")])
def test_the_inversion_method_runs_and_its_semantic_term_counts(clone, plain, keys, named):
    kind = ("--set", f"semantic_keys={keys}", "--set", "semantic_blocks=up_blocks.1", *named)
    ran = clone(*INVERSION, *kind)
    unguided = plain("--set", "motion_weight=0", "--method", "inversion")
    motion_only = plain(*INVERSION, "--set", "semantic_weights=0")
    assert (frames_of(ran) != unguided).any() and (frames_of(ran) != motion_only).any()
    assert json.loads((ran[2] / "result.json").read_text())["request"]["inversion_prompt"] == "a grey ball"


@pytest.mark.parametrize("keys", ["temp", "spatial"])
def test_wide_frames_with_an_object_and_with_a_mask(tiny, tmp_path, capsys, keys):
    """The length of an attention row does not tell height and width."""
    clip = write(tmp_path / "wide", np.random.default_rng(0).integers(0, 255, (8, 24, 40, 3), dtype=np.uint8))
    mask = write(
        tmp_path / "wide mask", np.pad(np.full((8, 24, 10, 3), 255, np.uint8), ((0, 0), (0, 0), (5, 25), (0, 0)))
    )
    for job, given in (("words", ["--object", "grey ball:red ball"]), ("mask", ["--mask", mask])):
        told = ["--prompt", "a red ball", "--model", "tiny", "--job", str(tmp_path / job), *INVERSION, *given]
        assert main(["clone", clip, *told, "--set", f"semantic_keys={keys}"]) == 0, capsys.readouterr().err
        assert read_clip(tmp_path / job / "result").frames.shape == (8, 24, 40, 3)


def test_inverted_latents_are_made_once_and_streamed(clone, data_folder):
    first = clone(*INVERSION)
    (kept,) = (data_folder / "inversion").iterdir()
    files = {path.name: path.stat().st_mtime_ns for path in kept.iterdir()}
    assert len(files) == 2  # of the guided steps alone
    again = clone(*INVERSION)
    assert files == {path.name: path.stat().st_mtime_ns for path in kept.iterdir()}
    np.testing.assert_array_equal(frames_of(first), frames_of(again))
    next(kept.iterdir()).write_bytes(b"cut")
    code, err, _ = clone(*INVERSION)
    assert code == 1 and "inverted latents" in err and "Remove the folder" in err


@pytest.mark.parametrize("method", [(), INVERSION])
def test_a_mask_of_ones_is_no_mask(clone, plain, tmp_path, method):
    without = plain(*method)
    masked = frames_of(clone(*method, "--mask", write(tmp_path / "ones", FULL)))
    np.testing.assert_array_equal(masked, without) if not method else None
    assert (plain(*method, "--set", "motion_weight=0") != without).any()


def test_both_strengths_at_one_are_no_mask(clone, plain, left_half):
    masked = frames_of(clone("--mask", left_half, "--set", "background_strength=1"))
    np.testing.assert_array_equal(masked, plain())


def test_both_strengths_at_zero_are_no_guidance(clone, plain, left_half):
    masked = frames_of(clone("--mask", left_half, "--set", "subject_strength=0"))
    np.testing.assert_array_equal(masked, plain("--set", "motion_weight=0"))


def test_subject_and_background_differ(clone, left_half):
    subject = frames_of(clone("--mask", left_half))
    background = frames_of(clone("--mask", left_half, "--set", "subject_strength=0", "--set", "background_strength=1"))
    assert (subject != background).any()


def test_a_mask_of_another_size_is_resized_and_it_is_said(clone, tmp_path):
    mask = write(tmp_path / "large", np.full((8, 64, 64, 3), 255, np.uint8))
    code, err, job = clone("--mask", mask)
    assert code == 0 and "The mask is 64 x 64" in err
    assert "The mask is 64 x 64" in json.loads((job / "result.json").read_text())["request"]["notes"][0]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--object", "ball"], "two words with a colon"),
        (["--object", "ball:cube"], "'cube' is not in the prompt"),
        (["--object", "cube:ball"], "'cube' is not in the inversion prompt"),
        (["--set", "inversion_steps=5"], "Set inversion_steps to 1000"),
        (["--set", "sampler=euler"], "requires sampler ddim"),
        (["--set", "block_weights=1,2"], "block_weights has 2 values"),
        (["--set", "semantic_blocks=up_blocks.9"], "'up_blocks.9'"),
    ],
)
def test_what_the_inversion_method_refuses(clone, arguments, words):
    code, err, _ = clone(*INVERSION, *arguments)
    assert code == 1 and words in err and "Traceback" not in err


def test_masks_that_are_refused(clone, tmp_path):
    code, err, _ = clone("--mask", write(tmp_path / "black", np.zeros_like(FULL)))
    assert code == 1 and "black in every frame" in err
    code, err, _ = clone("--mask", write(tmp_path / "short", FULL[:5]))
    assert code == 1 and "has 5 frames; the reference clip has 8" in err
    code, err, _ = clone("--mask", str(tmp_path / "none"))
    assert code == 1 and "none" in err
