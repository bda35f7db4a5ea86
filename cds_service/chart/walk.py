"""Walks through everything FHIR that a request carries: resources with their places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from cds_service.protocol.chart import Resource
from cds_service.protocol.request import HookRequest
from cds_service.protocol.validation import json_path


class Found(NamedTuple):
    """A resource with its place in the request, and the fullUrl of the entry it stood in.

    A named tuple because there are thousands in a large request.
    """

    resource: Resource
    steps: tuple[str | int, ...]
    full_url: str | None = None

    def place(self, *more: str | int) -> str:
        """The JSON path of the resource or of something in it."""
        steps = (*self.steps, *more)
        if steps[0] == "prefetch":
            steps = (steps[0], shown_key(str(steps[1])), *steps[2:])
        return json_path(steps)


def resources_of(request: HookRequest) -> Iterator[Found]:
    """Every resource of prefetch and draft orders: single ones, entries, Bundles in Bundles.

    Contained resources are not among them; they are part of the resource that contains them.
    """
    for key, value in request.prefetch.items():
        yield from resources_at(value, ("prefetch", key))
    yield from resources_at(request.draft_orders, ("context", "draftOrders"))


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
        inner = (*steps, "entry", position, "resource")
        if resource.get("resourceType") == "Bundle":
            yield from resources_at(resource, inner)
        else:
            url = entry.get("fullUrl")
            yield Found(resource, inner, url if isinstance(url, str) else None)


def shown_key(key: str) -> str:
    """A prefetch key as it may be repeated; one that is no ordinary name might be anything."""
    is_name = key.isascii() and key.isidentifier() and len(key) <= 64
    return key if is_name else "(key)"


def listed(value: object) -> list[Any]:
    """A JSON array, or nothing where something else stands."""
    return value if isinstance(value, list) else []
