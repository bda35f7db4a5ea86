"""Offers → proposals: the resource to start from, the codes, and the words on the button."""

from __future__ import annotations

from typing import Any

from cds_service.fhir.codings import CPT, SNOMED
from cds_service.protocol.advice import Coding, Proposal, ProposalKind
from cds_service.protocol.orders import Order
from hooks.bone_density.decision.offers import Offer
from hooks.bone_density.words import RatingWord, Study

CODES: dict[str, tuple[Coding, ...]] = {
    Study.DXA_SPINE_HIP: (Coding(CPT, "77080", "DXA of lumbar spine and hip(s)"),),
    Study.DXA_SPINE_HIP_VFA: (
        Coding(CPT, "77085", "DXA of lumbar spine and hip(s) with vertebral fracture assessment"),
    ),
    Study.DXA_FOREARM: (Coding(CPT, "77081", "DXA of the forearm (distal radius)"),),
}
"""Codes for what is offered; extra orderables have none of ours, only the client's."""

_RADIUS = {
    "coding": [{"system": SNOMED, "code": "62413002", "display": "Bone structure of radius"}]
}

LABELS = {
    Study.DXA_SPINE_HIP: "DXA of lumbar spine and hip(s)",
    Study.DXA_SPINE_HIP_VFA: "DXA of lumbar spine and hip(s) with VFA",
    Study.DXA_FOREARM: "DXA of the forearm (distal radius)",
    "mri-lumbar-spine": "MRI of the lumbar spine without contrast",
    "radiograph-spine": "radiographs of the spine",
    "labs": "calcium, PTH, 25-hydroxyvitamin D and TSH",
}


def proposal(offer: Offer, order: Order, rating: RatingWord | None) -> Proposal:
    """The proposal for one offer, with the rating of what it orders.

    Whether the client has a code for it is for the profile.
    """
    label = LABELS[offer.target]
    if offer.kind is ProposalKind.REPLACE:
        text = f"Replace with {label}"
        description = f"Replace this order with {label}"
        resource: Any = order.resource
    else:
        text = f"Add {label}"
        description = f"Add an order: {label}"
        resource = _new_order(order, offer.target)
    return Proposal(
        kind=offer.kind,
        study=str(offer.target),
        label=text,
        description=description,
        resource=resource,
        codes=CODES.get(offer.target, ()),
        recommended=offer.recommended,
        rating=str(rating) if rating else None,
    )


def _new_order(order: Order, target: str) -> dict[str, Any]:
    """A draft beside the judged one: same patient, encounter, requester, intent and priority."""
    draft = order.resource
    new: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": draft.get("intent") or "order",
        "subject": draft.get("subject"),
    }
    for name in ("encounter", "requester", "priority"):
        if name in draft:
            new[name] = draft[name]
    if target == Study.DXA_FOREARM:
        new["bodySite"] = [_RADIUS]
    return new
