"""Property tests of the protocol: every message survives encoding, and every other line is refused with a message."""

from __future__ import annotations

import base64
import json
from dataclasses import fields

from hypothesis import given, settings
from hypothesis import strategies as some

from backend.wire.encoding import MAX_NUMBER, PIECE_BYTES, MessageError, check_id, encode, is_relative_path, parse
from backend.wire.lines import Lines
from backend.wire.messages import FROM_WORKER, PROTOCOL, TO_WORKER

MANY = settings(max_examples=400, deadline=None)
IDS = some.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True).filter(lambda text: _is_id(text))
TEXTS = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"))
COUNTS = some.integers(0, MAX_NUMBER)
PATHS = some.lists(some.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,9}", fullmatch=True), min_size=1, max_size=5)
OF_TYPE = {
    "JobId": IDS,
    "str": TEXTS,
    "Count": COUNTS,
    "RelativePath": PATHS.map("/".join).filter(is_relative_path),
    "Digest": some.binary(min_size=32, max_size=32).map(bytes.hex),
    "Base64": some.binary(max_size=PIECE_BYTES).map(lambda data: base64.b64encode(data).decode()),
    "float": some.floats(-MAX_NUMBER, MAX_NUMBER),
    "tuple[JobId, ...]": some.lists(IDS, max_size=9).map(tuple),
}


def _is_id(text: str) -> bool:
    try:
        return check_id(text) == text
    except MessageError:
        return False


def values(wanted: str) -> some.SearchStrategy:
    found = OF_TYPE[wanted.removesuffix(" | None")]
    return some.none() | found if wanted.endswith(" | None") else found


def messages_of(kind: type) -> some.SearchStrategy:
    known = {f.name: values(str(f.type)) for f in fields(kind)}
    return some.builds(kind, **known | ({"protocol": some.just(PROTOCOL)} if "protocol" in known else {}))


EITHER_WAY = [(kind, kinds) for kinds in (TO_WORKER, FROM_WORKER) for kind in kinds]
MESSAGES = some.sampled_from(EITHER_WAY).flatmap(lambda way: some.tuples(messages_of(way[0]), some.just(way[1])))
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=9,
)
KEYS = sorted({"kind", "x"} | {f.name for kind in (*TO_WORKER, *FROM_WORKER) for f in fields(kind)})


@MANY
@given(MESSAGES)
def test_every_message_comes_back_as_it_went(way):
    message, kinds = way
    line = encode(message)
    assert line.isascii() and line.count(b"\n") == 1 and line.endswith(b"\n")
    assert parse(line, kinds) == message


@MANY
@given(MESSAGES, some.dictionaries(some.sampled_from(KEYS), JSON, min_size=1, max_size=3))
def test_a_message_with_other_values_is_one_too_or_is_refused_in_a_sentence(way, others):
    message, kinds = way
    said = parse_or_sentence(json.dumps(json.loads(encode(message)) | others).encode(), kinds)
    assert said is None or parse(encode(said), kinds) == said


@MANY
@given(some.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_line_is_a_message_or_is_refused_in_a_sentence(line):
    parse_or_sentence(line, TO_WORKER)


@MANY
@given(some.text(max_size=30) | some.text("ab./\\:~CONnul1 ", max_size=12))
def test_a_place_never_leads_out_of_its_folder(text):
    if is_relative_path(text):
        names = text.split("/")
        assert all(name and name not in (".", "..") and name.isascii() and name.isprintable() for name in names)
        assert not any(mark in text for mark in "\\:~* ") and not any(name.endswith(".") for name in names)


@MANY
@given(some.binary(max_size=200), some.lists(some.integers(1, 50), max_size=20), some.integers(1, 40))
def test_lines_do_not_depend_on_how_the_bytes_come(data, cuts, most):
    whole, pieces = Lines(most), Lines(most)
    expected = list(whole.feed(data))
    found = []
    for cut in cuts:
        found += pieces.feed(data[:cut])
        data = data[cut:]
    assert [*found, *pieces.feed(data)] == expected
    assert all(line is None or len(line) <= most for line in expected)


def parse_or_sentence(line: bytes, kinds: tuple[type, ...]):
    try:
        return parse(line, kinds)
    except MessageError as error:
        assert 0 < len(str(error)) < 400 and str(error).isprintable()
        str(error).encode()
        return None
