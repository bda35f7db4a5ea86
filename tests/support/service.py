"""The real service asked in process: a hook request in, its explanation and cards out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

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
    texts = []
    for card in explanation["response"]["cards"]:
        texts += [card["summary"], card.get("detail", ""), card["source"]["label"]]
        for suggestion in card.get("suggestions", ()):
            texts.append(suggestion["label"])
            texts += [action["description"] for action in suggestion["actions"]]
    return "\n".join(texts)


def offered_codes(explanation: Mapping[str, Any]) -> list[str]:
    """Codes of the orders that suggestions would create or update."""
    return [
        action["resource"]["code"]["coding"][0]["code"]
        for card in explanation["response"]["cards"]
        for suggestion in card.get("suggestions", ())
        for action in suggestion["actions"]
        if "resource" in action
    ]


FORBIDDEN = (
    r"treatment (has )?(failed|is working|works)",
    r"(stop|start|change|switch) (the )?(alendronate|risedronate|prednisone|drug|medication)",
    r"(there is )?no fracture\b|fracture (is )?present",
    r"safe to (wait|delay)",
    r"osteoporosis (has )?resolved|normal bone",
    r"(QUS|heel)[^.]* can (monitor|follow)",
    r"ACR says",
    r"\b(covered|denied|reimburs)",
    r"qualified CDSM|AUC consultation|G-code",
    r"chart (data )?(is|are) complete\b",
    r"too soon|inappropriate\b",
    r"chest (X-ray|film|radiograph)",
    r"\b(alarm|emergency)\b",
    r"approved|certified|endorsed",
)
"""What no card ever says (criteria 7.7), as regular expressions."""


def forbidden_claims(text: str) -> list[str]:
    """The forbidden claims found in a text."""
    return [claim for claim in FORBIDDEN if re.search(claim, text, re.IGNORECASE)]
