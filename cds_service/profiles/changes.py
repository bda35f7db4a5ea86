"""Proposals → changed resources: what a client would store if the suggestion were taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cds_service.fhir.checking import problem
from cds_service.fhir.resources import has_unknown_meaning
from cds_service.profiles.json_clean import NullNeeded, without_empties
from cds_service.protocol.advice import Proposal
from cds_service.protocol.chart import Resource

_DROPPED = frozenset(
    {
        "text",
        "bodySite",
        "orderDetail",
        "instantiatesCanonical",
        "instantiatesUri",
        "quantityQuantity",
        "quantityRatio",
        "quantityRange",
        "extension",
    }
)
"""What belongs to the old code or describes it, and so must not stand beside the new one."""

_KEPT_AFRESH = (
    "resourceType",
    "status",
    "intent",
    "subject",
    "encounter",
    "requester",
    "priority",
    "reasonCode",
    "reasonReference",
)
"""What a new order in place of a draft takes over: whose it is, how urgent, and why."""

_RESOURCE_ID = re.compile(r"[A-Z][A-Za-z]*/[A-Za-z0-9.-]{1,500}")


def replaced(draft: Resource, coding: Mapping[str, str]) -> dict[str, Any] | None:
    """The draft asking for something else: the same order with the code replaced whole.

    None when that cannot be done safely: without id, with modifiers that might change what the
    new order means, or when the result is not valid FHIR.
    """
    if not resource_id(draft) or has_unknown_meaning(draft):
        return None
    kept = {name: value for name, value in draft.items() if name.removeprefix("_") not in _DROPPED}
    return _valid({**kept, "code": {"coding": [dict(coding)]}})


def unchanged(draft: Resource) -> dict[str, Any] | None:
    """The draft as it is, to be annotated; None when it has no name or is not valid FHIR."""
    return _valid(draft) if resource_id(draft) else None


def afresh(draft: Resource, coding: Mapping[str, str]) -> dict[str, Any] | None:
    """A new order in place of a draft, without an id and without details of the old one.

    None in the same cases as a replacement: whoever cannot change the draft may not remove it.
    """
    if replaced(draft, coding) is None:
        return None
    kept = {name: _reachable(draft[name]) for name in _KEPT_AFRESH if name in draft}
    return _valid({**kept, "code": {"coding": [dict(coding)]}})


def added(proposal: Proposal, coding: Mapping[str, str]) -> dict[str, Any] | None:
    """A new order without an id, which the client will give it; None when it is not valid FHIR."""
    fresh = {name: value for name, value in proposal.resource.items() if name != "id"}
    return _valid({**fresh, "code": {"coding": [dict(coding)]}})


def resource_id(draft: Resource) -> str | None:
    """`Type/id` of a draft that can be named in an action."""
    name = f"{draft.get('resourceType')}/{draft.get('id')}"
    is_named = isinstance(draft.get("id"), str) and _RESOURCE_ID.fullmatch(name)
    return name if is_named else None


def _reachable(value: Any) -> Any:
    """References without those into the draft itself, which a new order does not contain."""
    if isinstance(value, list):
        return [_reachable(item) for item in value]
    is_inside = isinstance(value, Mapping) and str(value.get("reference", "")).startswith("#")
    return None if is_inside else value


def _valid(resource: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        clean: dict[str, Any] | None = without_empties(resource)
    except NullNeeded:
        return None
    return clean if clean is not None and problem(clean) is None else None
