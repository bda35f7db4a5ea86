"""FHIR JSON made fit for a CDS Hooks response, in which nothing is null or empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.protocol import compact_json

_EMPTY = (b"null", b'""', b"[]", b"{}")


class NullNeeded(ValueError):
    """A value cannot be expressed without null: FHIR aligns `name` and `_name` by it."""


def without_empties(value: Any) -> Any:
    """The same without null, empty strings, arrays and objects; None when nothing is left.

    Almost no value has one, and its text tells so at once. Raises NullNeeded where leaving one out
    would pair the values of a list with the extensions of other ones.
    """
    text = compact_json.dumps(value)
    return _cleaned(value) if any(mark in text for mark in _EMPTY) else value


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return value or None
    if isinstance(value, dict):
        kept = {
            name: clean for name, item in value.items() if (clean := _cleaned(item)) is not None
        }
        for name in kept:
            if isinstance(value[name], list) and f"_{name.removeprefix('_')}" in value:
                _check_alignment(value, name.removeprefix("_"))
        return kept or None
    if isinstance(value, list):
        return [clean for item in value if (clean := _cleaned(item)) is not None] or None
    return value


def _check_alignment(value: Mapping[str, Any], name: str) -> None:
    for member in (name, f"_{name}"):
        listed = value.get(member)
        if isinstance(listed, list) and any(_cleaned(item) is None for item in listed):
            raise NullNeeded(name)
