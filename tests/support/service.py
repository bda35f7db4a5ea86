"""The real service asked in process: a hook request in, its explanation and cards out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from never_said import words_of

from cds_service.engine import answer
from cds_service.registry import Client
from hooks.bone_density import SERVICE

AS_OF = "2026-11-23"
KEY = b"a key for tests only"


def client(block: Mapping[str, Any] | None = None, zone: str = "UTC") -> Client:
    """A client of profile `standard` with one registry block of the service."""
    return Client(
        name="test",
        profile="standard",
        mode="live",
        deadline_ms=2000,
        time_zone=ZoneInfo(zone),
        fhir_bases=(),
        cors_origins=(),
        settings={SERVICE.id: SERVICE.read_settings(block or {})},
    )


def explain(
    body: Mapping[str, Any],
    block: Mapping[str, Any] | None = None,
    as_of: str = AS_OF,
    zone: str = "UTC",
) -> dict[str, Any]:
    """The explanation of one call, `response` with its cards included."""
    found = answer(
        SERVICE, client(block, zone), body, as_of=date.fromisoformat(as_of), uuid_key=KEY
    )
    return dict(found.explanation)


def only_order(explanation: Mapping[str, Any]) -> dict[str, Any]:
    """The one order that an explanation is about."""
    (order,) = explanation["orders"]
    return dict(order)


def card_text(explanation: Mapping[str, Any]) -> str:
    """All words that people see on the cards of one answer."""
    return "\n".join(words_of(card) for card in explanation["response"]["cards"])


def offered_codes(explanation: Mapping[str, Any]) -> list[str]:
    """Codes of the orders that suggestions would create or update."""
    return [
        action["resource"]["code"]["coding"][0]["code"]
        for card in explanation["response"]["cards"]
        for suggestion in card.get("suggestions", ())
        for action in suggestion["actions"]
        if "resource" in action
    ]
