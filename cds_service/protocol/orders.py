"""The draft orders of one call, read entry by entry from the client's Bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from cds_service.protocol.chart import Resource
from cds_service.values import dataclass

NOT_PROPOSED = frozenset({"revoked", "completed", "entered-in-error", "cancelled", "stopped"})
"""Statuses of a draft that is no longer a proposal; drugs say cancelled and stopped for revoked."""


@dataclass(frozen=True, slots=True)
class Order:
    """One draft order.

    `judged` is true when this call asks about it (order-select: selected; order-sign: every
    draft). `excluded` says why it is not to be judged all the same. `related` resolves references
    inside the Bundle of drafts.
    """

    reference: str
    resource: Resource
    judged: bool
    excluded: str | None = None
    related: Mapping[str, Resource] = field(default_factory=dict)

    @property
    def resource_type(self) -> str:
        """FHIR resource type of the draft."""
        return str(self.resource.get("resourceType", ""))


def bundle_entries(bundle: object) -> list[Mapping[str, Any]]:
    """Entries of a Bundle that are objects; everything else is passed over."""
    entries = bundle.get("entry") if isinstance(bundle, dict) else None
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict)]


def exclusion(resource: Resource) -> str | None:
    """Why a draft is not a proposal any more, or None."""
    if resource.get("doNotPerform") is True:
        return "do-not-perform"
    if not isinstance(resource.get("doNotPerform", False), bool):
        return "do-not-perform-not-readable"
    status = resource.get("status")
    if isinstance(status, str) and status in NOT_PROPOSED:
        return f"status-{status}"
    return None


def reference_of(resource: Resource, position: int) -> str:
    """`Type/id` of a draft; a draft without id is named by its place in the Bundle."""
    kind = resource.get("resourceType")
    identifier = resource.get("id")
    kind_text = kind if isinstance(kind, str) and kind else "(no type)"
    if isinstance(identifier, str) and identifier:
        return f"{kind_text}/{identifier}"
    return f"{kind_text}/(entry {position + 1}, no id)"
