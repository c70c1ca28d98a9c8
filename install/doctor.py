"""`python3 -m install doctor`: finds problems and how to fix them, however damaged the backend's environment is."""

from __future__ import annotations

import json
import os
import platform
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from . import checks, machine_checks
from .backend import Backend
from .backend_doctor import ask_backend
from .failures import InstallError, as_typed
from .finding import Finding
from .logs import last_lines
from .models.store import Store
from .paths import ROOT, data_folder, interpreter
from .redact import redact
from .sentences import Sentence, templates_of
from .work import log_file

_FIXES: Mapping[str, tuple[str, ...]] = {  # for findings of the backend's own doctor
    "package-broken": ("backend", "--repair"),
    "ffmpeg-broken": ("backend", "--repair"),
    "device-broken": ("backend",),
}
_CHECKED_BOTH_WAYS = "model-file"  # checks.models reports it for the catalogue's models, with a fix
LOG_LINES = 60


@dataclass(frozen=True)
class Examination:
    """All findings of the doctor."""

    findings: list[Finding]

    @property
    def healthy(self) -> bool:
        """Whether no finding is a problem. There may be warnings."""
        return all(finding.level != "problem" for finding in self.findings)


def run_doctor(backend: Backend, as_json: bool, report: Path | None, python: Path | None = None) -> int:
    """Prints the findings and returns 1 if there is a problem, otherwise 0.

    A finding's `fix` holds the arguments of `python3 -m install` that fix it. report: the file to write a bug report
    to, which the JSON output contains as well; python: runs the backend instead of the installed one.
    """
    found = examine(backend, python)
    text = report_text(backend, found) if as_json or report else ""
    if as_json:
        findings = [asdict(finding) for finding in found.findings]
        templates = templates_of(text for finding in found.findings for text in (finding.text, finding.hint))
        print(json.dumps({"healthy": found.healthy, "findings": findings, "templates": templates, "report": text}))
    else:
        print(_for_people(found))
    if report:
        report.write_text(text, encoding="utf-8")
        if not as_json:
            print(f"The report, without names and home paths, is {report}.")
    return 0 if found.healthy else 1


def examine(backend: Backend, python: Path | None = None) -> Examination:
    """Runs all checks: first those with the standard library, then the backend's own if its environment starts.

    python: chosen by the user to run the backend; the installed environment is then not checked.
    """
    if python:
        return Examination(_examine_chosen(backend, python))
    findings = [finding for check in checks.ALL for finding in _guarded(check, backend)]
    if interpreter(backend.folder).exists():
        findings += _asked(backend, interpreter(backend.folder))
    where = ("--where", str(backend.folder)) if backend.where else ()
    return Examination(
        [replace(finding, fix=(*finding.fix, *where)) if finding.fix else finding for finding in findings]
    )


def _examine_chosen(backend: Backend, python: Path) -> list[Finding]:
    """Checks a Python that the user chose. The installer cannot fix it."""
    findings = [finding for check in checks.WITH_CHOSEN for finding in _guarded(check, backend)]
    chosen = list(machine_checks.chosen_python(python))
    findings += chosen
    if all(finding.level == "ok" for finding in chosen):
        findings += [_not_ours(finding) for finding in _asked(backend, python)]
    return findings


def _not_ours(finding: Finding) -> Finding:
    return replace(finding, hint=machine_checks.OTHER_PYTHON, fix=()) if finding.fix else finding


def _guarded(check: Callable[[Backend], Iterator[Finding]], backend: Backend) -> list[Finding]:
    """Runs a check. An exception becomes a finding, so that the other checks still run."""
    try:
        return list(check(backend))
    except Exception as error:
        what = check.__name__.replace("_", " ")
        return [
            Finding(
                check.__name__,
                "warning",
                Sentence("The check `{what}` could not be run: {reason}", what=what, reason=error),
            )
        ]


def _asked(backend: Backend, python: Path) -> list[Finding]:
    log = log_file(backend.folder)
    try:
        findings = ask_backend(python, [], {}, log)
    except InstallError as error:
        return [Finding("backend-start", "problem", error.message, error.hint, ("backend", "--repair"))]
    ours = tuple(f"The model {name} " for name in Store().record.models)
    findings = [row for row in findings if row["id"] != _CHECKED_BOTH_WAYS or not row["text"].startswith(ours)]
    return [Finding(**{str(k): v for k, v in row.items()}, fix=_FIXES.get(row["id"], ())) for row in findings]  # pyright: ignore[reportArgumentType]


def _for_people(found: Examination) -> str:
    marks = {"ok": "  ok       ", "warning": "  warning  ", "problem": "  PROBLEM  "}
    lines = []
    for finding in found.findings:
        lines.append(marks[finding.level] + finding.text)
        if finding.hint:
            lines.append(" " * 11 + finding.hint)
        if finding.fix:
            lines.append(" " * 11 + "Fix it with: python3 -m install " + " ".join(finding.fix))
    return as_typed("\n".join([*lines, "", "No problems found." if found.healthy else "There are problems."]))


def report_text(backend: Backend, found: Examination) -> str:
    """The text of a bug report, with private information removed."""
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    log = log_file(backend.folder)
    proxies = [
        name for name in os.environ if name.upper().endswith("_PROXY") or name in ("HF_ENDPOINT", "PIP_INDEX_URL")
    ]
    lines = [
        f"MotionClone {manifest['version']}, {platform.platform()}, the installer's Python {platform.python_version()}",
        f"Extension: {ROOT}",
        f"Environment: {backend.folder}",
        f"Data: {data_folder()}",
        f"Set: {', '.join(sorted(proxies)) or 'no proxy, mirror or index'}",
        "",
        _for_people(found),
        "",
        f"Last lines of {log}:",
        *last_lines(log, LOG_LINES),
    ]
    folders = {"<environment>": backend.folder, "<extension>": ROOT, "<data>": data_folder()}
    return redact("\n".join(lines), folders=folders) + "\n"


if __name__ == "__main__":
    sys.exit(as_typed("Start it as: python3 -m install doctor"))
