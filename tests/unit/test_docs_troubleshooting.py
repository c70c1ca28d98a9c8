"""The troubleshooting page has a row for each finding of the doctor, and only messages that the program shows."""

from __future__ import annotations

import re

import pytest

from install.doctor import _FIXES
from install.pip_failures import _NO_NETWORK
from tests.documents import ROOT, rows
from tests.sentences import ERRORS, DoctorFinding, Source, varied, without_end
from tests.unit.test_install_words import MODULES

PAGE = ROOT / "docs" / "troubleshooting.md"
DOCTOR, *OTHERS = [
    "What the doctor finds",
    "Installing",
    "Getting a model",
    "Before a clip is made",
    "While a clip is made",
    "Notes of a take",
    "Models of your own",
    "Placing a take",
]
NAMES = ("install/checks.py", "install/machine_checks.py", "install/doctor.py", "backend/doctor.py")
CHECKS = [Source(ROOT / name) for name in NAMES]
ENTRY, BUILD = Source(ROOT / "backend/models/entry.py"), Source(ROOT / "install/torch_build.py")
OF_OTHERS = {  # findings that say what another function found
    "driver": BUILD.notes("_for_nvidia"),
    "no-build": BUILD.raised("_builds", "InstallError"),
    "base-python": Source(ROOT / "install/pythons.py").raised("backend_base", "InstallError"),
    "backend-start": Source(ROOT / "install/backend_doctor.py").raised("ask_backend", "InstallError"),
    "model-entry": ENTRY.raised("read_entries", "Problem") | ENTRY.raised("read_entry", "Problem"),
    "…-failed": set(),  # whatever a check meets
}


def table(heading: str) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in rows(PAGE, heading)}


def said_by(finding: DoctorFinding) -> set[str]:
    return {finding.text} if finding.text else OF_OTHERS[finding.id]


def fix_of(finding: DoctorFinding) -> str:
    """… for the model that is meant."""
    return finding.fix.replace("…", "models add") or " ".join(_FIXES.get(finding.id, ()))


FINDINGS = [finding for source in CHECKS for finding in source.findings()]


def test_all_findings_are_seen():
    assert len(FINDINGS) > 20 and {finding.id for finding in FINDINGS} >= {"no-environment", "device-broken", "…-space"}


def test_each_finding_has_its_row_and_no_row_is_of_something_else():
    assert set(table(DOCTOR)) == {text for finding in FINDINGS for text in said_by(finding)}


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.id)
def test_a_row_says_what_the_doctor_would_do(finding):
    for text in said_by(finding):
        advice = table(DOCTOR)[text][-1]
        if fix := fix_of(finding):
            assert advice.startswith(f"*Fix*, or `python3 -m install {fix}`")
        else:
            assert advice and "*Fix*" not in advice


def test_each_error_of_the_installer_s_has_its_row():
    texts = {without_end(text) for path in MODULES for text, _ in Source(path).said(ERRORS)}
    texts |= {varied(words) for words, _ in _NO_NETWORK}
    rows_there = {without_end(text) for heading in (DOCTOR, *OTHERS) for text in table(heading)}
    worded = {text for text in texts if re.search("[a-z]{3}", text)}
    assert len(worded) > 50 and not worded - rows_there


@pytest.fixture(scope="module")
def sentences() -> set[str]:
    rooms = [ROOT / room for room in ("blender_motionclone", "backend", "install")]
    return {text for room in rooms for path in room.rglob("*.py") for text in Source(path).sentences()}


@pytest.mark.parametrize("heading", OTHERS)
def test_other_rows_are_sentences_of_the_program(heading, sentences):
    assert table(heading), "the heading is gone"
    assert not [text for text in table(heading) if text.removesuffix(" …") not in sentences]
