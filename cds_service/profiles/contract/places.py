"""The parts of a response with their JSON paths; whatever has the wrong type is passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Place = tuple[str, Mapping[str, Any]]
"""A JSON path and the object that stands there."""

Rule = Callable[[Mapping[str, Any]], Iterator[str]]
"""Takes a response and says what is wrong, each time with the JSON path."""


def cards(response: Mapping[str, Any]) -> Iterator[Place]:
    """The cards."""
    return members("$", response, "cards")


def suggestions(response: Mapping[str, Any]) -> Iterator[Place]:
    """The suggestions of all cards."""
    for path, card in cards(response):
        yield from members(path, card, "suggestions")


def actions(response: Mapping[str, Any]) -> Iterator[Place]:
    """The actions of all suggestions."""
    for path, suggestion in suggestions(response):
        yield from members(path, suggestion, "actions")


def system_actions(response: Mapping[str, Any]) -> Iterator[Place]:
    """The system actions in the extension of the response."""
    return members("$.extension", inner(response, "extension"), "systemActions")


def members(path: str, parent: Mapping[str, Any], name: str) -> Iterator[Place]:
    """The objects of a list."""
    listed = parent.get(name)
    for position, item in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(item, Mapping):
            yield f"{path}.{name}[{position}]", item


def inner(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object inside another one; empty when there is none."""
    value = parent.get(name)
    return value if isinstance(value, Mapping) else {}
