"""Advice of a service that knows nothing of bones, as profiles get it."""

from __future__ import annotations

from typing import Any

from cds_service.protocol.advice import Advice, Coding, Proposal, ProposalKind

CPT = "http://www.ama-assn.org/go/cpt"
BETTER = Coding(CPT, "77080", "Better study")


def proposal(kind: ProposalKind, resource: dict[str, Any], **more: Any) -> Proposal:
    """A proposal of the better study."""
    values: dict[str, Any] = {
        "kind": kind,
        "study": "better",
        "label": "Take the better one",
        "description": "Takes the better one",
        "resource": resource,
        "codes": (BETTER,),
    }
    return Proposal(**values | more)


def advice(*proposals: Proposal, **more: Any) -> Advice:
    """Advice against the first draft, with a warning."""
    values: dict[str, Any] = {
        "order": "ServiceRequest/draft-1",
        "study": "worse",
        "scenario": "surveillance",
        "timing": "on-time",
        "rating": "usually-not-appropriate",
        "rating_status": "rated",
        "indicator": "warning",
        "rule": "worse-study",
        "summary": "Take another one.",
        "detail": "**Why**: because.",
        "source_label": "Guideline",
        "source_url": "https://example.org/guideline",
        "proposals": proposals,
    }
    return Advice(**values | more)
