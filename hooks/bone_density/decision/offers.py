"""Which other order is worth one click: the study, and how it changes the drafts."""

from __future__ import annotations

from cds_service.protocol.advice import ProposalKind
from cds_service.protocol.values import dataclass
from hooks.bone_density.decision.rating import Rated, rate
from hooks.bone_density.decision.situation import Situation
from hooks.bone_density.facts import Facts
from hooks.bone_density.words import (
    AXIAL_DXA,
    Modifier,
    RatingStatus,
    RatingWord,
    Scenario,
    Study,
    Timing,
)


@dataclass(frozen=True, slots=True)
class Offer:
    """One change of the orders: the study, or the name of an extra orderable, and its kind."""

    kind: ProposalKind
    target: Study | str
    recommended: bool = False


def _replace(target: Study, *, recommended: bool = False) -> Offer:
    return Offer(ProposalKind.REPLACE, target, recommended)


def _add(target: Study | str) -> Offer:
    return Offer(ProposalKind.ADD, target)


def offers(
    study: Study, situation: Situation, rated: Rated, facts: Facts, drafted: frozenset[Study]
) -> tuple[Offer, ...]:
    """The offers for one judged order; `drafted` are the studies of the other drafts.

    No DXA is offered in pregnancy, with red flags, while conditions are unread, within the
    minimum interval, or when one is among the drafts already.
    """
    if situation.scenario is Scenario.RED_FLAG:
        return (_add("mri-lumbar-spine"),)
    if "conditions-not-read" in situation.gaps or study is Study.OSTEOPOROSIS_DRUG:
        return ()
    if situation.scenario is Scenario.INSUFFICIENT:
        return _while_undecided(study, situation, facts, drafted)
    if situation.scenario not in (Scenario.SURVEILLANCE, Scenario.YOUNGER):
        return ()
    return (
        *_dxa_offers(study, situation, rated, drafted),
        *_other_offers(study, situation, facts),
    )


def dxa_may_be_offered(situation: Situation, drafted: frozenset[Study]) -> bool:
    """Whether a DXA of spine and hip(s) is worth an offer now."""
    return situation.when.timing is not Timing.TOO_SOON and not drafted & (
        AXIAL_DXA | {Study.DXA_UNSPECIFIED}
    )


def _while_undecided(
    study: Study, situation: Situation, facts: Facts, drafted: frozenset[Study]
) -> tuple[Offer, ...]:
    """With the scenario open, DXA instead of a lesser study when it holds in every scenario."""
    dxa = rate(Study.DXA_SPINE_HIP, situation, facts.known)
    if study not in (Study.QUS, Study.VFA) or dxa.rating is not RatingWord.USUALLY:
        return ()
    if not dxa_may_be_offered(situation, drafted):
        return ()
    return (_replace(Study.DXA_SPINE_HIP),)


def _dxa_offers(
    study: Study, situation: Situation, rated: Rated, drafted: frozenset[Study]
) -> tuple[Offer, ...]:
    modifiers = situation.modifiers
    if study in AXIAL_DXA:
        return _beside_dxa(study, situation, drafted)
    if not dxa_may_be_offered(situation, drafted):
        return ()
    if {Modifier.SPINE_UNRELIABLE, Modifier.HIPS_UNRELIABLE} <= set(modifiers):
        already = study is Study.DXA_FOREARM or Study.DXA_FOREARM in drafted
        return () if already else (_add(Study.DXA_FOREARM),)
    not_appropriate = rated.rating is RatingWord.USUALLY_NOT
    if study is Study.VFA:
        if rated.status is RatingStatus.CONDITIONAL:
            met = Modifier.VFA_CRITERIA_MET in modifiers
            return (_replace(Study.DXA_SPINE_HIP_VFA, recommended=met),)
        return (_replace(Study.DXA_SPINE_HIP, recommended=not_appropriate),)
    if study is Study.QUS:
        return (_replace(Study.DXA_SPINE_HIP, recommended=not_appropriate),)
    if study in (Study.TBS, Study.DXA_FOREARM):
        return (_add(Study.DXA_SPINE_HIP),)
    if study in (Study.CT_FEA, Study.OTHER_DENSITOMETRY):
        return ()
    return (_replace(Study.DXA_SPINE_HIP),)


def _beside_dxa(study: Study, situation: Situation, drafted: frozenset[Study]) -> tuple[Offer, ...]:
    """What a DXA of spine and hip(s) may be complemented with."""
    if situation.when.timing is Timing.TOO_SOON:
        return ()
    found = []
    wants_vfa = {Modifier.VFA_CRITERIA_MET, Modifier.SUSPECTED_VERTEBRAL_FRACTURE} & set(
        situation.modifiers
    )
    if (
        wants_vfa
        and study is Study.DXA_SPINE_HIP
        and not drafted
        & {
            Study.VFA,
            Study.DXA_SPINE_HIP_VFA,
        }
    ):
        found.append(_replace(Study.DXA_SPINE_HIP_VFA))
    unreliable = {Modifier.SPINE_UNRELIABLE, Modifier.HIPS_UNRELIABLE} & set(situation.modifiers)
    if unreliable and Study.DXA_FOREARM not in drafted:
        found.append(_add(Study.DXA_FOREARM))
    return tuple(found)


def _other_offers(study: Study, situation: Situation, facts: Facts) -> tuple[Offer, ...]:
    """Radiographs and laboratory tests; they become suggestions only where the client maps them."""
    found = []
    if Modifier.SUSPECTED_VERTEBRAL_FRACTURE in situation.modifiers:
        found.append(_add("radiograph-spine"))
    if facts.trend.falls:
        found.append(_add("labs"))
    return tuple(found)
