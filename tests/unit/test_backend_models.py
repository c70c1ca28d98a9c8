"""How the add-on learns which models there are: the question goes out, and the answer is noticed when it has come."""

from __future__ import annotations

import json
import sys
import time

import pytest

from tests.extension import part

calls, models, Problem = (
    part("setup.backend_call"),
    part("setup.backend_models"),
    part("backend.job_folder.problem").Problem,
)
MODEL = {"name": "demo", "title": "Demo", "frames": 16, "most_frames": 32, "area": 4096, "multiple": 16}
MODEL |= {"families": [], "controls": [], "missing": []}
WRONG = (("title", 3), ("name", None), ("frames", "16"), ("frames", True), ("area", 0), ("area", 10**30))
WRONG += (("multiple", 1.5), ("missing", "x"), ("missing", [3]), ("controls", {}), ("families", [["a"]]))
SERVE = [sys.executable, "-m", "backend", "serve"]


def fetched(worker_command):
    """The backend's answer. Problem when there is none."""
    models.refresh(worker_command)
    while models.fetching() and not models.poll():
        time.sleep(0.02)
    return models.answered()


@pytest.fixture(autouse=True)
def nothing_known():
    models.forget()
    yield
    models.forget()


@pytest.mark.parametrize(
    "command, lists",
    [
        (["py", "-m", "backend", "serve"], ["py", "-m", "backend", "models", "--json"]),
        (
            ["/srv/serve/py", "-m", "backend", "serve", "--idle", "9"],
            ["/srv/serve/py", "-m", "backend", "models", "--json"],
        ),
        (
            ["ssh", "render", "cd x; py -m backend serve --idle 9"],
            ["ssh", "render", "cd x; py -m backend models --json"],
        ),
        (
            ["ssh", "render", "py", "-m", "backend", "serve"],
            ["ssh", "render", "py", "-m", "backend", "models", "--json"],
        ),
    ],
)
def test_what_starts_a_worker_can_list_its_models(command, lists):
    assert calls.backend_command(command, ("models", "--json")) == lists


@pytest.mark.parametrize(
    "command, windows, words",
    [
        (r"C:\Python\python.exe -m backend serve", True, [r"C:\Python\python.exe", "-m", "backend", "serve"]),
        (r'"C:\Program Files\x\python.exe" -m backend serve', True, [r"C:\Program Files\x\python.exe", "-m"]),
        (r"'\\farm\x\ssh.exe' render 'cd a; serve #1'", True, [r"\\farm\x\ssh.exe", "render", "cd a; serve #1"]),
        (r"/opt/my\ tools/ssh render", False, ["/opt/my tools/ssh", "render"]),
        ("", True, []),
    ],
)
def test_a_worker_command_is_read_as_its_system_writes_paths(command, windows, words):
    assert calls.words_of(command, windows)[: len(words) or 1] == words


def test_a_quote_that_is_not_closed_is_no_command():
    for windows in (True, False):
        with pytest.raises(ValueError, match="quotation"):
            calls.words_of("ssh 'render serve", windows)


def test_a_command_that_starts_no_worker(tmp_path):
    models.refresh(["ssh", "render"])
    assert not models.fetching() and "does not end with `-m backend serve`" in str(models.problem())
    with pytest.raises(Problem, match="Worker Command does not start a worker"):
        models.answered()


def test_the_true_backend_is_asked_beside_us_and_answers_what_a_capture_needs():
    assert models.models() is None
    models.refresh(SERVE)
    assert models.fetching() and models.models() is None
    deadline = time.monotonic() + 60
    while not models.poll():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (demo,) = [model for model in models.models() if model["name"] == "demo"]
    assert {"frames", "most_frames", "area", "multiple", "title", "missing", "families", "controls"} <= set(demo)
    assert not models.fetching() and models.problem() is None and not models.poll()


def test_scripts_wait_for_it():
    assert "demo" in [model["name"] for model in fetched(SERVE)]


@pytest.mark.parametrize(
    "program, sentence",
    [
        ("print('hello')", "did not answer like MotionClone's backend"),
        ("print('[1]')", "did not answer like MotionClone's backend"),
        ("import sys; sys.exit('No module named nothing')", "could not list its models: No module named nothing"),
        ("import sys; sys.exit(3)", "could not list its models: exit code 3"),
    ],
)
def test_what_is_no_backend_is_told_and_takes_no_earlier_answer_for_one(program, sentence):
    fetched(SERVE)
    with pytest.raises(Problem, match=sentence) as caught:
        fetched([sys.executable, "-c", program, "serve"])
    assert caught.value is models.problem() and models.models() is None


def test_a_long_answer_does_not_block_who_gives_it():
    program = f"import json; print(json.dumps([{MODEL} | {{'title': 'm' * 1000}}] * 1000))"
    assert len(fetched([sys.executable, "-c", program, "serve"])) == 1000


@pytest.mark.parametrize(
    "program",
    [
        "print('[' * 100_000)",
        "import json; print(json.dumps([MODEL] * 1001))",
        "print('[' + ' ' * 5_000_000 + ']')",
        *(f"import json; MODEL[{key!r}] = {value!r}; print(json.dumps([MODEL]))" for key, value in WRONG),
        *(f"import json; del MODEL[{key!r}]; print(json.dumps([MODEL]))" for key in MODEL),
    ],
)
def test_a_remote_backend_s_answer_is_taken_only_if_it_is_what_the_panels_draw(program):
    with pytest.raises(Problem, match="did not answer like MotionClone's backend"):
        fetched([sys.executable, "-c", f"MODEL = {MODEL}; {program}", "serve"])
    assert not models.fetching() and not models.poll()


def test_who_writes_without_end_is_ended(monkeypatch):
    monkeypatch.setattr(calls, "MAX_SAID", 1000)
    with pytest.raises(Problem, match="did not answer"):
        fetched([sys.executable, "-c", "while True: print('x' * 1000, flush=True)", "serve"])


def test_titles_are_shown_without_what_a_terminal_or_a_reader_obeys():
    model = MODEL | {"title": "\x1b[31mRed\u202e dlrow\n", "name": "m"}
    (found,) = models.models_in(json.dumps([model]).encode())
    assert found["title"] == "Red dlrow" and found["frames"] == 16


def test_a_program_that_cannot_be_started(tmp_path):
    (tmp_path / "python").write_text("")
    with pytest.raises(Problem, match="cannot be started") as caught:
        fetched([str(tmp_path / "python"), "serve"])
    assert caught.value.repair == "motionclone.install_backend"


def test_who_never_answers_is_not_waited_for_and_ended(monkeypatch):
    monkeypatch.setattr(models, "SECONDS_TO_LIST", 0.2)
    with pytest.raises(Problem, match="did not list its models"):
        fetched([sys.executable, "-c", "import time; time.sleep(600)", "serve"])
    assert not models.fetching()


def test_a_new_question_ends_the_one_before(processes):
    models.refresh([sys.executable, "-c", "import time; time.sleep(600)", "serve"])
    models.refresh(SERVE)
    assert processes[0].poll() is not None and models.fetching()
