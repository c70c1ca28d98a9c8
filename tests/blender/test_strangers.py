"""What comes with a .blend is a stranger's: hostile.py's cases, and what the user is told of them and can do then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import bpy
import pytest

from tests.blender.checked_layout import CheckedLayout, drawn
from tests.blender.conftest import PACKAGE, ROOT
from tests.blender.test_job import error_of, generate, press_generate, tick_until
from tests.blender.test_takes import names, opened, quick, saved  # noqa: F401  (quick is a fixture)

SECONDS = 1200
FAR = "It is not read without your permission"
SEEDS = (0, 2**31 - 1, 2**31, 902332188446832, 2**63, 2**64 - 1)


def preferences():
    return bpy.context.preferences.addons[PACKAGE].preferences


@pytest.fixture
def another_session(part):
    """Forgets what the user has named in this one."""
    reach = part("reach")
    reach._chosen.clear()
    return reach


def job_with(folder: Path, **request) -> Path:
    folder.mkdir(parents=True)
    request = {"prompt": "a red ball", "shot": {"frames": 48, "fps": 24.0}} | request
    (folder / "job.json").write_text(json.dumps(request))
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="its files are those of Unix")
def test_hostile_files_freeze_nothing_and_reach_nothing(extension_zip, tmp_path):
    command = [sys.executable, "-m", "tests.blender.hostile", str(extension_zip)]
    surroundings = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "user")}
    done = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["hold"] == result["cases"] > 200


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_that_other_programs_use_is_taken_in_shown_and_followed(quick, tmp_path, part, seed):  # noqa: F811
    folder = job_with(tmp_path / "my own job", seed=seed)
    assert bpy.ops.motionclone.adopt(folder=str(folder)) == {"FINISHED"}
    (take,) = quick.motionclone.takes
    assert take.whole_seed == seed and f"seed {seed}" in part("panels.takes").summary(take)
    scene = opened_again(quick, tmp_path)
    assert scene.motionclone.takes[0].whole_seed == seed
    following = part("operators.takes").next_seed(scene, scene.motionclone.takes[0])
    assert following == (seed + 1) % 2**64


def opened_again(scene, folder: Path):
    saved(scene, folder / "shot.blend")
    return opened(folder / "shot.blend")


@pytest.mark.parametrize("seed", ["18446744073709551616", "-1", "9" * 5000, "1.5", '"3"', "true"])
def test_what_is_no_seed_is_refused_with_a_sentence(quick, tmp_path, seed):  # noqa: F811
    folder = job_with(tmp_path / "my own job")
    text = (folder / "job.json").read_text()
    (folder / "job.json").write_text(text.replace("{", f'{{"seed": {seed}, ', 1))
    said = error_of(bpy.ops.motionclone.adopt, folder=str(folder))
    assert "Traceback" not in said and "seed" in said and names(quick) == []


def test_a_new_seed_of_a_long_one_is_made(quick):  # noqa: F811
    generate()
    (take,) = quick.motionclone.takes
    request = Path(take.folder) / "job.json"
    request.write_text(json.dumps(json.loads(request.read_text()) | {"seed": 2**63}))
    bpy.ops.motionclone.take_remove()
    bpy.ops.motionclone.adopt(folder=str(request.parent))
    assert bpy.ops.motionclone.take_retry() == {"FINISHED"}
    assert [take.whole_seed for take in quick.motionclone.takes] == [2**63, 2**63 + 1]
    made = Path(quick.motionclone.takes[1].folder)
    assert json.loads((made / "job.json").read_text())["seed"] == 2**63 + 1 and (made / "result.mp4").is_file()


def test_a_take_of_another_seed_gets_a_new_job_in_the_jobs_folder_of_today(quick, jobs, tmp_path):  # noqa: F811
    generate()
    preferences().jobs_folder = str(tmp_path / "other jobs")
    assert bpy.ops.motionclone.take_retry() == {"FINISHED"}
    folders = [Path(take.folder).parent.name for take in quick.motionclone.takes]
    assert folders == [jobs.name, "other jobs"]


@pytest.mark.parametrize("name", ["reference", "reference/0001.png", "mask", "depth", "image", "sketch", "passes"])
def test_another_seed_and_another_run_follow_no_link(quick, jobs, tmp_path, name):  # noqa: F811
    generate()
    (take,) = quick.motionclone.takes
    secret = tmp_path / "home" / "id_key"
    secret.parent.mkdir()
    secret.write_text("a private key")
    path = Path(take.folder) / name
    if path.is_dir():
        path.rename(path.with_name("was"))
    path.unlink(missing_ok=True)
    path.symlink_to(secret if name.endswith(".png") else secret.parent)
    before = sorted(jobs.iterdir())
    (path.parents[len(Path(name).parts) - 1] / "state.json").write_text('{"state": "cancelled"}')
    for operator in (bpy.ops.motionclone.take_retry, bpy.ops.motionclone.resume):
        assert "is a link, a pipe or a device" in error_of(operator, job=take.name)
    assert "is a link, a pipe or a device" in error_of(bpy.ops.motionclone.adopt, folder=take.folder)
    assert sorted(jobs.iterdir()) == before and secret.stat().st_nlink == 1


def test_a_variant_follows_no_link_whoever_asks_for_it(quick, jobs, tmp_path, part):  # noqa: F811
    generate()
    folder = Path(quick.motionclone.last_job)
    request = part("capture.job").JobRequest(prompt="x", shot=json.loads((folder / "job.json").read_text())["shot"])
    (tmp_path / "key").write_text("a private key")
    (folder / "reference/0009.png").symlink_to(tmp_path / "key")
    before = sorted(jobs.iterdir())
    with pytest.raises(part("backend.job_folder.problem").Problem, match=r"0009\.png is a link"):
        part("capture.job").variant(folder, request, jobs)
    assert sorted(jobs.iterdir()) == before and (tmp_path / "key").stat().st_nlink == 1


def test_removing_a_take_writes_into_no_folder_that_it_names(quick, jobs, tmp_path, another_session):  # noqa: F811
    generate()
    (take,) = quick.motionclone.takes
    job, victim = Path(take.folder), tmp_path / "bashrc"
    victim.write_text("export A=1\n")
    for name in ("blender.json.part", "state.json.part"):
        (job / name).symlink_to(victim)
    named = quick.motionclone.takes.add()
    named.name, named.folder = "20261101-000000-aaaaaa", str(job_with(tmp_path / "elsewhere" / "x"))
    another_session._chosen.clear()
    assert bpy.ops.motionclone.take_remove(job=named.name) == {"FINISHED"}
    assert bpy.ops.motionclone.take_remove(job=take.name) == {"FINISHED"}
    assert names(quick) == [] and victim.read_text() == "export A=1\n"
    assert not (tmp_path / "elsewhere/x/blender.json").exists()
    assert json.loads((job / "blender.json").read_text())["dismissed"] is True


def test_a_take_far_away_waits_for_a_click(quick, jobs, part, tmp_path, another_session):  # noqa: F811
    generate()
    (take,) = quick.motionclone.takes
    preferences().jobs_folder = str(tmp_path / "other jobs")
    take.state = "running"
    saved(quick, tmp_path / "project" / "shot.blend") if (tmp_path / "project").mkdir() is None else None
    another_session._chosen.clear()
    scene = opened(tmp_path / "project" / "shot.blend")
    (take,) = scene.motionclone.takes
    assert take.state == "queued" and FAR in take.message
    assert "This take is already done" in error_of(bpy.ops.motionclone.resume, job=take.name)
    assert take.state == "done" and take.message == ""
    another_session._chosen.clear()
    part("jobs.take_states").sync(())
    assert take.state == "done", "an end that the file tells of is believed"
    assert bpy.ops.motionclone.take_place(how="STRIP") == {"FINISHED"}


def test_a_take_beside_its_file_is_known_at_once(quick, jobs, part, tmp_path, another_session):  # noqa: F811
    generate()
    (take,) = quick.motionclone.takes
    preferences().jobs_folder = str(tmp_path / "other jobs")
    take.state = "running"
    saved(quick, tmp_path / "shot.blend")
    another_session._chosen.clear()
    assert opened(tmp_path / "shot.blend").motionclone.takes[0].state == "done"


def test_a_clip_far_away_is_opened_on_a_click(quick, part, tmp_path, movie, another_session):  # noqa: F811
    facts, runner = part("facts"), part("jobs.job_runner")
    (tmp_path / "clips").mkdir()
    (tmp_path / "project").mkdir()
    clip = tmp_path / "clips" / "clip.mp4"
    clip.write_bytes(movie.read_bytes())
    quick.motionclone.source, quick.motionclone.clip_file = "FILE", str(clip)
    runner.refresh_models(bpy.context)
    tick_until(runner, lambda: part("setup.backend_models").models())
    tick_until(runner, lambda: "clip.mp4" in facts.gather(bpy.context).button)  # the user has just chosen it
    saved(quick, tmp_path / "project" / "shot.blend")
    another_session._chosen.clear()
    opened(tmp_path / "project" / "shot.blend")
    found = facts.gather(bpy.context)
    assert (
        not found.button
        and "this file refers to" in str(found.problem)
        and "not opened without your permission" in str(found.problem)
    )
    said = drawn(part("panels.clone").MOTIONCLONE_PT_sidebar, bpy.context)
    assert "motionclone.use_named_files" in said
    assert bpy.ops.motionclone.use_named_files() == {"FINISHED"}
    tick_until(runner, lambda: "clip.mp4" in facts.gather(bpy.context).button)


@pytest.mark.parametrize("name", ["backend_python", "backend_folder", "wheels_folder", "jobs_folder"])
def test_a_relative_path_in_the_preferences_is_refused_and_told(quick, part, tmp_path, name):  # noqa: F811
    saved(quick, tmp_path / "shot.blend")
    facts, before = part("facts"), getattr(preferences(), name)
    for value in ("//venv", "venv", "./venv", "../venv"):
        setattr(preferences(), name, value)
        try:
            problem = facts.gather(bpy.context).problem
            assert f"is {value}, which is a relative path" in str(problem)
            page = CheckedLayout()
            part("panels.preferences_page").draw_page(page, bpy.context, preferences())
            for said in (page.said, drawn(part("panels.clone").MOTIONCLONE_PT_sidebar, bpy.context)):
                assert "relative path" in " ".join(said)
            opened(tmp_path / "shot.blend")
            facts.tick()
            part("jobs.job_runner").tick()
            asked = {"jobs_folder": "generate", "wheels_folder": "install_backend", "backend_folder": "doctor"}
            if name in asked:
                assert "relative path" in error_of(getattr(bpy.ops.motionclone, asked[name]))
        finally:
            setattr(preferences(), name, before)


@pytest.mark.parametrize(
    "where", ["queue.pump", "notifications.tell", "notifications.place_next", "notifications.note", "_pause"]
)
def test_whatever_goes_wrong_the_timer_goes_on(quick, worker, part, monkeypatch, where):  # noqa: F811
    owner, _, name = where.rpartition(".")
    (job,) = press_generate(part)
    with monkeypatch.context() as broken:
        broken.setattr(getattr(worker._now, owner) if owner else worker, name, lambda *_: 1 / 0)
        assert worker.tick() is not None
        assert "Unexpected error: ZeroDivisionError" in str(worker.problem())
    tick_until(worker, lambda: quick.motionclone.takes[job].state == "done")


def test_one_damaged_take_keeps_none_from_the_others(quick, worker, part, monkeypatch):  # noqa: F811
    quick.motionclone.seeds = 3
    generate()
    states = part("jobs.take_states")
    first, *others = quick.motionclone.takes
    for take in quick.motionclone.takes:
        take.state = "queued"
    read = states.read_state
    monkeypatch.setattr(states, "read_state", lambda folder: 1 / 0 if folder.name == first.name else read(folder))
    part("handlers").after_load()
    tick_until(worker, lambda: not states.syncing())
    assert first.state == "failed" and "has invalid contents: ZeroDivisionError" in first.message
    assert {take.state for take in others} == {"done"}


def test_panels_and_the_installer_go_on_too(part, monkeypatch):
    facts, installer = part("facts"), part("setup.install_runner")
    monkeypatch.setattr(facts, "_look", lambda: 1 / 0)
    assert facts.tick() is not None
    monkeypatch.setattr(installer, "_look", lambda: 1 / 0)
    assert installer.tick() is None and "Unexpected error" in str(installer.problem())
    installer.forget_problem()
    part("jobs.job_runner").clear_problem()


def test_a_picture_of_a_take_that_was_made_again_takes_the_place_of_the_old(quick, part):  # noqa: F811
    generate()
    thumbnails, folder = part("thumbnails"), Path(quick.motionclone.last_job)
    frames = sorted((folder / "result").glob("*.png"))
    assert thumbnails.load_take("x", folder) and not thumbnails.load_take("x", folder)
    os.utime(frames[len(frames) // 2], (1, 1))
    assert thumbnails.load_take("x", folder)


def test_a_view_of_a_stranger_s_is_no_trap(quick):  # noqa: F811
    for text in ("[" * 100_000, "[1]", '{"gamma": "x"}', '{"exposure": 1e400}', '{"view_transform": 3}'):
        quick.motionclone.view_before = text
        assert bpy.ops.motionclone.restore_view() == {"FINISHED"}
        assert quick.motionclone.view_before == ""
