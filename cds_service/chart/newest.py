"""Copies of one resource: the newest stands for all of them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

from cds_service.fhir.resources import version_key
from cds_service.protocol.chart import Resource

Key = TypeVar("Key", bound=Hashable)


def keep_newest(kept: dict[Key, Resource], key: Key, resource: Resource) -> None:
    """Keeps a resource under its key unless a copy that is as new or newer is there."""
    present = kept.setdefault(key, resource)
    if present is not resource and version_key(resource) > version_key(present):
        kept[key] = resource


def identity(resource: Resource) -> str | int:
    """What makes two resources of a type copies of each other: the id, else being the same one."""
    identifier = resource.get("id")
    return identifier if isinstance(identifier, str) and identifier else id(resource)
