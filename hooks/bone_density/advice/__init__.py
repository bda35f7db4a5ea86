"""Decision → Advice: the only place with words for clinicians."""

from __future__ import annotations

from cds_service.protocol.advice import Advice, Coding, Link
from cds_service.protocol.orders import Order
from hooks.bone_density.advice.anchors import about_link, anchor
from hooks.bone_density.advice.detail import detail
from hooks.bone_density.advice.proposals import proposal
from hooks.bone_density.advice.reasons import reasons_for
from hooks.bone_density.advice.summary import summary
from hooks.bone_density.decision import Decision
from hooks.bone_density.decision.offers import Offer
from hooks.bone_density.decision.rating import rate
from hooks.bone_density.decision.situation import Situation
from hooks.bone_density.facts import Facts
from hooks.bone_density.knowledge import RULESET
from hooks.bone_density.words import RatingWord, Scenario, Study

CODE_SYSTEM = "https://bone-density-cds.org/fhir/CodeSystem"
TOPIC = Coding(f"{CODE_SYSTEM}/topic", "BoneDensityFollowUp", "Follow-up bone density imaging")
OVERRIDE_REASONS = tuple(
    Coding(f"{CODE_SYSTEM}/override-reason", code, display)
    for code, display in (
        ("proceed-as-ordered", "I plan to proceed with this order"),
        ("guideline-not-applicable", "Guideline does not apply to this patient"),
        ("disagree-with-guideline", "I do not agree with the guideline"),
        ("specialist-recommendation", "Recommended by radiology or a specialist"),
        ("better-study-not-available", "The suggested study is not available here"),
        ("data-incomplete-or-wrong", "The data shown are incomplete or wrong"),
        ("patient-preference", "Patient preference"),
    )
)
"""Stable codes: overrides are analysed by them, and clients map them."""

LINKS = {
    "acr": Link(
        "ACR Appropriateness Criteria: Osteoporosis and Bone Mineral Density",
        "https://acsearch.acr.org/docs/69358/Narrative/",
    ),
    "iscd": Link("ISCD Official Positions, Adult", "https://iscd.org/official-positions-2023"),
}
"""Every address a card may carry beside that of this service's own page; clients register them."""

_PROJECT_LABELS = {
    Scenario.RED_FLAG: "Safety rule of this service",
    Scenario.PREGNANCY: "Safety rule of this service",
    Scenario.INSUFFICIENT: "Data check of this service",
}


def advise(
    order: Order, decision: Decision, facts: Facts, *, codes_disagree: bool = False
) -> Advice:
    """The advice for one judged order; `codes_disagree` says that its codes name two studies."""
    situation, rated = decision.situation, decision.rated
    reasons = reasons_for(decision, facts, codes_disagree=codes_disagree)
    has_card = decision.indicator is not None
    place = anchor(decision) if has_card else None
    rests_on_acr = situation.scenario not in (Scenario.RED_FLAG, Scenario.PREGNANCY)
    return Advice(
        order=order.reference,
        study=str(decision.study),
        scenario=str(situation.scenario),
        timing=str(situation.timing),
        rating=str(rated.rating) if rated.rating else None,
        rating_status=str(rated.status),
        rating_source=rated.source,
        conditional=rated.conditional,
        modifiers=tuple(map(str, situation.modifiers)),
        indicator=decision.indicator,
        silence=decision.silence,
        rule=situation.rule,
        reasons=reasons,
        summary=summary(decision, facts) if has_card else "",
        detail=detail(order, decision, facts, reasons) if has_card else "",
        topic=TOPIC,
        source_label=_source_label(decision),
        source_url=LINKS["acr"].url if rests_on_acr else None,
        source_anchor=place,
        links=(
            *((LINKS["acr"],) if has_card and rests_on_acr else ()),
            *((about_link(decision, place),) if place else ()),
        ),
        override_reasons=OVERRIDE_REASONS if has_card else (),
        proposals=tuple(
            proposal(offer, order, _rating(offer, situation, facts)) for offer in decision.offers
        ),
    )


def _rating(offer: Offer, situation: Situation, facts: Facts) -> RatingWord | None:
    """The published rating of what an offer orders; extra orderables have none."""
    if not isinstance(offer.target, Study):
        return None
    return rate(offer.target, situation, facts.known).rating


def _source_label(decision: Decision) -> str:
    label = _PROJECT_LABELS.get(
        decision.situation.scenario,
        "ACR Appropriateness Criteria 2022, as summarised in gighz.com (2026)",
    )
    return f"{label}; rules {RULESET}"
