"""JSON as it is sent."""

from __future__ import annotations

import json
from datetime import date
from enum import StrEnum

import pytest

from cds_service.protocol import compact_json


class Word(StrEnum):
    """A code as services hand it over."""

    ONE = "one"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"b": [1, 2.5, None, True], "a": "é😀"}, '{"b":[1,2.5,null,true],"a":"é😀"}'),
        ({"code": Word.ONE}, '{"code":"one"}'),
        ({"b": '\n\x01"\\'}, '{"b":"\\n\\u0001\\"\\\\"}'),
        ({"value": 10**30, "text": "é"}, '{"value":1000000000000000000000000000000,"text":"é"}'),
        ({}, "{}"),
    ],
)
def test_documents(document: object, text: str) -> None:
    """UTF-8 without blanks, enumerations by their value, whole numbers of any length."""
    found = compact_json.dumps(document)
    assert found == text.encode()
    assert json.loads(found) == json.loads(text)


def test_sorted() -> None:
    """With sorted names equal documents are equal bytes, however long their numbers."""
    assert compact_json.dumps({"b": 1, "a": {"d": 1, "c": 2}}, sort_keys=True) == (
        b'{"a":{"c":2,"d":1},"b":1}'
    )
    assert compact_json.dumps({"b": 10**20, "a": 1}, sort_keys=True) == (
        b'{"a":1,"b":100000000000000000000}'
    )


def test_what_json_cannot_hold() -> None:
    """Nothing is turned into a text that nobody asked for."""
    with pytest.raises(TypeError):
        compact_json.dumps({"at": object()})
    with pytest.raises(TypeError):
        compact_json.dumps({date(2026, 1, 1): 1})
