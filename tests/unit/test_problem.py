"""A sentence keeps its template and values wherever it goes: JSON, the wire, a job's folder, another process."""

from __future__ import annotations

import ast
import copy
import json
import pickle
import re
import tracemalloc
from collections.abc import Iterator

import pytest

from backend.job_folder.problem import MAX_NESTED, Problem, Sentence, templates_of, with_templates
from backend.job_folder.request import JobRequest, Shot, read_request, write_request
from backend.job_folder.state import JobState, read_state, write_state
from backend.wire.encoding import encode, parse
from backend.wire.messages import FROM_WORKER, Failed, Refused
from install import sentences as installers
from tests.documents import ROOT
from tests.sentences import given

FULL = Problem("{path} is full: {reason}.", "Empty {path}.", repair="motionclone.storage_clean").about(
    path="/a b", reason="no room"
)


def same(one: str, other: str) -> bool:
    """Also in what they were made of."""
    return one == other and isinstance(one, Sentence) and (one.template, one.values) == (other.template, other.values)


def test_message_and_hint_share_their_values():
    assert str(FULL) == "/a b is full: no room. Empty /a b."
    assert FULL.message.template == "{path} is full: {reason}." and FULL.hint.values == {"path": "/a b"}


def test_a_value_is_never_taken_for_a_template():
    assert Sentence("{a} and {b}", a="{b}", b="{a}") == "{b} and {a}"
    assert Sentence("A brace { and {unknown} stay.", known="x") == "A brace { and {unknown} stay."


def test_what_a_terminal_would_obey_is_taken_out_of_values():
    assert Sentence("{name} is no model.", name="\x1b[31mred\x07") == "red is no model."


def test_a_problem_within_a_problem_keeps_its_own_template():
    outer = Problem("The worker is lost: {reason}").about(reason=FULL)
    assert same(outer.message.values["reason"], FULL.text)
    assert FULL.text.values["hint"].template == "Empty {path}."


@pytest.mark.parametrize("again", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_a_copy_is_a_sentence_too(again):
    assert same(again(FULL.text), FULL.text)


def test_json_tells_what_texts_were_made_of():
    told = json.loads(json.dumps(templates_of([FULL.text, FULL.hint, "There is no prompt."])))
    text, hint, other = with_templates([str(FULL), str(FULL.hint), "There is no prompt."], told)
    assert same(text, FULL.text) and same(hint, FULL.hint) and other == "There is no prompt."


def test_an_untrue_template_has_no_effect():
    lie = [{"template": "{path} is empty.", "values": {"path": "/a"}}]
    assert with_templates(["/a is full."], lie) == ["/a is full."]


@pytest.mark.parametrize(
    "malformed",
    [
        *(None, 3, "text", {}, [None], [[]], ["text"], [{}], [{"template": "a"}]),
        [{"template": 3, "values": {}}],
        [{"template": "{a}", "values": []}],
        [{"template": "{a}", "values": {"a": 3}}],
        [{"template": "{a}" * 10_000, "values": {"a": "b" * 10_000}}],
    ],
)
def test_a_stranger_s_templates_do_no_harm(malformed):
    assert with_templates(["A text."], malformed) == ["A text."]


def test_a_stranger_s_templates_are_not_followed_without_end():
    made = deep = {"template": "{a}", "values": {"a": "end"}}
    for _ in range(MAX_NESTED + 2):
        made = {"template": "{a}", "values": {"a": made}}
    assert not isinstance(with_templates(["end"], [made])[0], Sentence)
    assert isinstance(with_templates(["end"], [deep])[0], Sentence)


def test_nested_blanks_do_not_multiply_without_end():
    made = {"template": "{a}" * 3000, "values": {"a": "b" * 1000}}
    for _ in range(MAX_NESTED):
        made = {"template": "{a}" * 3000, "values": {"a": made}}
    tracemalloc.start()
    assert with_templates(["A text."], [made] * 64) == ["A text."]
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "message", [Failed("a", FULL.message, FULL.hint, FULL.repair), Refused(FULL.text, "a"), Failed("a", "Plain.")]
)
def test_the_wire_carries_templates(message):
    heard = parse(encode(message), FROM_WORKER)
    assert heard == message and templates_of([heard.message]) == templates_of([message.message])


def test_the_state_of_a_failed_job_keeps_problem_and_repair(tmp_path):
    write_state(JobState.failed(FULL), tmp_path)
    state = read_state(tmp_path)
    assert (
        same(state.message, FULL.message)
        and same(state.hint, FULL.hint)
        and state.repair == "motionclone.storage_clean"
    )
    assert json.loads((tmp_path / "state.json").read_text())["message"] == "/a b is full: no room."


def test_a_state_of_an_earlier_version_is_read(tmp_path):
    (tmp_path / "state.json").write_text(json.dumps({"state": "failed", "message": "The disk is full.", "hint": "x"}))
    assert read_state(tmp_path) == JobState(state="failed", message="The disk is full.", hint="x")


def test_a_request_keeps_what_its_notes_were_made_of(tmp_path):
    note = Sentence("{name} is damaged.", name="a.mp4")
    write_request(JobRequest(prompt="a", shot=Shot(frames=16, fps=8), notes=[note, "Plain."]), tmp_path)
    notes = read_request(tmp_path).notes
    assert notes == [note, "Plain."] and same(notes[0], note)


def test_the_installer_s_sentences_are_read_by_the_add_on():
    made = installers.Sentence("{a} does not start.", a="/b")
    both = installers.joined(["No usable Python was found.", made])
    (read,) = with_templates([str(both)], json.loads(json.dumps(installers.templates_of([both]))))
    assert isinstance(read, Sentence) and read.values["sentence1"].template == "{a} does not start."
    (own,) = installers.with_templates([str(both)], installers.templates_of([both]))
    assert own.values["sentence1"].template == "{a} does not start."


ERRORS = (
    *("Problem", "RequestError", "SettingError", "PromptError", "StrictError", "BundleError", "MessageError"),
    *("ClientError", "InstallError", "NoBuild", "NotFinite"),
)


def unfilled(tree: ast.AST) -> Iterator[tuple[int, set[str]]]:
    """(line, names) of blanks without a value, and of values without a blank."""
    filled = {
        id(call.func.value): {word.arg for word in call.keywords}
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "about"
    }
    for call in ast.walk(tree):
        name = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
        texts = [given(node) for node in call.args[:2]] if name in (*ERRORS, "Sentence") else []
        if texts and all(texts):  # others are made elsewhere
            values = filled.get(id(call), set()) if name in ERRORS else {word.arg for word in call.keywords}
            blanks = {blank for both in texts for text in both for blank in re.findall(r"{([a-z_][a-z_0-9]*)}", text)}
            if None not in values and blanks != values:
                yield call.lineno, blanks ^ values


@pytest.mark.parametrize("room", ["backend", "blender_motionclone", "install"])
def test_every_blank_has_its_value(room):
    modules = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / room).rglob("*.py"))}
    assert not [(str(path), *found) for path, tree in modules.items() for found in unfilled(tree)]


def test_a_blank_without_a_value_is_found():
    assert list(unfilled(ast.parse('Problem("{path} is full.", "Empty {path}.").about(folder=1)')))
    assert list(unfilled(ast.parse('Problem("{path} is full.")'))) and list(unfilled(ast.parse('Sentence("a", b=1)')))
    assert not list(unfilled(ast.parse('Problem("{path} is full.", "Empty {path}.").about(path=1)')))
