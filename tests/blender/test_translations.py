"""Sentences with names and numbers in them, in another language. Blender's module has no languages of its own."""

from __future__ import annotations

import bpy
import pytest


@pytest.fixture
def german(part, monkeypatch):
    translations = part("translations")
    for language in ("de", "de_DE"):  # as Blender 5 and 4 call it
        words = translations.read_translations(translations.FOLDER)[language]
        assert words["Operator", "New Seed"] == "Neuer Startwert"
    monkeypatch.setattr(part("translations"), "iface_", lambda text: words.get(("*", text), text))


CASES = [
    ("Scene {scene} has no camera.", {"scene": "'Weg {1} zum Ziel'"}, "Die Szene 'Weg {1} zum Ziel' hat keine Kamera."),
    ("frames {start}-{end} of {camera}", {"start": 1, "end": 48, "camera": "Camera"}, "Bilder 1-48 von Camera"),
    (
        "The package index {index} cannot be reached: there is no route to it.",
        {"index": "a.b"},
        "Der Paketindex a.b ist nicht erreichbar: Es gibt keine Route dorthin.",
    ),
    (
        "The model {name} cannot be used: {faults}",
        {"name": "one", "faults": ("{path} is missing.", {"path": "/a b/c"})},
        "Das Modell one kann nicht benutzt werden: /a b/c fehlt.",
    ),
    (
        "{first} {second}",
        {
            "first": ("No usable Python was found.", {}),
            "second": ("{python} (Python {version}) is a 32-bit Python.", {"python": "/a/b", "version": 3.12}),
        },
        "Es wurde kein brauchbares Python gefunden. /a/b (Python 3.12) ist ein 32-Bit-Python.",
    ),
    ("There is no prompt.", {}, "Der Prompt fehlt."),
    ("A setting changed. The mask changed.", {}, "Eine Einstellung hat sich geändert. Die Maske hat sich geändert."),
    ("The disk is full ({path}).", {"path": "/a/{reason}.png"}, "Die Platte ist voll (/a/{reason}.png)."),
    ("{count} jobs were added to the queue.", {"count": 3}, "3 Aufträge wurden zur Warteschlange hinzugefügt."),
    ("What nobody has translated {}: {thing}.", {"thing": "\x1b[1mx"}, "What nobody has translated {}: x."),
]


@pytest.mark.parametrize("template, values, expected", CASES)
def test_sentences_are_german_with_their_own_words_in_them(german, part, template, values, expected):
    assert part("translations").sentence(made(part, template, values)) == expected


def made(part, template, values):
    """Also of others."""
    within = {name: made(part, *value) if isinstance(value, tuple) else value for name, value in values.items()}
    return part("backend.job_folder.problem").Sentence(template, **within)


@pytest.mark.parametrize("template, values, expected", CASES)
def test_a_take_says_it_in_german_as_its_folder_tells_it(german, scene, part, template, values, expected):
    state, problem = part("backend.job_folder.state"), part("backend.job_folder.problem")
    take = scene.motionclone.takes.add()
    said = made(part, template, values)
    part("jobs.take_states").show(take, state.JobState.failed(problem.Problem(said, "Run the job again.")))
    assert take.message == str(said)
    assert [part("translations").sentence(text) for text in take.said] == [
        expected,
        "Führe den Auftrag noch einmal aus.",
    ]


def test_errors_are_reported_in_german(german, scene, jobs):
    with pytest.raises(RuntimeError, match="Diese Szene hat noch keinen MotionClone-Auftrag. Erzeuge zuerst einen"):
        bpy.ops.motionclone.take_place()


def test_in_english_everything_is_as_it_was_written(part):
    said = made(part, "Scene {scene} has no camera.", {"scene": "'A'"})
    assert part("translations").sentence(said) == "Scene 'A' has no camera."


def test_many_long_values_make_no_text_that_is_too_long_to_draw(part):
    said = made(part, "{a} {b} {c}", dict.fromkeys("abc", "x" * 1900))
    assert len(part("translations").sentence(said)) == part("wrapping").MAX_SHOWN
