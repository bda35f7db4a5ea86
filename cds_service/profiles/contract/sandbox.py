"""What the imaging view of the public sandbox needs, read from its source of 2026-03-31."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cds_service.profiles.contract.places import (
    Place,
    actions,
    cards,
    inner,
    members,
    suggestions,
    system_actions,
)
from cds_service.profiles.sandbox import RATING_SYSTEM, RATING_URL, RATINGS, TEST_RATING


def has_actions(response: Mapping[str, Any]) -> Iterator[str]:
    """A suggestion without actions throws."""
    for path, suggestion in suggestions(response):
        if not suggestion.get("actions"):
            yield f"{path}.actions: must not be empty"


def can_be_applied(response: Mapping[str, Any]) -> Iterator[str]:
    """Only an `update` with rating, first coding and coded reasons is; others are lost."""
    for path, action in actions(response):
        yield from _updates_with_rating(path, action)
        resource = inner(action, "resource")
        codings = [coding for _, coding in members("", inner(resource, "code"), "coding")]
        if not codings or not codings[0].get("code"):
            yield f"{path}.resource.code.coding[0]: missing"
        if not isinstance(resource.get("reasonCode"), list):
            yield f"{path}.resource.reasonCode: must be an array, even an empty one"
        for place, reason in members(f"{path}.resource", resource, "reasonCode"):
            if not reason.get("coding"):
                yield f"{place}.coding: missing"


def has_card_uuids(response: Mapping[str, Any]) -> Iterator[str]:
    """A card without uuid cannot be dismissed, nor are its override reasons shown."""
    for path, item in (*cards(response), *suggestions(response)):
        if not item.get("uuid"):
            yield f"{path}.uuid: without it no feedback is sent"


def has_system_actions_in_the_extension(response: Mapping[str, Any]) -> Iterator[str]:
    """The place of CDS Hooks 1.0, for each order an update that shows its rating."""
    for path, place in (("$", response), *cards(response)):
        if "systemActions" in place or (
            path != "$" and "systemActions" in inner(place, "extension")
        ):
            yield f"{path}.systemActions: is read from $.extension.systemActions only"
    listed = inner(response, "extension").get("systemActions", [{}])
    if not isinstance(listed, list) or not listed:
        yield "$.extension.systemActions: must be a list that is not empty"
    for path, action in system_actions(response):
        yield from _updates_with_rating(path, action)
        if not inner(action, "resource").get("id"):
            yield f"{path}.resource.id: missing"


def says_that_it_is_a_test(response: Mapping[str, Any]) -> Iterator[str]:
    """Nobody may take the rating for one under PAMA."""
    for path, action in (*actions(response), *system_actions(response)):
        if TEST_RATING not in str(action.get("description")):
            yield f"{path}.description: must say {TEST_RATING}"
    for path, card in cards(response):
        if TEST_RATING not in str(card.get("detail")):
            yield f"{path}.detail: must say {TEST_RATING}"


def _updates_with_rating(path: str, action: Mapping[str, Any]) -> Iterator[str]:
    if action.get("type") != "update":
        yield f"{path}.type: must be update"
    place = f"{path}.resource"
    ratings = [
        found
        for found in members(place, inner(action, "resource"), "extension")
        if found[1].get("url") == RATING_URL
    ]
    if len(ratings) != 1:
        yield f"{place}.extension: must hold one rating"
    for rating in ratings:
        yield from _is_known(rating)


def _is_known(rating: Place) -> Iterator[str]:
    path, extension = rating
    concept = inner(extension, "valueCodeableConcept")
    codes = [(item.get("system"), item.get("code")) for _, item in members("", concept, "coding")]
    if not codes or any(
        system != RATING_SYSTEM or code not in RATINGS.values() for system, code in codes
    ):
        yield f"{path}.valueCodeableConcept.coding: must be one of the ratings"


RULES = (
    has_actions,
    can_be_applied,
    has_card_uuids,
    has_system_actions_in_the_extension,
    says_that_it_is_a_test,
)
