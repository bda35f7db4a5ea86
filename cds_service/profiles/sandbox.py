"""The profile for the public CDS Hooks sandbox: `update` with a test rating, which it shows.

Its imaging view applies a suggestion only when the updated order carries a rating, a first coding
and a list of coded reasons; anything else fails there after the feedback was sent. The rating of
the judged order is read from `extension.systemActions` of the response and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cds_service.profiles.cards import cards_of
from cds_service.profiles.changes import replaced, unchanged
from cds_service.profiles.codes import coding_for
from cds_service.profiles.json_clean import without_empties
from cds_service.profiles.suggestions import MAX_LABEL, Drafts
from cds_service.protocol.advice import Advice, Proposal, ProposalKind
from cds_service.protocol.chart import Resource
from cds_service.protocol.markdown import plain
from cds_service.protocol.orders import Order

RATING_URL = "http://fhir.org/argonaut/Extension/pama-rating"
RATING_SYSTEM = "http://fhir.org/argonaut/CodeSystem/pama-rating"
RATINGS = {
    "usually-appropriate": "appropriate",
    "usually-not-appropriate": "not-appropriate",
}
"""Code of the Argonaut system for a published rating; *may be appropriate* has none."""

TEST_RATING = "test rating, not PAMA"
_NOTICE = f"Any rating this client shows is a {TEST_RATING}."


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
    """One card for each advice that has an indicator, each saying that ratings are for testing.

    The client keeps showing a rating after an answer without one, so every card says it.
    """
    drafts = Drafts(orders)
    return cards_of(
        tuple(
            replace(advice, detail=f"{advice.detail.strip()}\n\n{_NOTICE}") for advice in advices
        ),
        lambda advice: _suggestions(advice, drafts, orderables),
        client_name=client_name,
        hook_instance=hook_instance,
        uuid_key=uuid_key,
        ruleset=ruleset,
        about_url=about_url,
    )


def extension(advices: tuple[Advice, ...], orders: tuple[Order, ...]) -> dict[str, Any]:
    """The extension of the response: for each rated order the update that shows its rating.

    Nothing of the order changes but its rating. Orders without a card, without a rating that has a
    code, or that cannot be told apart are not in the list; without any, the extension is empty.
    """
    drafts = Drafts(orders)
    actions: dict[str, dict[str, Any]] = {}
    for advice in advices:
        action = _system_action(advice, drafts)
        if action is not None:
            actions.setdefault(advice.order, action)
    return {"systemActions": list(actions.values())} if actions else {}


def _system_action(advice: Advice, drafts: Drafts) -> dict[str, Any] | None:
    if advice.indicator is None:  # silent, maybe because the rule is switched off: nothing shows
        return None
    code = RATINGS.get(advice.rating or "")
    draft = drafts.changeable(drafts.judged(advice.order))
    shown = unchanged(draft) if code and draft else None
    if code is None or draft is None or shown is None:
        return None
    return _update(f"Show that the order is rated {code}", _rated(shown, draft, code))


def _suggestions(
    advice: Advice, drafts: Drafts, orderables: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Replacements only: the client applies neither `create` nor `delete`."""
    found: list[dict[str, Any]] = []
    for proposal in advice.proposals:
        resource = _replacement(proposal, drafts, orderables)
        if resource is None:
            continue
        label = plain(proposal.label, MAX_LABEL) or proposal.study
        is_first = not any(item["isRecommended"] for item in found)
        found.append(
            {
                "label": label,
                "isRecommended": proposal.recommended and is_first,
                "actions": [_update(plain(proposal.description, MAX_LABEL) or label, resource)],
            }
        )
    return found


def _replacement(
    proposal: Proposal, drafts: Drafts, orderables: Mapping[str, Any]
) -> dict[str, Any] | None:
    code = RATINGS.get(proposal.rating or "")
    draft = drafts.changeable(proposal.resource)
    if proposal.kind is not ProposalKind.REPLACE or code is None or draft is None:
        return None
    coding = coding_for(proposal, draft, orderables)
    changed = replaced(draft, coding) if coding else None
    if changed is None or not _are_coded(_reasons(draft)):
        return None
    return _rated(changed, draft, code)


def _rated(resource: Mapping[str, Any], draft: Resource, code: str) -> dict[str, Any]:
    """A resource with the test rating in place of an earlier one, and its reasons as sent."""
    rating = {
        "url": RATING_URL,
        "valueCodeableConcept": {"coding": [{"system": RATING_SYSTEM, "code": code}]},
    }
    # An earlier rating has up to four extensions, whose addresses all start alike.
    others = [
        item
        for item in resource.get("extension", ())
        if not str(item.get("url")).startswith(RATING_URL)
    ]
    return {**resource, "extension": [*others, rating], "reasonCode": _reasons(draft)}


def _reasons(draft: Resource) -> list[Any]:
    """The reasons as the client sent them; it needs the list even when it is empty."""
    reasons = draft.get("reasonCode")
    cleaned = [without_empties(item) for item in reasons] if isinstance(reasons, list) else []
    return [item for item in cleaned if item is not None]


def _are_coded(reasons: list[Any]) -> bool:
    """Whether the client can read every reason: it takes the first coding of each."""
    return all(isinstance(item, Mapping) and item.get("coding") for item in reasons)


def _update(words: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "update", "description": f"{words} ({TEST_RATING})", "resource": resource}
