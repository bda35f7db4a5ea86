"""Copies of one resource: the newest stands for all of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from operator import itemgetter
from typing import TypeVar

from cds_service.fhir.resources import identity, version_key
from cds_service.protocol.chart import Resource

_ID = itemgetter("id")
Key = TypeVar("Key", bound=Hashable)


def keep_newest(kept: dict[Key, Resource], key: Key, resource: Resource) -> None:
    """Keeps a resource under its key unless a copy that is as new or newer is there."""
    present = kept.setdefault(key, resource)
    if present is not resource and version_key(resource) > version_key(present):
        kept[key] = resource


def keep_all(kept: dict[Hashable, Resource], resources: Sequence[Resource]) -> None:
    """Keeps several resources of one type; the ordinary case, each with an id of its own, at once.

    A request holds hundreds.
    """
    try:
        named = dict(zip(map(_ID, resources), resources, strict=True))
    except (KeyError, TypeError):
        named = {}
    if (
        len(named) == len(resources)
        and "" not in named
        and kept.keys().isdisjoint(named)
        and set(map(type, named)) <= {str}
    ):
        kept.update(named)
        return
    for resource in resources:
        keep_newest(kept, identity(resource), resource)
