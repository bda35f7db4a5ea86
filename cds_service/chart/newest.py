"""Copies of one resource: the newest stands for all of them."""

from __future__ import annotations

from collections.abc import Hashable

from cds_service.fhir.resources import version_key
from cds_service.protocol.chart import Resource


def keep_newest(kept: dict[Hashable, Resource], key: Hashable, resource: Resource) -> None:
    """Keeps a resource under its key unless a copy that is as new or newer is there."""
    present = kept.get(key)
    if present is None or version_key(resource) > version_key(present):
        kept[key] = resource


def identity(resource: Resource) -> Hashable:
    """What makes two resources copies of each other: `Type/id`, else only being the same one."""
    identifier = resource.get("id")
    if isinstance(identifier, str) and identifier:
        return f"{resource.get('resourceType')}/{identifier}"
    return id(resource)
