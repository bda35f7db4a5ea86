"""A strict JSON reader: what other readers pass over or fall over is refused here, by name.

Two readers, one answer. A fast one takes the ordinary document at once; whatever it cannot be sure
of it leaves to the exact one, which alone refuses.
"""

from __future__ import annotations

import json
import math
import re
from functools import cache
from typing import Any, NoReturn

import orjson

from cds_service.protocol.errors import ProtocolError

MAX_NUMBER_LENGTH = 64
"""Characters of a number; no measurement has more, and reading longer ones is costly."""

_NOT_ORDINARY = object()
_DIGITS = bytes(ord("9") if chr(byte) in "0123456789" else ord(" ") for byte in range(256))
_MANY_DIGITS = b"9" * 19  # with fewer in a row a number is short, and a whole one has 64 bits
_EVERY_FOURTH = b"9999"  # of those, wherever one begins to count

# A surrogate as an escape at all; then, escape by escape, whether it stands alone.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


class NotStrictJson(ProtocolError):
    """The bytes are not one strict JSON document; the text says what is wrong, and where."""


def loads(data: bytes, *, max_depth: int = 64) -> object:
    """The document in UTF-8 bytes; raises NotStrictJson.

    Refused beside malformed JSON: a byte order mark, deeper nesting than `max_depth`, numbers of
    more than MAX_NUMBER_LENGTH characters, duplicate property names, NaN and Infinity, numbers
    beyond a double, lone surrogates. Cost is linear in the length whatever the bytes are.
    """
    document = _ordinary(data, max_depth)
    return _exact(data, max_depth) if document is _NOT_ORDINARY else document


def _ordinary(data: bytes, max_depth: int) -> object:
    """The document, when it is surely strict: the fast reader keeps one of two equal names.

    It is written out again and compared. A name that was lost took its quotation marks along: they
    are as many in both texts when none was, unless one was written as an escape. And the written
    text is indented by two blanks a level.
    """
    if _has_many_digits(data) or (b"\\" in data and b"\\u0022" in data):
        return _NOT_ORDINARY
    try:
        document: object = orjson.loads(data)
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return _NOT_ORDINARY
    if text.count(b'"') != data.count(b'"') or b"\n" + b"  " * max_depth in text:
        return _NOT_ORDINARY
    return document


def _has_many_digits(data: bytes) -> bool:
    """Whether 19 digits come in a row; almost always every fourth byte tells that they do not."""
    if _EVERY_FOURTH not in data[::4].translate(_DIGITS):
        return False
    return _MANY_DIGITS in data.translate(_DIGITS)


def _exact(data: bytes, max_depth: int) -> object:
    """The document, or the refusal with what is wrong and where."""
    if data.startswith(b"\xef\xbb\xbf"):
        raise NotStrictJson("a byte order mark is not allowed")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotStrictJson(f"not UTF-8 at byte {error.start}") from None
    document = _decode(text, max_depth)
    if _depth(document) > max_depth:
        raise NotStrictJson(f"nested deeper than {max_depth} levels")
    if _SURROGATE.search(text):
        _refuse_lone_surrogates(text)
    return document


def _decode(text: str, max_depth: int) -> object:
    try:
        document: object = _decoder().decode(text)
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at").removesuffix(" starting")
        raise NotStrictJson(f"{what} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise NotStrictJson(f"nested deeper than {max_depth} levels") from None
    return document


def _depth(document: object) -> int:
    """How deep arrays and objects nest, level by level."""
    depth = 0
    level = [document]
    while level := [item for item in level if type(item) in (dict, list)]:
        depth += 1
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)  # type: ignore[attr-defined]
        ]
    return depth


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                # An ordinary name helps whoever sent it; anything else is not repeated.
                shown = f" {name}" if _NAME.fullmatch(name) else ""
                raise NotStrictJson(f"duplicate property{shown}")
            seen.add(name)
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise NotStrictJson(f"{name} is not JSON")


@cache
def _decoder() -> json.JSONDecoder:
    def checked(number: str) -> str:
        if len(number) > MAX_NUMBER_LENGTH:
            raise NotStrictJson(f"a number is longer than {MAX_NUMBER_LENGTH} characters")
        return number

    def real(number: str) -> float:
        value = float(checked(number))
        if math.isinf(value):
            raise NotStrictJson("a number is too large")
        return value

    return json.JSONDecoder(
        object_pairs_hook=_object,
        parse_constant=_refuse_constant,
        parse_int=lambda number: int(checked(number)),
        parse_float=real,
    )


def _refuse_lone_surrogates(text: str) -> None:
    for escape in _ESCAPE.finditer(text):
        if escape["lone"]:
            line = text.count("\n", 0, escape.start()) + 1
            column = escape.start() - text.rfind("\n", 0, escape.start())
            raise NotStrictJson(f"a lone surrogate at line {line}, column {column}")
