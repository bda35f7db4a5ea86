"""Reasons for the rating: the published words, the conditions, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.protocol.advice import Reason
from hooks.bone_density.advice.labels import RATINGS, STUDIES, VFA_REASONS
from hooks.bone_density.decision import Decision
from hooks.bone_density.decision.rating import rate
from hooks.bone_density.facts import Facts
from hooks.bone_density.words import (
    Modifier,
    RatingStatus,
    RatingWord,
    Scenario,
    Study,
    Timing,
)

FOLLOW_UP, YOUNGER = "acr-2022-follow-up", "acr-2022-younger-follow-up"

_RATED_TEXTS = {
    Study.DXA_SPINE_HIP: "DXA of lumbar spine and hip(s) is usually appropriate for follow-up of "
    "established low bone mineral density (dose below 0.1 mSv).",
    Study.DXA_SPINE_HIP_VFA: "DXA of lumbar spine and hip(s) is usually appropriate for follow-up "
    "of established low bone mineral density; VFA is an optional addition.",
    Study.DXA_FOREARM: "DXA of the forearm may be appropriate, mainly as another site when spine "
    "or hips cannot be used.",
    Study.TBS: "TBS of the lumbar spine may be appropriate. It needs a spine DXA image and mainly "
    "refines the baseline fracture risk; its role in follow-up is still evolving.",
    Study.QCT: "QCT of spine or hip may be appropriate: volumetric, 1-10 mSv, and less precise "
    "than DXA.",
    Study.QUS: "Ultrasound of the heel (QUS) is usually not appropriate for follow-up: it has no "
    "radiation, but it lacks the precision to follow BMD and cannot give a WHO diagnosis.",
    Study.VFA: "VFA alone is usually not appropriate for BMD surveillance: it does not measure "
    "BMD. It can be added to DXA when a vertebral fracture is suspected.",
}
_RATED_CODES = {
    Study.DXA_SPINE_HIP: "dxa-usually-appropriate",
    Study.DXA_SPINE_HIP_VFA: "dxa-usually-appropriate",
    Study.DXA_FOREARM: "forearm-may-be-appropriate",
    Study.TBS: "tbs-may-be-appropriate",
    Study.QCT: "qct-may-be-appropriate",
    Study.QUS: "qus-not-precise-enough",
    Study.VFA: "vfa-alone-does-not-measure-bmd",
}
_SITE_OPEN = frozenset(
    {Study.DXA_UNSPECIFIED, Study.DXA_PERIPHERAL, Study.BONE_DENSITY_UNSPECIFIED}
)


def rating_reasons(decision: Decision, facts: Facts) -> Iterator[Reason]:
    """The rating or why there is none, the usual study, and what VFA adds."""
    yield from _rating(decision, facts)
    yield from _usual_study(decision, facts)
    yield from _vfa_criteria(decision, facts)


def _rating(decision: Decision, facts: Facts) -> Iterator[Reason]:
    rated, study = decision.rated, decision.study
    source = rated.source or "project-choice"
    evidence = facts.low_bmd.evidence
    if rated.status is RatingStatus.RATED:
        younger = decision.situation.scenario is Scenario.YOUNGER
        if younger and study is Study.DXA_SPINE_HIP_VFA:
            text = (
                f"{_RATED_TEXTS[Study.DXA_SPINE_HIP]} For the added VFA there is no published "
                "rating in this scenario."
            )
            yield Reason(_RATED_CODES[study], text, source, evidence)
        elif younger and study is not Study.DXA_SPINE_HIP:
            word = RATINGS[rated.rating or ""]
            label = STUDIES[study]
            text = f"{label[0].upper()}{label[1:]}: {word} in this scenario."
            yield Reason(f"{study.value}-{rated.rating}", text, source, evidence)
        else:
            yield Reason(_RATED_CODES[study], _RATED_TEXTS[study], source, evidence)
    elif rated.status is RatingStatus.CONDITIONAL:
        parts = "; ".join(
            f"{RATINGS.get(item.rating or '', 'no published rating')} if {item.when}"
            for item in rated.conditional
        )
        code = "site-not-stated" if study in _SITE_OPEN else "conditional-rating"
        yield Reason(code, f"Rating given only conditionally: {parts}.", source, evidence)
    elif rated.status is RatingStatus.NO_PUBLISHED:
        yield Reason(
            "no-published-rating",
            f"For {STUDIES[study]} there is no published rating in this situation; none is given.",
            source if rated.source else FOLLOW_UP,
            evidence,
        )


def _usual_study(decision: Decision, facts: Facts) -> Iterator[Reason]:
    study, evidence = decision.study, facts.low_bmd.evidence
    if study in (Study.QUS, Study.VFA, Study.DXA_HEEL) and _dxa_is_usual(decision, facts):
        yield Reason(
            "dxa-usually-appropriate",
            "DXA of lumbar spine and hip(s) is usually appropriate for follow-up.",
            YOUNGER if decision.situation.scenario is Scenario.YOUNGER else FOLLOW_UP,
            evidence,
        )
    if study in _SITE_OPEN:
        yield Reason(
            "ask-for-spine-and-hips",
            "The order does not state what is measured: for follow-up, ask for lumbar spine and "
            "hip(s) by DXA.",
            FOLLOW_UP,
        )


def _vfa_criteria(decision: Decision, facts: Facts) -> Iterator[Reason]:
    if Modifier.VFA_CRITERIA_MET in decision.situation.modifiers:
        criteria = "; ".join(VFA_REASONS[code] for code in decision.situation.signs.vfa_reasons)
        yield Reason(
            "vfa-criteria-met",
            f"VFA is usually appropriate together with DXA in this group: {criteria}. VFA does not "
            "measure BMD.",
            "acr-2022-vfa",
            tuple(item.reference for item in facts.newest_t_scores),
        )
        if decision.study is Study.VFA and decision.situation.timing is Timing.ON_TIME:
            yield Reason("dxa-also-due", "DXA is also due.", "gighz-surveillance")


def _dxa_is_usual(decision: Decision, facts: Facts) -> bool:
    """Whether DXA of spine and hip(s) is usually appropriate in every scenario still possible."""
    return rate(Study.DXA_SPINE_HIP, decision.situation, facts.known).rating is RatingWord.USUALLY
