"""Walks through everything FHIR that a request carries: resources with their places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from cds_service.protocol.chart import Resource
from cds_service.protocol.validation import json_path

DRAFTS = ("context", "draftOrders")
"""Where the draft orders stand."""


class Found(NamedTuple):
    """A resource with where it stood, and the fullUrl of its entry.

    `steps` lead to the resource, or to the Bundle in whose entry `position` it stood. A named
    tuple, and a path put together only where a message needs it: a request holds thousands.
    """

    resource: Resource
    steps: tuple[str | int, ...]
    position: int | None = None
    full_url: str | None = None

    def place(self, *more: str | int) -> str:
        """The JSON path of the resource or of something in it."""
        steps = (*_inner(self.steps, self.position), *more)
        if steps[0] == "prefetch":
            steps = (steps[0], shown_key(str(steps[1])), *steps[2:])
        return json_path(steps)


def resources_at(value: object, steps: tuple[str | int, ...]) -> Iterator[Found]:
    """Every resource at one place. Its depth is that of the JSON, which the reader has limited."""
    if not isinstance(value, dict):
        return
    if value.get("resourceType") != "Bundle":
        yield Found(value, steps)
        return
    for position, entry in enumerate(listed(value.get("entry"))):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            continue
        if resource.get("resourceType") == "Bundle":
            yield from resources_at(resource, _inner(steps, position))
        else:
            url = entry.get("fullUrl")
            yield Found(resource, steps, position, url if isinstance(url, str) else None)


def _inner(steps: tuple[str | int, ...], position: int | None) -> tuple[str | int, ...]:
    return steps if position is None else (*steps, "entry", position, "resource")


def shown_key(key: str) -> str:
    """A prefetch key as it may be repeated; one that is no ordinary name might be anything."""
    is_name = key.isascii() and key.isidentifier() and len(key) <= 64
    return key if is_name else "(key)"


def listed(value: object) -> list[Any]:
    """A JSON array, or nothing where something else stands."""
    return value if isinstance(value, list) else []
