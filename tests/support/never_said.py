"""What no card ever says, and the words of a card in which to search for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

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
"""What no card ever says, as regular expressions."""


def forbidden_claims(text: str) -> list[str]:
    """The forbidden claims found in a text."""
    return [claim for claim in FORBIDDEN if re.search(claim, text, re.IGNORECASE)]


def words_of(card: Mapping[str, Any]) -> str:
    """All words that people see on one card."""
    texts = [card["summary"], card.get("detail", ""), card["source"]["label"]]
    for suggestion in card.get("suggestions", ()):
        texts.append(suggestion["label"])
        texts += [action["description"] for action in suggestion["actions"]]
    return "\n".join(texts)


def is_bone_card(card: Mapping[str, Any]) -> bool:
    """Whether a card is the bone service's own, not one of a service made for a test."""
    return str(card["source"].get("topic", {}).get("code", "")).startswith("BoneDensity")
