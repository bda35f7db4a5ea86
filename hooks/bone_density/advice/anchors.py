"""Which paragraph of the page about this service a card leads to."""

from __future__ import annotations

from cds_service.protocol.advice import Link
from hooks.bone_density.advice.reasons import is_appropriate_dxa
from hooks.bone_density.decision import Decision
from hooks.bone_density.words import TIMED, Scenario, Study, Timing

_DECIDED_BY_SCENARIO = frozenset({Scenario.RED_FLAG, Scenario.PREGNANCY, Scenario.INSUFFICIENT})
_EARLY = frozenset({Timing.TOO_SOON, Timing.EARLY_WITHOUT_REASON})

REQUEST_DXA = Link("How to request and prepare a follow-up DXA", "#follow-up-dxa")
"""The link of cards that end in a DXA being done."""

_LABEL = "About this advice: rule, sources and limits"


def anchor(decision: Decision) -> str:
    """The paragraph about what decided: the scenario, the timing, or else the study."""
    scenario, timing = decision.situation.scenario, decision.situation.timing
    is_drug = decision.study is Study.OSTEOPOROSIS_DRUG
    if scenario in _DECIDED_BY_SCENARIO and not is_drug:
        return f"scenario-{scenario}"
    if decision.study in TIMED and timing in _EARLY:
        return f"timing-{timing}"
    return f"study-{decision.study}"


def about_link(decision: Decision, place: str) -> Link:
    """What the ordering clinician may want next: how to request the DXA, else why the card.

    `place` is the anchor of the decision.
    """
    asks_for_dxa = is_appropriate_dxa(decision) or decision.study is Study.OSTEOPOROSIS_DRUG
    if asks_for_dxa and place.startswith("study-"):
        return REQUEST_DXA
    return Link(_LABEL, f"#{place}")
