"""Proposals → suggestions with one action each, as CDS Hooks 2.0 knows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.profiles.changes import added, replaced, resource_id
from cds_service.profiles.codes import coding_for
from cds_service.protocol.advice import Advice, Proposal, ProposalKind
from cds_service.protocol.chart import Resource
from cds_service.protocol.markdown import plain
from cds_service.protocol.orders import Order

MAX_LABEL = 200


class Drafts:
    """The drafts of one request by name, indexed once for all cards."""

    def __init__(self, orders: tuple[Order, ...]) -> None:
        self._judged: dict[str, Resource] = {}
        self._named: dict[str, list[Order]] = {}
        for order in orders:
            self._judged.setdefault(order.reference, order.resource)
            if name := resource_id(order.resource):
                self._named.setdefault(name, []).append(order)

    def judged(self, reference: str) -> Resource:
        """The first draft of one name as explanations know it."""
        return self._judged.get(reference, {})

    def changeable(self, resource: Resource) -> Resource | None:
        """The draft that a proposal changes, as the client sent it.

        Only one that is still a proposal of this patient, and the only one of its name: a client
        could not tell two of the same name apart.
        """
        named = self._named.get(resource_id(resource) or "", [])
        return named[0].resource if len(named) == 1 and named[0].excluded is None else None


def suggestions_of(
    advice: Advice, drafts: Drafts, orderables: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The suggestions that can be made, without uuids; at most one of them is recommended.

    A proposal is left out when the client has no code for it, when it would touch anything but a
    draft of this very request, or when its resource would not be valid FHIR.
    """
    found: list[dict[str, Any]] = []
    for proposal in advice.proposals:
        action = _action(proposal, advice, drafts, orderables)
        if action is not None:
            is_first = not any(item["isRecommended"] for item in found)
            found.append(
                {
                    "label": plain(proposal.label, MAX_LABEL) or proposal.study,
                    "isRecommended": proposal.recommended and is_first,
                    "actions": [action],
                }
            )
    return found


def _action(
    proposal: Proposal,
    advice: Advice,
    drafts: Drafts,
    orderables: Mapping[str, Any],
) -> dict[str, Any] | None:
    described = plain(proposal.description, MAX_LABEL) or plain(proposal.label) or proposal.study
    if proposal.kind is ProposalKind.ADD:
        coding = coding_for(proposal, drafts.judged(advice.order), orderables)
        new = added(proposal, coding) if coding else None
        return {"type": "create", "description": described, "resource": new} if new else None
    draft = drafts.changeable(proposal.resource)
    if draft is None:
        return None
    if proposal.kind is ProposalKind.REMOVE:
        return {"type": "delete", "description": described, "resourceId": resource_id(draft)}
    coding = coding_for(proposal, draft, orderables)
    changed = replaced(draft, coding) if coding else None
    return {"type": "update", "description": described, "resource": changed} if changed else None
