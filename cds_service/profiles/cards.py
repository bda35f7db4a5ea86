"""Advice → cards: what stands on a card whichever client shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from cds_service.profiles.codes import own_coding
from cds_service.protocol import compact_json
from cds_service.protocol.advice import Advice
from cds_service.protocol.identifiers import derived_uuid, fingerprint
from cds_service.protocol.markdown import plain

EXTENSION = "org.bone-density-cds.decision"
MAX_SUMMARY = 139
_WHOLE = 10_000

Suggest = Callable[[Advice], list[dict[str, Any]]]
"""The suggestions of one advice in a client's dialect, without uuids."""


def cards_of(
    advices: tuple[Advice, ...],
    suggest: Suggest,
    *,
    client_name: str,
    hook_instance: str,
    uuid_key: bytes,
    ruleset: str,
    about_url: str | None = None,
    selection_behavior: str = "at-most-one",
) -> list[dict[str, Any]]:
    """One card for each advice that has an indicator, in the same order.

    Card and suggestion uuids are derived from client, hook instance, order, rule and content, so a
    repeated call repeats them. `about_url` is the public address of the page about the service.
    """
    cards: list[dict[str, Any]] = []
    seen: Counter[tuple[str, ...]] = Counter()
    for advice in advices:
        if advice.indicator is None:
            continue
        card = _card(advice, suggest(advice), selection_behavior, ruleset, about_url)
        parts = (client_name, hook_instance, advice.order, advice.rule, _digest(card))
        # Two drafts may have one name and get one text: their cards still are two.
        cards.append(_with_uuids(card, uuid_key, (*parts, str(seen[parts]))))
        seen[parts] += 1
    return cards


def _card(
    advice: Advice,
    suggestions: list[dict[str, Any]],
    selection_behavior: str,
    ruleset: str,
    about_url: str | None,
) -> dict[str, Any]:
    card: dict[str, Any] = {
        "summary": shortened(advice.summary) or "Advice on this order",
        "detail": advice.detail.strip(),
        "indicator": advice.indicator,
        "source": _source(advice, about_url),
        "suggestions": suggestions,
        "selectionBehavior": selection_behavior if suggestions else "",
        "overrideReasons": [
            own_coding(reason) for reason in advice.override_reasons if reason.display
        ],
        "links": [
            {"label": link.label, "url": url, "type": "absolute"}
            for link in advice.links
            if link.label and (url := _address(link.url, about_url))
        ],
        "extension": {EXTENSION: _decision(advice, ruleset)},
    }
    return {name: value for name, value in card.items() if value}


def shortened(summary: str) -> str:
    """A summary as one plain line of fewer than 140 characters, cut at a word."""
    line = plain(summary, _WHOLE)
    if len(line) <= MAX_SUMMARY:
        return line
    start = line[: MAX_SUMMARY - 1]
    words, space, _ = start.rpartition(" ")
    return (words if space else start).rstrip(" ,;:–-") + "…"


def _source(advice: Advice, about_url: str | None) -> dict[str, Any]:
    source: dict[str, Any] = {"label": plain(advice.source_label) or "Clinical decision support"}
    places = (f"#{advice.source_anchor}" if advice.source_anchor else "", advice.source_url or "")
    urls = [url for place in places if (url := _address(place, about_url))]
    if urls:
        source["url"] = urls[0]
    if advice.topic:
        source["topic"] = own_coding(advice.topic)
    return source


def _decision(advice: Advice, ruleset: str) -> dict[str, Any]:
    decision = {
        "order": advice.order,
        "study": advice.study,
        "scenario": advice.scenario,
        "modifiers": list(advice.modifiers),
        "rating": advice.rating,
        "ratingStatus": advice.rating_status,
        "timing": advice.timing,
        "ruleset": ruleset,
    }
    return {name: value for name, value in decision.items() if value}


def _with_uuids(card: dict[str, Any], key: bytes, parts: tuple[str, ...]) -> dict[str, Any]:
    named: dict[str, Any] = {"uuid": derived_uuid(key, "card", *parts), **card}
    if "suggestions" in card:
        named["suggestions"] = [
            {"uuid": derived_uuid(key, "suggestion", *parts, str(position)), **suggestion}
            for position, suggestion in enumerate(card["suggestions"])
        ]
    return named


def _digest(card: Mapping[str, Any]) -> str:
    return fingerprint(compact_json.dumps(card, sort_keys=True)).hex()


def _address(url: str, about_url: str | None) -> str | None:
    """An https address, or None; `#id` is a place on the page about the service."""
    full = f"{about_url or ''}{url}" if url.startswith("#") else url
    return full if full.startswith("https://") and len(full) > len("https://") else None
