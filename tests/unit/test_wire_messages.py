"""Lines and messages: valid ones are parsed correctly, and invalid ones are refused with a message."""

from __future__ import annotations

import json
import random
import string

import pytest

from backend.wire.encoding import MessageError, encode, kind_of, parse
from backend.wire.lines import MAX_BYTES, Lines
from backend.wire.messages import (
    FROM_WORKER,
    PROTOCOL,
    TO_WORKER,
    Cancel,
    Cancelled,
    Done,
    Failed,
    Finish,
    Hello,
    Move,
    Offer,
    Piece,
    Ping,
    Pong,
    Preview,
    Progress,
    Queued,
    Refused,
    Remove,
    Removed,
    Shutdown,
    Submit,
    Taken,
    Unload,
    Want,
)

EVERY = [
    *(Submit("take-1", "/Aufträge/取り"), Cancel("a_B-9"), Move("x", 3), Remove("x"), Unload(), Shutdown(), Ping()),
    *(Hello(PROTOCOL, "1.0.0"), Hello(PROTOCOL, "1.0.0", "cuda", 2**36), Queued("x", 0), Preview("x", 4, "a/0.png")),
    *(Progress("x", "sampling", 3, 9, 1.5), Progress("x", "loading"), Done("x", "cpu", 10), Failed("x", "Ü\n", "so")),
    *(
        Cancelled("x"),
        Removed("x"),
        Pong(None, (), None),
        Pong("x", ("y", "z"), "demo"),
        Refused("no"),
        Refused("n", "x"),
    ),
    *(Offer("x", "0a" * 32, 3), Want("x", 2), Piece("x", 0, "result/0000.png", "AAEC"), Taken("x")),
    *(Finish(("take-1", "x")), Finish(())),
]


@pytest.mark.parametrize("message", EVERY, ids=lambda message: kind_of(message))
def test_a_message_comes_back_as_it_went(message):
    line = encode(message)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    kinds = TO_WORKER if type(message) in TO_WORKER else FROM_WORKER
    assert parse(line, kinds) == message
    if type(message) not in {*TO_WORKER} & {*FROM_WORKER}:
        with pytest.raises(MessageError, match="not a known kind of message"):
            parse(line, FROM_WORKER if kinds is TO_WORKER else TO_WORKER)


def test_every_kind_is_tried_above():
    assert {type(message) for message in EVERY} == {*TO_WORKER, *FROM_WORKER}


@pytest.mark.parametrize(
    "line, words",
    [
        (b"", "not valid JSON"),
        (b"[]", "object"),
        (b"\xff\xfe", "not valid JSON in UTF-8"),
        (b'{"kind": "sumbit"}', "Did you mean 'submit'"),
        (b'{"kind": ["ping"]}', "a list is not a known kind"),
        (b'{"kind": "ping", "kind": "ping"}', "duplicate"),
        (b'{"kind": "ping", "a": 1}', "unknown key 'a'"),
        (b'{"kind": "cancel"}', "has no 'job'"),
        (b'{"kind": "cancel", "job": 7}', "7 is not a valid job name"),
        (b'{"kind": "cancel", "job": "../x"}', "not a valid job name"),
        (b'{"kind": "cancel", "job": "con"}', "not a valid job name"),
        (b'{"kind": "cancel", "job": "LPT1"}', "not a valid job name"),
        (b'{"kind": "cancel", "job": "a\\n"}', "not a valid job name"),
        (b'{"kind": "cancel", "job": "' + b"a" * 65 + b'"}', "not a valid job name"),
        (b'{"kind": "move", "job": "a", "position": -1}', "position must be between 0 and"),
        (b'{"kind": "move", "job": "a", "position": true}', "position must be a whole number, not True"),
        (b'{"kind": "move", "job": "a", "position": 1.0}', "position must be a whole number, not 1.0"),
        (b'{"kind": "move", "job": "a", "position": NaN}', "NaN is not a number"),
        (b'{"kind": "move", "job": "a", "position": 1e999}', "too large a number"),
        (b'{"kind": "move", "job": "a", "position": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"kind": "finish"}', "has no 'jobs'"),
        (b'{"kind": "finish", "jobs": "a"}', "jobs must be a list of jobs, not 'a'"),
        (b'{"kind": "finish", "jobs": null}', "jobs must be a list of jobs, not None"),
        (b'{"kind": "finish", "jobs": ["a", 1]}', "1 is not a valid job name"),
        (b'{"kind": "finish", "jobs": ["../a"]}', "not a valid job name"),
        (b'{"kind": "submit", "job": "a", "folder": "a\\u0000"}', "folder must be text that can be written"),
        (b'{"kind": "submit", "job": "a", "folder": "\\ud800"}', "not valid Unicode"),
        (b'{"kind": "submit", "job": "a", "folder": null}', "folder must be text, not None"),
        (b'{"kind": "submit", "job": "a", "folder": "/", "protocol": 3, "news": 1}', "uses protocol 3"),
        (b'{"kind": "ping", "a": ' + b"[" * 10_000 + b"}", "nested more than 50 deep"),
        (b'{"kind": "ping", "a": "' + b"a" * MAX_BYTES + b'"}', "longer than 1048576 bytes"),
        (None, "longer than 1048576 bytes"),
    ],
)
def test_what_is_wrong_is_said(line, words):
    with pytest.raises(MessageError) as caught:
        parse(line, TO_WORKER)
    assert words in str(caught.value) and len(str(caught.value)) < 400


def test_nothing_goes_out_that_the_other_side_would_refuse():
    bad_eta = Progress("a", "sampling", eta=float("nan"))
    for message in (
        bad_eta,
        Submit("../a", "/"),
        Submit("a", "\udcff"),
        Move("a", -1),
        Preview("a", 1, "../x"),
        Preview("a", 1, "/x"),
        *(
            Piece("a", 0, place, "")
            for place in ("", "a//b", "a/", "a/..", "a/.b", "con.png", "a/NUL", "a.", "a\\b", "C:a")
        ),
        *(Piece("a", 0, "a", data) for data in ("A", "A===", "AA\n=", "ü", "A" * 349_529)),
        *(Offer("a", digest, 0) for digest in ("", "0A" * 32, "0a" * 33)),
    ):
        with pytest.raises(MessageError):
            encode(message)
    with pytest.raises(MessageError, match="too long"):
        encode(Failed("a", "x" * MAX_BYTES))


def test_ten_thousand_random_and_mutated_lines_give_a_message_or_a_sentence():
    chance = random.Random(4)
    lines = [encode(message) for message in EVERY]
    messages = 0
    for _ in range(10_000):
        line = (
            mutated(chance.choice(lines), chance) if chance.random() < 0.8 else chance.randbytes(chance.randrange(99))
        )
        try:
            message = parse(line, TO_WORKER)
        except MessageError as error:
            assert 0 < len(str(error)) < 400
            str(error).encode()
        else:
            messages += 1
            assert parse(encode(message), TO_WORKER) == message
    assert 100 < messages < 9000  # both connections were gone


STRANGE = [None, True, -1, 1.5, 2**70, float("nan"), "CON", "../..", "\ud800", [], {}, [[[]]], "x"]


def mutated(line: bytes, chance: random.Random) -> bytes:
    kind = chance.randrange(6)
    if kind == 0:
        return line[: chance.randrange(len(line))]
    if kind == 1:
        place = chance.randrange(len(line))
        return line[:place] + chance.randbytes(1) + line[place + 1 :]
    if kind == 2:
        place = chance.randrange(len(line))
        return line[:place] + chance.choice(string.printable).encode() * chance.randrange(9) + line[place:]
    content = json.loads(line)
    key = chance.choice([*content, "new"])
    content[key] = chance.choice(
        [None, True, -1, 1.5, 2**70, float("nan"), "CON", "../..", "\ud800", [], {}, [[[]]], "x"]
    )
    if kind == 3:
        content.pop(chance.choice([*content]))
    return json.dumps(content).encode() + b"\n"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_lines_come_whole_in_whatever_pieces(size):
    data = b"one\n\n" + b"x" * 10 + b"\n" + b"y" * 11 + b"\nlast\nbegun"
    lines = Lines(most=10)
    found = [line for start in range(0, len(data), size) for line in lines.feed(data[start : start + size])]
    assert found == [b"one", b"", b"x" * 10, None, b"last"]
