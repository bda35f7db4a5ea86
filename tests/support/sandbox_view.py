"""What people see of an answer in the imaging view of the sandbox, as data to compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RATING_URL = "http://fhir.org/argonaut/Extension/pama-rating"
DECISION = "org.bone-density-cds.decision"


def seen(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Cards, the orders their suggestions would set, and the rating; empty for other answers."""
    if "cards" not in answer:
        return {}
    actions = answer.get("extension", {}).get("systemActions", [])
    return {
        "cards": [_card(card) for card in answer["cards"]],
        "rating": _rating(actions[0]["resource"]) if actions else None,
    }


def _card(card: Mapping[str, Any]) -> dict[str, Any]:
    decision = dict(card["extension"][DECISION])
    del decision["ruleset"]
    return {
        "uuid": card["uuid"],
        "summary": card["summary"],
        "indicator": card["indicator"],
        "decision": decision,
        "suggestions": [_suggestion(item) for item in card.get("suggestions", [])],
    }


def _suggestion(suggestion: Mapping[str, Any]) -> dict[str, Any]:
    (action,) = suggestion["actions"]
    resource = action["resource"]
    return {
        "uuid": suggestion["uuid"],
        "label": suggestion["label"],
        "type": action["type"],
        "coding": resource["code"]["coding"][0],
        "reasonCode": resource["reasonCode"],
        "rating": _rating(resource),
    }


def _rating(resource: Mapping[str, Any]) -> str:
    (rating,) = [item for item in resource["extension"] if item["url"] == RATING_URL]
    return str(rating["valueCodeableConcept"]["coding"][0]["code"])
