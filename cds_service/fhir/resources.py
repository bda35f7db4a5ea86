"""Raw accessors: the few questions every reader asks of a resource, whatever its type."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cds_service.fhir.dates import read_instant

_NEVER = datetime.min.replace(tzinfo=UTC)

Raw = Mapping[str, Any]


def name_of(resource: Raw) -> str:
    """`Type/id` of a resource, for evidence and for naming it when it is not used."""
    kind = resource.get("resourceType")
    identifier = resource.get("id")
    kind_text = kind if isinstance(kind, str) and kind else "(no type)"
    return f"{kind_text}/{identifier if isinstance(identifier, str) else '(no id)'}"


def identity(resource: Raw) -> str | int:
    """What makes two resources of a type copies of each other: the id, else being the same one."""
    identifier = resource.get("id")
    return identifier if isinstance(identifier, str) and identifier else id(resource)


def status_of(resource: Raw) -> str | None:
    """The `status` code, None when it is missing or no string."""
    status = resource.get("status")
    return status if isinstance(status, str) else None


def says_status(resource: Raw) -> bool:
    """Whether a resource says its status: `unknown` says nothing, nor does one that is withheld.

    Nor does one that is no code of FHIR, which the models take: it may be anything.
    """
    return (status := status_of(resource)) in _STATUSES and status != "unknown"


def status_words(resource: Raw) -> str:
    """A status as it may be repeated; one that is no code of FHIR might be anything."""
    status = status_of(resource)
    return f"status {status}" if status in _STATUSES else "status not known"


_STATUSES = frozenset(
    {
        "active",
        "amended",
        "appended",
        "cancelled",
        "completed",
        "corrected",
        "draft",
        "ended",
        "entered-in-error",
        "final",
        "in-progress",
        "intended",
        "not-done",
        "not-taken",
        "on-hold",
        "partial",
        "preliminary",
        "preparation",
        "registered",
        "revoked",
        "stopped",
        "suspended",
        "unknown",
    }
)


def has_unknown_meaning(resource: Raw) -> bool:
    """True when a modifier extension or implicit rules may change what the resource means."""
    return bool(resource.get("modifierExtension")) or bool(resource.get("implicitRules"))


def reference_text(value: object) -> str | None:
    """The literal reference of a Reference, None when it has none."""
    if not isinstance(value, dict):
        return None
    reference = value.get("reference")
    return reference if isinstance(reference, str) and reference.strip() else None


def resolve(reference: object, resource: Raw, related: Mapping[str, Raw]) -> Raw | None:
    """The resource a Reference points to: contained, or among those that came along."""
    text = reference_text(reference)
    if text is None:
        return None
    if text.startswith("#"):
        contained = resource.get("contained")
        for item in contained if isinstance(contained, list) else ():
            if isinstance(item, dict) and item.get("id") == text[1:]:
                return item
        return None
    return related.get(text.split("/_history/", 1)[0])


def version_key(resource: Raw) -> tuple[datetime, str]:
    """Orders two copies of one resource: the later `lastUpdated`, then the higher version."""
    meta = resource.get("meta")
    stated = meta if isinstance(meta, dict) else {}
    updated = read_instant(stated.get("lastUpdated")) or _NEVER
    return updated, str(stated.get("versionId") or "").zfill(20)
