"""The models of the backend, which a process asks for; it is polled. Without bpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...backend.job_folder.plain_text import clean
from ...backend.job_folder.problem import Problem, Sentence
from ...backend.job_folder.reading import parse_json
from ..declarations import Operators
from ..session import session
from .backend_call import BackendCall, backend_command
from .interpreter import HINT

SECONDS_TO_LIST = 60.0
MAX_MODELS, MAX_COUNT = 1000, 2**31
TEXTS, COUNTS = ("name", "title"), ("frames", "most_frames", "area", "multiple")
LISTS = ("families", "controls", "missing")
MAX_TEXT = 1000  # characters of a setting's value


@dataclass
class _Now:
    """The pending question, the last answer, and why there is none."""

    list: ModelList | None = None
    models: list[dict[str, Any]] | None = None
    problem: Problem | None = None


_now = session.part(_Now)


def models() -> list[dict[str, Any]] | None:
    """Entries from `python -m backend models --json`: "name", "title", "frames", "most_frames", "area", "multiple",
    "rate" (frames per second of frames=auto, 0 for always the model's own number), "families", "controls", "missing",
    "backbone" (the model family), "values" (the typed settings of each family that differ from the declared ones),
    "tokenizer" (a folder on the worker's machine for job_folder.tokens.read_tokenizer, or None). None while they were
    not asked for, or are not available."""
    return _now.models


def model_called(name: str) -> dict[str, Any] | None:
    """The entry of that name; None while it is unknown."""
    return next((model for model in models() or () if model["name"] == name), None)


def problem() -> Problem | None:
    """Why there are no models."""
    return _now.problem


def fetching() -> bool:
    return _now.list is not None


def refresh(worker_command: Sequence[str], remote: bool = False) -> None:
    """Asks again in the background; `poll` receives the answer. worker_command: starts the worker. remote: whether its
    paths are another machine's."""
    if _now.list:
        _now.list.drop()
    _now.list = _now.problem = None
    try:
        _now.list = ModelList(backend_command(worker_command, ("models", "--json")), remote)
    except Problem as error:
        _now.problem = error


def poll() -> bool:
    """Returns whether an answer or an error has just arrived."""
    if _now.list is None:
        return False
    try:
        answer = _now.list.answer()
    except Problem as error:
        _now.list, _now.models, _now.problem = None, None, error
        return True
    if answer is None:
        return False
    _now.list, _now.models, _now.problem = None, answer, None
    return True


def answered() -> list[dict[str, Any]]:
    """The models. Problem when there are none."""
    if _now.problem or _now.models is None:
        raise _now.problem or Problem("The backend's models are not known yet.", "Try again in a moment.")
    return _now.models


def forget() -> None:
    """Leaves no process behind."""
    if _now.list:
        _now.list.drop()
    session.reset(_now)


class ModelList:
    """One question to the backend."""

    def __init__(self, command: Sequence[str], remote: bool):
        """Problem when the program cannot be started."""
        self._remote = remote
        self._call = BackendCall(command, SECONDS_TO_LIST)

    def answer(self) -> list[dict[str, Any]] | None:
        """None while it is pending. Problem when there is no answer."""
        code = self._call.code()
        if code is None:
            if self._call.late:
                self.drop()
                said = Sentence(
                    "The backend did not list its models within {seconds_to_list} s.",
                    seconds_to_list=f"{SECONDS_TO_LIST:.0f}",
                )
                raise Problem(said, "Try again, or check whether the machine is busy.")
            return None
        if code:
            said = Sentence("The backend could not list its models: {complaint}", complaint=self._call.complaint())
            raise Problem(said, HINT, repair=Operators.INSTALL_BACKEND)
        try:
            found = models_in(self._call.said())
        except ValueError:
            raise Problem("{program} did not answer like MotionClone's backend.", HINT).about(
                program=self._call.program
            ) from None
        return [model | {"tokenizer": None} for model in found] if self._remote else found

    def drop(self) -> None:
        self._call.drop()


def models_in(answer: bytes) -> list[dict[str, Any]]:
    """The models that a backend, perhaps a remote one, reported. ValueError unless each is as described in `models`."""
    found = parse_json(answer)
    if not isinstance(found, list) or len(found) > MAX_MODELS or not all(map(_is_model, found)):
        raise ValueError("no list of models")
    return [model | {key: clean(model[key]).strip() for key in TEXTS} for model in found]


def _is_model(model: Any) -> bool:
    if not isinstance(model, dict):
        return False
    texts = all(isinstance(model.get(key), str) and len(model[key]) <= 1000 for key in TEXTS)
    counts = all(type(model.get(key)) is int and 0 < model[key] <= MAX_COUNT for key in COUNTS)
    lists = all(isinstance(model.get(key), list) and len(model[key]) <= MAX_MODELS for key in LISTS)
    counts = counts and type(rate := model.get("rate", 0)) is int and 0 <= rate <= MAX_COUNT  # 0: only its own frames
    texts = texts and all(isinstance(model.get(key), str | None) for key in ("tokenizer", "backbone"))
    lists = lists and all(isinstance(text, str) for key in LISTS for text in model[key])
    return texts and counts and lists and _are_values(model.get("values", {}))  # older workers do not report them


def _are_values(values: Any) -> bool:
    """Whether it is {family: {setting: text}} of limited size."""
    if not isinstance(values, dict) or len(values) > MAX_MODELS:
        return False
    texts = [text for chosen in values.values() if isinstance(chosen, dict) for text in chosen.values()]
    whole = all(isinstance(chosen, dict) and len(chosen) <= MAX_MODELS for chosen in values.values())
    return whole and all(isinstance(text, str) and len(text) <= MAX_TEXT for text in texts)
