"""CDS Hooks 2.0.1 as every client may rely on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from cds_service.fhir.checking import CHECKED_TYPES, problem
from cds_service.profiles.contract.places import (
    actions,
    cards,
    inner,
    suggestions,
    system_actions,
)
from cds_service.protocol.validation import problems


def has_the_shape(response: Mapping[str, Any]) -> Iterator[str]:
    """The response schema: types, required members, limits, nothing null, empty or undefined.

    An empty `reasonCode` of an order is no rule of its own: the sandbox profile sends it back.
    """
    for found in problems("response", _without_empty_reasons(response)):
        yield f"{found.path}: {found.text}"


def has_unique_uuids(response: Mapping[str, Any]) -> Iterator[str]:
    """Feedback names cards and suggestions by uuid."""
    found = [*cards(response), *suggestions(response)]
    times = Counter(item.get("uuid") for _, item in found)
    for path, item in found:
        if times[item.get("uuid")] > 1 and item.get("uuid"):
            yield f"{path}.uuid: is there more than once"


def has_valid_resources(response: Mapping[str, Any]) -> Iterator[str]:
    """Resources of actions are FHIR; types that the service does not read are not looked at."""
    for path, action in (*actions(response), *system_actions(response)):
        resource = inner(action, "resource")
        if resource.get("resourceType") in CHECKED_TYPES and (
            wrong := problem({k: v for k, v in resource.items() if v != []})
        ):
            yield f"{path}.resource: is not valid FHIR: {wrong}"


def creates_without_id(response: Mapping[str, Any]) -> Iterator[str]:
    """The client names what it creates."""
    for path, action in actions(response):
        if action.get("type") == "create" and "id" in inner(action, "resource"):
            yield f"{path}.resource.id: a created resource has none yet"


def _without_empty_reasons(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _without_empty_reasons(item)
            for name, item in value.items()
            if name != "reasonCode" or item != []
        }
    return [_without_empty_reasons(item) for item in value] if isinstance(value, list) else value


RULES = (
    has_the_shape,
    has_unique_uuids,
    has_valid_resources,
    creates_without_id,
)
