"""Takes: what the list shows, what can be done with one, and how they find their folders and jobs again."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from pathlib import Path

import bpy
import pytest

from tests.blender.test_job import error_of, generate, press_generate, tick_until
from tests.blender.test_panels import shown
from tests.systems import WINDOWS, kill_now

SLOW = "steps=1000"


@pytest.fixture
def quick(scene, jobs, worker):
    """A scene whose takes take a blink, and go nowhere."""
    scene.motionclone.settings, scene.motionclone.placement = "steps=2 frames=4", "NONE"
    return scene


def names(scene) -> list[str]:
    return [take.name for take in scene.motionclone.takes]


def saved(scene, path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(path))


def opened(path: Path):
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return bpy.context.scene


def test_a_take_shows_what_was_asked_for_and_how_it_ended(quick):
    quick.motionclone.seed = 5
    generate()
    (take,) = quick.motionclone.takes
    assert Path(take.folder).name == take.name and quick.motionclone.last_job == take.folder
    assert (take.prompt, take.seed, take.state, take.message) == (quick.motionclone.prompt, 5, "done", "")
    assert (take.frame_start, take.frames, take.camera) == (11, 48, "Camera")


def test_the_score_is_the_one_in_the_job_s_result(quick, part):
    generate()
    (take,) = quick.motionclone.takes
    assert take.score == part("properties").NO_SCORE
    result = Path(take.folder) / "result.json"
    result.write_text(json.dumps(json.loads(result.read_text()) | {"motion_score": 0.75}))
    part("jobs.take_states").sync(())
    assert take.score == 0.75


def test_what_is_to_be_known_about_a_finished_take_is_said(quick, part):
    generate()
    (take,) = quick.motionclone.takes
    result = Path(take.folder) / "result.json"
    for notes, expected in (
        (["Nothing moves.", 5, "The mask is\nresized.\u202e"], ["Nothing moves.", "The mask is resized."]),
        ("no list", []),
        ([f"{number}." for number in range(100)], [f"{number}." for number in range(8)]),
    ):
        result.write_text(json.dumps(json.loads(result.read_text()) | {"notes": notes}))
        part("jobs.take_states").sync(())
        assert take.notes.splitlines() == expected
    assert "0." in shown("takes") and "8." not in shown("takes")


def test_a_batch_captures_once_and_makes_a_take_of_each_prompt_and_seed(quick, part):
    settings = quick.motionclone
    settings.seed, settings.seeds = 3, 2
    for text in ("a blue cone", "  ", "a blue cone"):
        settings.more_prompts.add().text = text
    generate()
    red = settings.prompt
    made = [(take.prompt, take.seed, take.state) for take in settings.takes]
    assert made == [(p, s, "done") for p in (red, "a blue cone") for s in (3, 4)]
    folders = [Path(take.folder) for take in settings.takes]
    pictures = [folder / "reference/0001.png" for folder in folders]
    assert len({picture.stat().st_ino for picture in pictures}) == 1
    requests = [json.loads((folder / "job.json").read_text(encoding="utf-8")) for folder in folders]
    assert [(request["prompt"], request["seed"]) for request in requests] == [(p, s) for p, s, _ in made]
    assert all((folder / "result.mp4").is_file() for folder in folders)


def test_all_shots_become_takes(quick):
    other = bpy.data.objects.new("Close", bpy.data.cameras.new("Close"))
    other.location, other.rotation_euler = quick.camera.location, quick.camera.rotation_euler  # it must show something
    quick.collection.objects.link(other)
    for frame, camera in ((11, quick.camera), (31, other)):
        quick.timeline_markers.new(f"F{frame}", frame=frame).camera = camera
    quick.motionclone.shots, quick.motionclone.seeds = "ALL", 2
    generate()
    shots = [(take.camera, take.frame_start, take.frames, take.seed) for take in quick.motionclone.takes]
    assert shots == [("Camera", 11, 20, 0), ("Camera", 11, 20, 1), ("Close", 31, 28, 0), ("Close", 31, 28, 1)]


def test_more_takes_than_can_wait_are_refused_before_anything_is_rendered(quick, jobs):
    quick.motionclone.seeds = 64
    for n in range(3):
        quick.motionclone.more_prompts.add().text = f"prompt {n}"
    assert "This would be 256 takes, but the queue has room for only 200 more" in error_of(bpy.ops.motionclone.generate)
    assert not jobs.exists()


def test_of_a_batch_those_that_fail_are_counted_and_the_others_are_done(quick):
    quick.motionclone.more_prompts.add().text = "fail"
    assert "1 of 2 jobs are not done" in (said := error_of(bpy.ops.motionclone.generate)) and "as its prompt" in said
    assert [take.state for take in quick.motionclone.takes] == ["done", "failed"]
    assert quick.motionclone.takes[1].hint == "Use another prompt."


def test_an_error_in_a_later_shot_loses_no_take_of_an_earlier_one(quick, part, monkeypatch):
    quick.motionclone.seeds = 2
    generation = part("jobs.generation")
    captured = generation.variant

    def fail(*_):
        raise part("backend.job_folder.problem").Problem("The disk is full.", "Make room.")

    monkeypatch.setattr(generation, "variant", fail)
    assert "The disk is full. Make room." in error_of(bpy.ops.motionclone.generate)
    assert [take.state for take in quick.motionclone.takes] == ["done"]
    monkeypatch.setattr(generation, "variant", captured)
    assert not generation.going_on() and bpy.ops.motionclone.generate.poll()


def test_a_capture_can_be_left_at_any_picture(quick, jobs, part):
    generation, runner = part("jobs.generation"), part("jobs.job_runner")
    generation.begin(bpy.context)
    while runner.capture() != (2, 4):
        assert generation.step()
    assert not bpy.ops.motionclone.generate.poll()
    with pytest.raises(part("backend.job_folder.problem").Problem, match="already running"):
        generation.begin(bpy.context)
    generation.stop()
    assert runner.capture() is None and list(jobs.iterdir()) == [] and names(quick) == []
    assert bpy.ops.motionclone.generate.poll()


def test_another_file_ends_a_capture_and_no_job(quick, jobs, part, tmp_path):
    generation = part("jobs.generation")
    press_generate(part)
    generation.begin(bpy.context, again=True)
    while part("jobs.job_runner").capture() != (1, 4):
        generation.step()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert not generation.going_on() and len(list(jobs.iterdir())) == 1
    tick_until(part("jobs.job_runner"), lambda: not part("jobs.job_runner").running())
    assert len(list(jobs.glob("*/result.mp4"))) == 1


def test_a_file_saved_in_the_middle_of_a_capture_is_as_the_user_made_it(quick, jobs, part, tmp_path):
    generation, file = part("jobs.generation"), tmp_path / "shot.blend"
    quick.motionclone.reference_shading = "MOTION"
    before = {kind: [block.name for block in getattr(bpy.data, kind)] for kind in ("scenes", "materials", "worlds")}
    generation.begin(bpy.context)
    while part("jobs.job_runner").capture() != (1, 4):
        generation.step()
    saved(quick, file)
    part("handlers").after_undo()
    while generation.step():
        time.sleep(0.01)
    assert [take.state for take in quick.motionclone.takes] == ["queued"], "the capture did not mind"
    bpy.data.scenes.new("brought back by an undo")[part("capture.stage").MARK] = True
    part("handlers").after_undo()
    assert [scene.name for scene in bpy.data.scenes] == before["scenes"]
    scene = opened(file)
    assert [scene.name for scene in bpy.data.scenes] == before["scenes"]
    saved(scene, file)  # what only the stage used is not kept
    opened(file)
    assert {kind: [block.name for block in getattr(bpy.data, kind)] for kind in before} == before


def test_a_job_goes_on_while_another_file_is_open_and_its_take_knows(quick, worker, part, tmp_path):
    quick.motionclone.settings = "steps=60 frames=4"
    (job,) = press_generate(part)
    saved(quick, tmp_path / "böhmische shot.blend")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert worker.running() == job and not len(bpy.context.scene.motionclone.takes)
    tick_until(worker, lambda: not worker.running())
    assert not len(bpy.context.scene.motionclone.takes) and worker.problem() is None
    scene = opened(tmp_path / "böhmische shot.blend")
    assert scene.motionclone.takes[job].state == "done"


def test_a_take_that_still_runs_when_its_file_is_opened_again_is_followed(quick, worker, part, tmp_path):
    quick.motionclone.settings = SLOW
    (job,) = press_generate(part)
    saved(quick, tmp_path / "shot.blend")
    scene = opened(tmp_path / "shot.blend")
    tick_until(worker, lambda: scene.motionclone.takes[job].state == "running")
    bpy.ops.motionclone.cancel(job=job)
    tick_until(worker, lambda: scene.motionclone.takes[job].state == "cancelled")


def test_finished_while_the_file_was_closed_without_saving(quick, worker, part, tmp_path):
    """The file does not know the take; the job's folder knows the file."""
    saved(quick, tmp_path / "shot.blend")
    (job,) = press_generate(part)
    scene = opened(tmp_path / "shot.blend")
    assert names(scene) == []
    tick_until(worker, lambda: not worker.running())
    scene = opened(tmp_path / "shot.blend")
    tick_until(worker, lambda: not part("jobs.takes").searching())
    (folder,) = part("jobs.takes").finished_elsewhere(scene)
    assert folder.name == job and part("jobs.takes").unfinished(scene) == []
    assert bpy.ops.motionclone.dismiss_offers(done=False) == {"FINISHED"}, "there are none"
    assert part("jobs.takes").finished_elsewhere(scene) == [folder]
    assert bpy.ops.motionclone.adopt() == {"FINISHED"}
    assert names(scene) == [job] and scene.motionclone.takes[job].state == "done"
    assert part("jobs.takes").finished_elsewhere(scene) == []
    assert "All finished jobs" in error_of(bpy.ops.motionclone.adopt)


def test_an_offer_that_is_dismissed_does_not_come_again(quick, worker, part, tmp_path):
    takes = part("jobs.takes")
    saved(quick, tmp_path / "shot.blend")
    generate()
    (job,) = names(quick)
    for how, left in (("done", takes.finished_elsewhere), ("queued", takes.unfinished)):
        scene = opened(tmp_path / "shot.blend")
        folder = part("preferences").jobs_folder(bpy.context) / job
        state, note = folder / "state.json", folder / "blender.json"
        state.write_text(json.dumps(json.loads(state.read_text()) | {"state": how}))
        note.write_text(json.dumps(json.loads(note.read_text()) | {"dismissed": False}))
        takes.search_all()
        assert left(scene) == [folder]
        assert bpy.ops.motionclone.dismiss_offers(done=how == "done") == {"FINISHED"} and left(scene) == []
        takes.search_all()
        assert left(scene) == [] and (folder / "job.json").is_file()
    assert bpy.ops.motionclone.adopt(folder=str(folder)) == {"FINISHED"} and names(scene) == [job]


def test_a_job_that_still_ran_when_its_file_was_opened_is_offered_when_it_is_done(quick, worker, part, tmp_path):
    takes = part("jobs.takes")
    quick.motionclone.settings = "steps=200 frames=4"
    saved(quick, tmp_path / "shot.blend")
    (job,) = press_generate(part)
    tick_until(worker, lambda: worker.state(job).state == "running")
    scene = opened(tmp_path / "shot.blend")  # as after Blender was killed: the file knows of no take, a worker is at it
    tick_until(worker, lambda: not takes.searching())
    assert takes.watching() and takes.finished_elsewhere(scene) == takes.unfinished(scene) == []
    tick_until(worker, lambda: takes.finished_elsewhere(scene))
    assert not takes.watching() and bpy.ops.motionclone.adopt() == {"FINISHED"}
    assert [(take.name, take.state) for take in scene.motionclone.takes] == [(job, "done")]


def test_a_file_opened_while_the_worker_of_its_job_is_starting(quick, worker, part, tmp_path):
    """In another Blender, or after this one was closed: nothing holds the job yet."""
    preferences = bpy.context.preferences.addons[part("preferences").ROOT_PACKAGE].preferences
    gate = tmp_path / "gate"
    slow = f'case "$*" in *serve*) while [ ! -e {gate} ]; do sleep 0.05; done;; esac; exec "$@"'
    preferences.worker_command = f"sh -c {shlex.quote(slow)} sh {preferences.worker_command}"
    (job,) = press_generate(part)
    saved(quick, tmp_path / "shot.blend")
    other, worker._now.queue = worker._now.queue, part("jobs.job_queue").JobQueue()
    try:
        scene, takes = opened(tmp_path / "shot.blend"), part("jobs.takes")
        take = scene.motionclone.takes[job]
        assert (take.state, take.message) == ("queued", "The worker for this job is starting.")
        tick_until(worker, lambda: not takes.searching())
        assert takes.watching() and takes.unfinished(scene) == []
        gate.touch()
        tick_until(worker, lambda: other.pump(0.005) is not None and take.state == "done")
        assert take.message == "" and takes.unfinished(scene) == takes.finished_elsewhere(scene) == []
    finally:
        gate.touch()
        other.release()


def test_a_job_that_is_done_while_its_folder_is_looked_at_is_done(quick, part, monkeypatch):
    generate()
    (take,) = quick.motionclone.takes
    states, file = part("jobs.take_states"), Path(take.folder) / "state.json"
    done = file.read_text()
    file.write_text(json.dumps(json.loads(done) | {"state": "running"}))

    def finished_just_now(folder):
        file.write_text(done)
        return False

    monkeypatch.setattr(states, "is_locked", finished_just_now)
    assert states.state_of(take).state == "done"


def test_left_undone_when_blender_and_its_worker_were_killed(quick, worker, part, tmp_path):
    quick.motionclone.settings = SLOW
    (job,) = press_generate(part)
    saved(quick, tmp_path / "shot.blend")
    tick_until(worker, lambda: worker.state(job).stage == "sampling")
    worker._now.queue._client._process.kill()
    worker._now.queue._client._process.wait()
    worker._now.queue = part("jobs.job_queue").JobQueue()  # a Blender of its own
    scene = opened(tmp_path / "shot.blend")
    take = scene.motionclone.takes[job]
    assert (take.state, take.message) == ("queued", "The job did not finish.")
    tick_until(worker, lambda: not part("jobs.takes").searching())
    assert [folder.name for folder in part("jobs.takes").unfinished(scene)] == [job]
    request = Path(take.folder) / "job.json"
    request.write_text(request.read_text().replace('"1000"', '"2"'))
    assert bpy.ops.motionclone.resume() == {"FINISHED"}
    assert take.state == "done" and part("jobs.takes").unfinished(scene) == []
    assert "There is no unfinished take" in error_of(bpy.ops.motionclone.resume)
    assert "This take is already done" in error_of(bpy.ops.motionclone.resume, job=job)


def test_a_job_lost_with_its_worker_is_run_again(quick, worker, part):
    quick.motionclone.settings = SLOW
    (job,) = press_generate(part)
    tick_until(worker, lambda: worker.state(job).stage == "sampling")
    kill_now(worker._now.queue._client.pid)
    take = quick.motionclone.takes[job]
    tick_until(worker, lambda: take.state == "failed")
    # Windows does not tell who ended it.
    assert ("The worker ended" if WINDOWS else "killed the worker") in take.message
    assert ("Run the job again" if WINDOWS else "Set memory to thrifty") in take.hint
    assert worker.problem() is None and worker.lost() == (job,), "it is told once, by the take"
    assert bpy.ops.motionclone.dismiss_offers(done=False) == {"FINISHED"} and worker.lost() == ()
    request = Path(take.folder) / "job.json"
    request.write_text(request.read_text().replace('"1000"', '"2"'))
    assert bpy.ops.motionclone.resume(job=job) == {"FINISHED"}
    assert take.state == "done" and worker.problem() is None and worker.lost() == ()


def test_the_take_that_failed_last_is_the_active_one(quick, worker):
    generate()
    generate()
    first, second = quick.motionclone.takes
    assert quick.motionclone.take_index == 1
    worker._now.notifications.note({first.name: worker.JobState(state="failed", message="Too little memory.")})
    worker.tick()
    assert quick.motionclone.take_index == 0 and first.message == "Too little memory."


def test_two_blenders_with_the_same_file(quick, worker, part, tmp_path):
    """The other's worker has the job: it is followed through its folder, and not run twice."""
    quick.motionclone.settings = SLOW
    (job,) = press_generate(part)
    saved(quick, tmp_path / "shot.blend")
    tick_until(worker, lambda: worker.state(job).stage == "sampling")
    other, worker._now.queue = worker._now.queue, part("jobs.job_queue").JobQueue()
    try:
        scene = opened(tmp_path / "shot.blend")
        take = scene.motionclone.takes[job]
        assert take.state == "running" and "another Blender" in take.message and worker.running() is None
        tick_until(worker, lambda: not part("jobs.takes").searching())
        assert part("jobs.takes").unfinished(scene) == []
        assert "in use by another worker" in error_of(bpy.ops.motionclone.resume, job=job)
        part("jobs.take_states").sync(())
        assert take.state == "running"
        assert "A worker is running the job" in error_of(bpy.ops.motionclone.take_remove, delete_files=True)
        other.cancel(job)
        tick_until(worker, lambda: other.pump(0.005) is not None and take.state == "cancelled")
    finally:
        other.release()


def test_the_worker_is_stopped_while_a_job_runs(quick, worker, part):
    quick.motionclone.settings = SLOW
    (job,) = press_generate(part)
    tick_until(worker, lambda: worker.state(job).stage == "sampling")
    worker.stop_worker()
    take = quick.motionclone.takes[job]
    tick_until(worker, lambda: take.message)
    assert take.state == "queued" and "was stopped before the job finished" in take.message
    assert worker.worker().state == "stopped" and worker.running() is None
    tick_until(worker, lambda: not worker._now.queue.busy)
    request = Path(take.folder) / "job.json"
    request.write_text(request.read_text().replace('"1000"', '"2"'))
    assert bpy.ops.motionclone.resume() == {"FINISHED"} and take.state == "done"


def test_retry_takes_the_next_seed_and_the_same_reference(quick):
    quick.motionclone.seed = 3
    generate()
    first = quick.motionclone.takes[0]
    assert bpy.ops.motionclone.take_retry() == {"FINISHED"}
    assert bpy.ops.motionclone.take_retry(job=names(quick)[0]) == {"FINISHED"}
    assert bpy.ops.motionclone.take_retry(seed=77) == {"FINISHED"}
    takes = quick.motionclone.takes
    assert [take.seed for take in takes] == [3, 4, 5, 77] and {take.state for take in takes} == {"done"}
    first, last = (Path(take.folder) for take in (takes[0], takes[3]))
    assert (first / "reference/0000.png").read_bytes() == (last / "reference/0000.png").read_bytes()
    assert (last / "result.mp4").is_file()


def test_a_take_that_needed_too_much_memory_is_made_again_with_less(quick):
    quick.motionclone.settings += " memory=fast"
    generate()
    job = names(quick)[0]
    for lower in ("balanced", "thrifty", "thrifty"):
        assert bpy.ops.motionclone.take_less_memory(job=job) == {"FINISHED"}
        job = names(quick)[-1]
        request = json.loads((Path(quick.motionclone.takes[job].folder) / "job.json").read_text())
        assert request["settings"]["memory"] == lower and request["seed"] == quick.motionclone.takes[0].seed
    assert {take.state for take in quick.motionclone.takes} == {"done"}


def test_a_take_that_chose_its_memory_itself_is_made_again_with_the_least(quick):
    quick.motionclone.settings += " memory=auto"
    generate()
    assert bpy.ops.motionclone.take_less_memory(job=names(quick)[0]) == {"FINISHED"}
    request = json.loads((Path(quick.motionclone.takes[-1].folder) / "job.json").read_text())
    assert request["settings"]["memory"] == "thrifty"


def test_the_queue_can_be_put_in_another_order(quick, worker, part):
    quick.motionclone.settings, quick.motionclone.seeds = SLOW, 4
    first, *rest = press_generate(part)
    tick_until(worker, lambda: worker.state(first).stage == "sampling")
    assert worker.running() == first and worker.waiting() == tuple(rest)
    assert bpy.ops.motionclone.queue_move(job=rest[2], position=0) == {"FINISHED"}
    tick_until(worker, lambda: worker.waiting() == (rest[2], rest[0], rest[1]))
    assert "is not in the queue" in error_of(bpy.ops.motionclone.queue_move, job=first, position=1)
    bpy.ops.motionclone.cancel(job=rest[0])
    tick_until(worker, lambda: worker.waiting() == (rest[2], rest[1]))
    bpy.ops.motionclone.cancel(everything=True)
    tick_until(worker, lambda: not worker.running())
    assert {take.state for take in quick.motionclone.takes} == {"cancelled"}
    assert not bpy.ops.motionclone.cancel.poll()


def test_a_take_is_removed_and_its_files_only_if_wanted(quick, part):
    quick.motionclone.seeds = 2
    generate()
    first, second = (Path(take.folder) for take in quick.motionclone.takes)
    assert bpy.ops.motionclone.take_remove(job=first.name, delete_files=True) == {"FINISHED"}
    assert names(quick) == [second.name] and not first.exists()
    assert bpy.ops.motionclone.take_remove() == {"FINISHED"}
    assert names(quick) == [] and (second / "result.mp4").is_file()
    part("jobs.takes").search_all()
    assert part("jobs.takes").finished_elsewhere(quick) == []  # it is not wanted
    assert bpy.ops.motionclone.adopt(folder=str(second)) == {"FINISHED"}
    assert names(quick) == [second.name]
    assert "no take 'x'" in error_of(bpy.ops.motionclone.take_remove, job="x")


def test_a_take_that_is_being_made_is_not_removed(quick, worker, part):
    quick.motionclone.settings = SLOW
    (job,) = press_generate(part)
    assert "is running or waiting. Cancel it first" in error_of(bpy.ops.motionclone.take_remove, job=job)
    assert names(quick) == [job]


def test_jobs_made_without_blender_can_be_taken_in(quick, tmp_path):
    generate()
    folder = shutil.copytree(quick.motionclone.last_job, tmp_path / "my own job")
    (folder / "blender.json").unlink()
    assert bpy.ops.motionclone.adopt(folder=str(folder)) == {"FINISHED"}
    take = quick.motionclone.takes["my own job"]
    assert (take.state, take.frame_start, take.camera) == ("done", 11, "")
    assert "was not made by MotionClone" in error_of(bpy.ops.motionclone.take_remove, job=take.name, delete_files=True)
    assert "There is no job.json" in error_of(bpy.ops.motionclone.adopt, folder=str(tmp_path))


def test_a_folder_that_is_gone_and_comes_back_in_the_jobs_folder_of_today(quick, jobs, part, tmp_path):
    generate()
    (take,) = quick.motionclone.takes
    elsewhere = Path(shutil.move(take.folder, tmp_path / take.name))
    part("jobs.take_states").sync(())
    assert (take.state, take.message) == ("failed", "The job's folder does not exist.")
    assert "folder does not exist. It was " in error_of(bpy.ops.motionclone.take_retry)
    assert "folder does not exist" in error_of(bpy.ops.motionclone.take_open_folder)
    preferences = part("preferences")
    addon = bpy.context.preferences.addons[preferences.ROOT_PACKAGE]
    addon.preferences.jobs_folder = str(elsewhere.parent)
    part("jobs.take_states").sync(())
    assert take.state == "done" and part("jobs.take_folders").folder_of(take) == elsewhere


def test_undo_takes_back_no_job(quick, part):
    """Blender's own undo needs a window; what its handler does is tried here."""
    generate()
    job = names(quick)[0]
    quick.motionclone.takes.clear()
    part("handlers").after_undo()
    assert names(quick) == [job] and quick.motionclone.takes[0].state == "done"
    bpy.ops.motionclone.take_remove(job=job)
    part("handlers").after_undo()
    assert names(quick) == []


def test_a_linked_scene_is_left_alone(quick, worker, part, tmp_path):
    (job,) = press_generate(part)
    saved(quick, tmp_path / "shot.blend")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(tmp_path / "shot.blend"), link=True) as (theirs, ours):
        ours.scenes = theirs.scenes
    linked = next(scene for scene in bpy.data.scenes if scene.library)
    tick_until(worker, lambda: not worker.running())
    part("jobs.take_states").sync(())
    assert linked.motionclone.takes[job].state == "queued" and worker.problem() is None


def test_a_strip_that_was_deleted_while_the_next_take_was_made(quick, worker, part):
    quick.motionclone.placement = "STRIP"
    generate()
    editor = quick.sequence_editor
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    press_generate(part)
    strips.remove(strips[0])
    tick_until(worker, lambda: not worker.running() and not worker._now.notifications.busy)
    assert len(strips) == 1 and worker.problem() is None
    assert [take.placement for take in quick.motionclone.takes][1] == "STRIP"


def test_an_error_nobody_foresaw_stops_no_timer(quick, worker, part, monkeypatch, capfd):
    monkeypatch.setattr(part("jobs.notifications"), "placements_of", lambda _: 1 / 0)
    generate()
    assert "Unexpected error: ZeroDivisionError" in str(worker.problem())
    assert "ZeroDivisionError" in capfd.readouterr().err
    bpy.ops.motionclone.take_retry()
    assert [take.state for take in quick.motionclone.takes] == ["done", "done"]


def test_what_waits_for_jobs_is_not_run_anew_by_adjusting_it(part):
    """Blender's Adjust Last Operation and Repeat Last call `execute`, which blocks until the jobs have ended."""
    for name in ("generate", "try_demo", "take_retry", "resume"):
        operator = getattr(bpy.types, f"MOTIONCLONE_OT_{name}")
        assert operator.bl_options == {"UNDO"}, name
