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


@pytest.mark.parametrize(
    "said, expected",
    [
        ("Scene 'Weg {1} zum Ziel' has no camera.", "Die Szene 'Weg {1} zum Ziel' hat keine Kamera."),
        ("frames 1-48 of Camera", "Bilder 1-48 von Camera"),
        ("frames 1-48 of strip ref of a car.mp4", "Bilder 1-48 des Streifens ref of a car.mp4"),
        (
            "The package index a.b cannot be reached: no way leads there.",
            "Der Paketindex a.b ist nicht erreichbar: Kein Weg führt dorthin.",
        ),
        ("The model one cannot be used: /a b/c is missing.", "Das Modell one kann nicht benutzt werden: /a b/c fehlt."),
        (
            "No usable Python was found. /a/b (Python 3.12) is a 32-bit Python. /c (Python 3.11) is a 32-bit Python.",
            "Es wurde kein brauchbares Python gefunden. /a/b (Python 3.12) ist ein 32-Bit-Python. "
            "/c (Python 3.11) ist ein 32-Bit-Python.",
        ),
        ("There is no prompt.", "Der Prompt fehlt."),
        (
            "The device ran out of memory with the setting memory at fast; the job went on with balanced.",
            "Dem Gerät ging der Speicher aus, als memory auf fast stand; der Auftrag ging mit balanced weiter.",
        ),
        (
            "The saved steps cannot be used; the job starts again at its first step. A setting changed. "
            "The mask changed.",
            "Die gespeicherten Schritte sind nicht verwendbar; der Auftrag beginnt wieder beim ersten Schritt. "
            "Eine Einstellung hat sich geändert. Die Maske hat sich geändert.",
        ),
        ("The disk is full (/a/b.png).", "Die Platte ist voll (/a/b.png)."),
        ("The worker has 3 more jobs.", "Der Worker hat 3 Aufträge mehr."),
        ("What nobody has translated {}.", "What nobody has translated {}."),
    ],
)
def test_sentences_are_german_with_their_own_words_in_them(german, part, said, expected):
    assert part("translations").sentence(said) == expected


def test_errors_are_reported_in_german(german, scene, jobs):
    with pytest.raises(RuntimeError, match="Diese Szene hat noch keinen MotionClone-Auftrag. Erzeuge zuerst einen"):
        bpy.ops.motionclone.take_place()


def test_in_english_everything_is_as_it_was_written(part):
    said = "Scene 'A' has no camera."
    assert part("translations").sentence(said) == said
