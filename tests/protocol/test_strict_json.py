"""What the strict JSON reader takes, and what it refuses and says."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from cds_service.protocol import strict_json
from cds_service.protocol.strict_json import NotStrictJson, loads

DEEP = b"[" * 64 + b"]" * 64
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("data", "document"),
    [
        (b"{}", {}),
        (b' \n{"a": [1, -2.5, 1e3, true, null]}\t', {"a": [1, -2.5, 1000.0, True, None]}),
        ('{"é": "ü😀"}'.encode(), {"é": "ü😀"}),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\\ud800"', "\\ud800"),
        (rb'"a\"[[[[\\"', 'a"[[[[\\'),
        (b'["' + b"[" * 100 + b'", 1]', ["[" * 100, 1]),
        (rb'["\\", "' + b"[" * 100 + b'"]', ["\\", "[" * 100]),
        (b"9" * 64, int("9" * 64)),
        (b'"' + b"1" * 100 + b'"', "1" * 100),
        (b"1e308", 1e308),
        (b"1e-999", 0.0),
        (b'"NaN"', "NaN"),
    ],
)
def test_strict_documents_are_read(data: bytes, document: object) -> None:
    """What RFC 8259 allows is read as it stands, also where strings look like structure."""
    assert loads(data) == document


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "Expecting value at line 1, column 1"),
        (b"{", "at line 1, column 2"),
        (b'{"a":1,}', "line 1, column"),
        (b'{"a":1}\n{}', "Extra data at line 2, column 1"),
        (b"// x\n1", "Expecting value at line 1, column 1"),
        (b"{'a':1}", "double quotes at line 1, column 2"),
        (b"01", "Extra data"),
        (b"[1}", "line 1, column 3"),
        (b"]", "Expecting value"),
        (b'"a\nb"', "Invalid control character at line 1, column 3"),
        (b'"abc', "Unterminated string at line 1, column 1"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "not UTF-8 at byte 0"),
        ("{}".encode("utf-16-le"), "line 1, column 2"),
        (b'"\xe9"', "not UTF-8 at byte 1"),
        (b'"\xed\xa0\x80"', "not UTF-8 at byte 1"),
        (b'"\xc0\xaf"', "not UTF-8 at byte 1"),
        (b"[" + DEEP + b"]", "nested deeper than 64 levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper than 64 levels"),
        (b'{"a":[' * 33 + b"]}" * 33, "nested deeper than 64 levels"),
        (b"[" * 100_000, "nested deeper than 64 levels"),
        (b"9" * 65, "a number is longer than 64 characters"),
        (b"0." + b"1" * 70, "a number is longer than 64 characters"),
        (b"1e999", "a number is too large"),
        (b'{"a": -1E+400}', "a number is too large"),
        (b"[NaN]", "NaN is not JSON"),
        (b"Infinity", "Infinity is not JSON"),
        (b"-Infinity", "-Infinity is not JSON"),
        (b'{"patientId": 1, "patientId": 1}', "duplicate property patientId"),
        (b'[{"a": {"b": 1, "b": 2}}]', "duplicate property b"),
        (rb'{"a": 1, "\u0061": 2}', "duplicate property a"),
        (b'{"Jane Doe, 1958": 1, "Jane Doe, 1958": 2}', "duplicate property"),
        (b'{"a":\n "x\\ud800"}', "a lone surrogate at line 2, column 4"),
        (rb'{"\udc00": 1}', "a lone surrogate"),
        (rb'"\ud83d\ud83d\ude00"', "a lone surrogate"),
        (rb'"\\\ud800"', "a lone surrogate"),
    ],
)
def test_anything_else_is_refused(data: bytes, text: str) -> None:
    """The error says what is wrong and, where it can, where; values are not repeated."""
    with pytest.raises(NotStrictJson) as caught:
        loads(data)
    assert text in str(caught.value)
    assert "Jane" not in str(caught.value)


def test_64_levels_are_allowed() -> None:
    """The limit is 64 levels of arrays and objects together, siblings do not count."""
    assert loads(DEEP)
    assert loads(b"[" * 63 + b",".join([b"{}"] * 500) + b"]" * 63)
    with pytest.raises(NotStrictJson):
        loads(DEEP, max_depth=63)


@given(JSON)
def test_what_json_writes_is_read_back(document: Any) -> None:
    """Every strict document comes back unchanged, escaped or not."""
    try:
        text = json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert loads(text) == document
    assert loads(json.dumps(document).encode()) == document


@given(st.binary() | st.text(alphabet='[]{}":,\\u0dD18eE+-. \n').map(str.encode))
def test_no_bytes_do_anything_but_parse_or_be_refused(data: bytes) -> None:
    """Whatever the bytes, the answer is a document that the standard reader has too, or refusal."""
    try:
        document = loads(data)
    except NotStrictJson:
        return
    assert document == json.loads(data)


PIECES = rb"""
    { } [ ] : , "a" "b" "\u0061" "\u0022" "\"" "\\" ":" "{" "\ud800" "\ud83d\ude00" 1 -0 1.50 1e5
    1e400 1e-400 true null NaN "a": "a":1, {"a":1} {"a":1,"a":2}
""".split()
WRITTEN = st.sampled_from(
    [*PIECES, b" ", b"\n", '"é"'.encode(), b"\xff", b"9" * 18, b"9" * 19, b"9" * 65]
)


def same(one: object, other: object) -> bool:
    """Equal, and of the same types all the way down: 1 is not 1.0, nor True."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


@given(
    st.lists(WRITTEN, max_size=12).map(b"".join)
    | JSON.map(lambda document: json.dumps(document).encode())
    | JSON.map(lambda document: json.dumps([document, document], indent=1).encode())
)
def test_both_readers_agree(data: bytes) -> None:
    """What the fast reader takes is what the exact one reads; the exact one alone refuses."""
    quick = strict_json._ordinary(data, 64)
    event(f"ordinary: {quick is not strict_json._NOT_ORDINARY}")
    if quick is not strict_json._NOT_ORDINARY:
        assert same(quick, strict_json._exact(data, 64))


@pytest.mark.parametrize(
    ("data", "is_ordinary"),
    [
        (b'{"a": ["x", {"b": 1}]}', True),
        ('{"é": "ü\\"😀"}'.encode(), True),
        (b"[" * 63 + b"1" + b"]" * 63, True),
        (b"[" * 64 + b"1" + b"]" * 64, False),
        (b'{"a":1,"a":1}', False),
        (b'{"a":"x" , "\\u0061":"y"}', False),
        (b'{"a":"\\u0022","a":""}', False),
        (b"1" * 19, False),
        (b"1e400", False),
    ],
)
def test_what_is_ordinary(data: bytes, is_ordinary: bool) -> None:
    """Whatever is rare is left to the exact reader."""
    assert (strict_json._ordinary(data, 64) is not strict_json._NOT_ORDINARY) is is_ordinary


@pytest.mark.parametrize("before", range(8))
@pytest.mark.parametrize(("digits", "is_ordinary"), [(18, True), (19, False), (65, False)])
def test_many_digits_are_seen_wherever_they_stand(
    before: int, digits: int, is_ordinary: bool
) -> None:
    """A number that the fast reader might round is never its own."""
    data = b"%b[%b]" % (b" " * before, b"1" * digits)
    assert (strict_json._ordinary(data, 64) is not strict_json._NOT_ORDINARY) is is_ordinary


@pytest.mark.parametrize(
    "data",
    [
        b'"' + rb"\"" * 1_000_000,
        b"[" * 2_000_000,
        b"[" * 1_000_000 + b"]" * 1_000_000,
        b"]" * 2_000_000,
        b'{"a":' * 400_000,
        b"[[]," * 500_000,
        b"1" * 2_000_000,
        b"[" + b"1e1," * 500_000 + b"0",
        b"\\" * 2_000_000,
    ],
    ids=lambda data: repr(data[:8]),
)
def test_hostile_bodies_cost_little(data: bytes) -> None:
    """Two megabytes made to be slow are refused in a fraction of a second."""
    started = time.process_time()
    with pytest.raises(NotStrictJson):
        loads(data)
    assert time.process_time() - started < 1.5
