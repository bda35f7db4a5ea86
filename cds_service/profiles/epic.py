"""The Epic profile: one action per suggestion, `create` and `delete` only, any of them selectable.

Epic shows neither the label of a suggestion nor details of a created order: the words stand in the
description of the action, and what is ordered is told by its code alone, best one of
PREFERENCE_LIST from the client's orderables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cds_service.profiles.cards import cards_of
from cds_service.profiles.changes import added, afresh, resource_id
from cds_service.profiles.codes import coding_for
from cds_service.profiles.suggestions import MAX_LABEL, Drafts
from cds_service.protocol.advice import Advice, Coding, Proposal, ProposalKind
from cds_service.protocol.markdown import plain
from cds_service.protocol.orders import Order

PREFERENCE_LIST = "urn:com.epic.cdshooks.action.code.system.preference-list-item"
MAX_TOPIC = 100
_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]")
_ORDER, _REMOVE = ": order it", ": remove this order"
"""What tells the two halves of a replacement apart."""


def render(
    advices: tuple[Advice, ...],
    *,
    client_name: str,
    hook_instance: str,
    uuid_key: bytes,
    orderables: Mapping[str, Any],
    orders: tuple[Order, ...],
    ruleset: str,
    about_url: str | None = None,
) -> list[dict[str, Any]]:
    """One card for each advice that has an indicator, in the same order.

    A replacement becomes two suggestions: the better order first, then the removal of the draft.
    """
    drafts = Drafts(orders)
    return cards_of(
        tuple(_in_epic_words(advice) for advice in advices),
        lambda advice: _suggestions(advice, drafts, orderables),
        client_name=client_name,
        hook_instance=hook_instance,
        uuid_key=uuid_key,
        ruleset=ruleset,
        about_url=about_url,
        selection_behavior="any",
    )


def _in_epic_words(advice: Advice) -> Advice:
    """The advice with codes that Epic can keep: overrides are remembered by topic and reason."""
    return replace(
        advice,
        topic=_topic(advice.topic),
        override_reasons=tuple(
            reason for reason in advice.override_reasons if reason.system and reason.code
        ),
    )


def _topic(topic: Coding | None) -> Coding | None:
    code = _NOT_ALPHANUMERIC.sub("", topic.code)[:MAX_TOPIC] if topic else ""
    return replace(topic, code=code) if topic and code else None


def _suggestions(
    advice: Advice, drafts: Drafts, orderables: Mapping[str, Any]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    removed: set[str] = set()
    for proposal in advice.proposals:
        actions = [
            action
            for action in _actions(proposal, advice, drafts, orderables)
            if action.get("resourceId") not in removed  # two alternatives, one draft to remove
        ]
        removed.update(action["resourceId"] for action in actions if "resourceId" in action)
        is_first = not any(item["isRecommended"] for item in found)
        found += [
            {
                "label": action["description"],
                # Epic selects beforehand what is recommended. A removal never is: were the new
                # order refused, taking the card as it stands would leave the patient without one.
                "isRecommended": proposal.recommended and is_first and action["type"] == "create",
                "actions": [action],
            }
            for action in actions
        ]
    return found


def _actions(
    proposal: Proposal, advice: Advice, drafts: Drafts, orderables: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One or two actions, each for a suggestion of its own; none when not all can be made."""
    if proposal.kind is ProposalKind.ADD:
        coding = coding_for(proposal, drafts.judged(advice.order), orderables)
        new = added(proposal, coding) if coding else None
        return [_create(_words(proposal), new)] if new else []
    draft = drafts.changeable(proposal.resource)
    name = resource_id(draft) if draft else None
    if draft is None or name is None:
        return []
    if proposal.kind is ProposalKind.REMOVE:
        return [_delete(_words(proposal), name)]
    coding = coding_for(proposal, draft, orderables)
    new = afresh(draft, coding) if coding else None
    if new is None:
        return []
    return [_create(_words(proposal, _ORDER), new), _delete(_words(proposal, _REMOVE), name)]


def _create(words: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "create", "description": words, "resource": resource}


def _delete(words: str, name: str) -> dict[str, Any]:
    return {"type": "delete", "description": words, "resourceId": name}


def _words(proposal: Proposal, half: str = "") -> str:
    """The label, which Epic does not show, as what it does show."""
    label = plain(proposal.label, MAX_LABEL - len(half))
    return (label or plain(proposal.description, MAX_LABEL - len(half)) or proposal.study) + half
