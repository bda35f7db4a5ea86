"""A strict JSON reader: what other readers pass over or fall over is refused here, by name."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any, NoReturn

from cds_service.protocol.errors import ProtocolError

_TO_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEP = [1 if byte == ord("[") else -1 for byte in range(256)]
_CHUNK = 65536
_ONLY_NUMBERS = bytes(byte if byte in b"-+.0123456789eE" else 32 for byte in range(256))
_LARGE_EXPONENT = re.compile(rb"[eE]\+?0*[1-9][0-9]{2}")
_EXPONENTIAL = re.compile(rb"-?[0-9.]+[eE]\+?[0-9]+")

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
    structure = _without_strings(data)
    _check_numbers(structure, max_number_length)
    try:
        document: object = _DECODER.decode(text)
    except RecursionError:
        raise NotStrictJson(f"nested deeper than {max_depth} levels") from None
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at").removesuffix(" starting")
        raise NotStrictJson(f"{what} at line {error.lineno}, column {error.colno}") from None
    except ValueError:  # not reached while the checks before hold
        raise NotStrictJson("a number is too long") from None
    depth, names = _depth_and_names(document)
    if depth > max_depth:
        raise NotStrictJson(f"nested deeper than {max_depth} levels")
    if names != structure.count(b":"):
        _NAMING_DECODER.decode(text)
    if _SURROGATE.search(text):
        _refuse_lone_surrogates(text)
    return document


def _without_strings(data: bytes) -> bytes:
    """Everything between the strings: structure, numbers, names of constants.

    Without the escapes of backslash and quotation mark, every other piece between quotation marks
    is a string.
    """
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(data.split(b'"')[::2])


def _depth_and_names(document: object) -> tuple[int, int]:
    """How deep arrays and objects nest, and how many members all objects have together.

    One walk, level by level. A document with fewer members than its text has colons outside of
    strings has lost some: a reader keeps one of two members with the same name.
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


def _check_numbers(structure: bytes, max_number_length: int) -> None:
    # Whatever is no part of a number becomes a space: the longest piece bounds every number.
    if max(map(len, structure.translate(_ONLY_NUMBERS).split()), default=0) > max_number_length:
        raise NotStrictJson(f"a number is longer than {max_number_length} characters")
    if not _LARGE_EXPONENT.search(structure):
        return
    for number in _EXPONENTIAL.findall(structure):
        with suppress(ValueError):  # no number at all: the parser says where
            if math.isinf(float(number)):
                raise NotStrictJson("a number is too large")


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


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_NAMING_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
"""Slower, and only used to name the property that is there twice."""


def _refuse_lone_surrogates(text: str) -> None:
    for escape in _ESCAPE.finditer(text):
        if escape["lone"]:
            line = text.count("\n", 0, escape.start()) + 1
            column = escape.start() - text.rfind("\n", 0, escape.start())
            raise NotStrictJson(f"a lone surrogate at line {line}, column {column}")
