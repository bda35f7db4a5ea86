"""A strict JSON reader: what other readers pass over or fall over is refused here, by name."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

from cds_service.protocol.errors import ProtocolError

_SPACED_COLON = re.compile(rb'"[ \t\r\n]+:')

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


def loads(data: bytes, *, max_depth: int = 64, max_number_length: int = 64) -> object:
    """The document in UTF-8 bytes; raises NotStrictJson.

    Refused beside malformed JSON: a byte order mark, deeper nesting than `max_depth`, numbers of
    more than `max_number_length` characters, duplicate property names, NaN and Infinity, numbers
    beyond a double, lone surrogates. Cost is linear in the length whatever the bytes are.
    """
    if data.startswith(b"\xef\xbb\xbf"):
        raise NotStrictJson("a byte order mark is not allowed")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotStrictJson(f"not UTF-8 at byte {error.start}") from None
    document = _decode(_decoder(max_number_length, None), text, max_depth)
    depth, names = _depth_and_names(document)
    if depth > max_depth:
        raise NotStrictJson(f"nested deeper than {max_depth} levels")
    if names != data.count(b'":') or _SPACED_COLON.search(data):
        # There may be duplicates: only looking at every object tells.
        _decode(_decoder(max_number_length, _object), text, max_depth)
    if _SURROGATE.search(text):
        _refuse_lone_surrogates(text)
    return document


def _decode(decoder: json.JSONDecoder, text: str, max_depth: int) -> object:
    try:
        document: object = decoder.decode(text)
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at").removesuffix(" starting")
        raise NotStrictJson(f"{what} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise NotStrictJson(f"nested deeper than {max_depth} levels") from None
    return document


def _depth_and_names(document: object) -> tuple[int, int]:
    """How deep arrays and objects nest, and how many members all objects have together.

    One walk, level by level. Every member needs a quotation mark and a colon in the text (with
    blanks between them looked at apart). Where a document has as many members as that stands in
    its text, none was lost: a reader keeps only one of two members with the same name.
    """
    depth, names = 0, 0
    level = [document]
    while level:
        below: list[object] = []
        for item in level:
            if type(item) is dict:
                names += len(item)
                below += item.values()
            elif type(item) is list:
                below += item
        is_deeper = bool(below) or any(type(item) in (dict, list) for item in level)
        depth += is_deeper
        level = below
    return depth, names


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
def _decoder(max_number_length: int, objects: Callable[..., Any] | None) -> json.JSONDecoder:
    def checked(number: str) -> str:
        if len(number) > max_number_length:
            raise NotStrictJson(f"a number is longer than {max_number_length} characters")
        return number

    def real(number: str) -> float:
        value = float(checked(number))
        if math.isinf(value):
            raise NotStrictJson("a number is too large")
        return value

    return json.JSONDecoder(
        object_pairs_hook=objects,
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
