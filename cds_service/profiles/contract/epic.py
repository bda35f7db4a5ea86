"""What Epic asks of an answer beyond CDS Hooks; Source: its CDS Hooks tutorial, second-hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cds_service.profiles.contract.places import actions, cards, inner, members, suggestions
from cds_service.profiles.epic import MAX_TOPIC

_TOPIC = re.compile(rf"[A-Za-z0-9]{{1,{MAX_TOPIC}}}")
_TYPES = ("create", "delete")
_DETAIL_TYPE = "com.epic.cdshooks.card.detail.content-type"


def has_one_action(response: Mapping[str, Any]) -> Iterator[str]:
    """One action per suggestion."""
    for path, suggestion in suggestions(response):
        listed = suggestion.get("actions")
        if not isinstance(listed, list) or len(listed) != 1:
            yield f"{path}.actions: must hold exactly one action"


def creates_or_deletes(response: Mapping[str, Any]) -> Iterator[str]:
    """Unsigned orders are created and deleted, never updated; the words are in the description."""
    for path, action in actions(response):
        kind = action.get("type")
        if kind not in _TYPES:
            yield f"{path}.type: must be create or delete"
        if not str(action.get("description") or "").strip():
            yield f"{path}.description: is all that is shown, so it must say something"
        if kind == "delete" and not isinstance(action.get("resourceId"), str):
            yield f"{path}.resourceId: must name the draft"
        if kind == "create" and not _first_code(inner(action, "resource")):
            yield f"{path}.resource.code.coding[0]: must say what is ordered"


def lets_any_be_selected(response: Mapping[str, Any]) -> Iterator[str]:
    """The only selection behaviour that is supported."""
    for path, card in cards(response):
        if card.get("suggestions") and card.get("selectionBehavior") != "any":
            yield f"{path}.selectionBehavior: must be any"


def has_uuids(response: Mapping[str, Any]) -> Iterator[str]:
    """No uuid, no feedback."""
    for path, item in (*cards(response), *suggestions(response)):
        if not item.get("uuid"):
            yield f"{path}.uuid: without it no feedback is sent"


def has_plain_topics(response: Mapping[str, Any]) -> Iterator[str]:
    """A user's override is remembered by the topic."""
    for path, card in cards(response):
        source = inner(card, "source")
        code = inner(source, "topic").get("code")
        if "topic" in source and not (isinstance(code, str) and _TOPIC.fullmatch(code)):
            yield f"{path}.source.topic.code: must be 1 to {MAX_TOPIC} ASCII letters and digits"


def has_complete_override_reasons(response: Mapping[str, Any]) -> Iterator[str]:
    """Analysts map each code once to a reason of their own."""
    for path, card in cards(response):
        codes: set[object] = set()
        for place, reason in members(path, card, "overrideReasons"):
            for name in ("code", "system", "display"):
                if not reason.get(name):
                    yield f"{place}.{name}: missing"
            if reason.get("code") in codes:
                yield f"{place}.code: is there twice"
            codes.add(reason.get("code"))


def sends_markdown(response: Mapping[str, Any]) -> Iterator[str]:
    """Details are GitHub Flavored Markdown, which needs no declaration."""
    for path, card in cards(response):
        if _DETAIL_TYPE in inner(card, "extension"):
            yield f'{path}.extension["{_DETAIL_TYPE}"]: details are Markdown'


def links_are_absolute(response: Mapping[str, Any]) -> Iterator[str]:
    """SMART apps would have to be registered first."""
    for path, card in cards(response):
        for place, link in members(path, card, "links"):
            if link.get("type") != "absolute":
                yield f"{place}.type: must be absolute"


def has_no_system_actions(response: Mapping[str, Any]) -> Iterator[str]:
    """Annotating orders has to be agreed with the site; this service does not."""
    for path, place in (("$", response), ("$.extension", inner(response, "extension"))):
        if "systemActions" in place:
            yield f"{path}.systemActions: must not be sent"


def _first_code(resource: Mapping[str, Any]) -> object:
    codings = [coding for _, coding in members("", inner(resource, "code"), "coding")]
    return codings[0].get("code") if codings else None


RULES = (
    has_one_action,
    creates_or_deletes,
    lets_any_be_selected,
    has_uuids,
    has_plain_topics,
    has_complete_override_reasons,
    sends_markdown,
    links_are_absolute,
    has_no_system_actions,
)
