"""Reasons for the rating: the published words, the conditions, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.protocol.advice import Reason
from hooks.bone_density.advice.labels import RATINGS, STUDIES, VFA_REASONS
from hooks.bone_density.decision import Decision
from hooks.bone_density.decision.rating import rate
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

FOLLOW_UP, YOUNGER = "acr-2022-follow-up", "acr-2022-younger-follow-up"

_IS = {
    RatingWord.USUALLY: "is usually appropriate",
    RatingWord.MAY_BE: "may be appropriate",
    RatingWord.USUALLY_NOT: "is usually not appropriate",
}
_RATED_TEXTS = {
    Study.DXA_SPINE_HIP: "DXA of lumbar spine and hip(s) {is_rated} for follow-up of established "
    "low bone mineral density (dose below 0.1 mSv).",
    Study.DXA_SPINE_HIP_VFA: "DXA of lumbar spine and hip(s) {is_rated} for follow-up of "
    "established low bone mineral density; VFA is an optional addition.",
    Study.DXA_FOREARM: "DXA of the forearm {is_rated}, mainly as another site when spine or hips "
    "cannot be used.",
    Study.TBS: "TBS of the lumbar spine {is_rated}. It needs a spine DXA image and mainly refines "
    "the baseline fracture risk; its role in follow-up is still evolving.",
    Study.QCT: "QCT of spine or hip {is_rated}: volumetric, 1-10 mSv, and less precise than DXA.",
    Study.QUS: "Ultrasound of the heel (QUS) {is_rated} for follow-up: it has no radiation, but it "
    "lacks the precision to follow BMD and cannot give a WHO diagnosis.",
    Study.VFA: "VFA alone {is_rated} for BMD surveillance: it does not measure BMD. It can be "
    "added to DXA when a vertebral fracture is suspected.",
}
"""What is said of a study beside its rating; the rating itself comes from the table."""
_CODES = {
    (Study.DXA_SPINE_HIP, RatingWord.USUALLY): "dxa-usually-appropriate",
    (Study.DXA_SPINE_HIP_VFA, RatingWord.USUALLY): "dxa-usually-appropriate",
    (Study.DXA_FOREARM, RatingWord.MAY_BE): "forearm-may-be-appropriate",
    (Study.TBS, RatingWord.MAY_BE): "tbs-may-be-appropriate",
    (Study.QCT, RatingWord.MAY_BE): "qct-may-be-appropriate",
    (Study.QUS, RatingWord.USUALLY_NOT): "qus-not-precise-enough",
    (Study.VFA, RatingWord.USUALLY_NOT): "vfa-alone-does-not-measure-bmd",
}
_SITE_OPEN = frozenset(
    {Study.DXA_UNSPECIFIED, Study.DXA_PERIPHERAL, Study.BONE_DENSITY_UNSPECIFIED}
)


def rating_reasons(decision: Decision, facts: Facts) -> Iterator[Reason]:
    """The rating or why there is none, the usual study, and what VFA adds."""
    evidence = facts.low_bmd.evidence
    yield from _rating(decision, evidence)
    yield from _usual_study(decision, facts, evidence)
    yield from _vfa_criteria(decision, facts)


def _rating(decision: Decision, evidence: tuple[str, ...]) -> Iterator[Reason]:
    rated, study = decision.rated, decision.study
    source = rated.source or "project-choice"
    if rated.status is RatingStatus.RATED and rated.rating is not None:
        younger = decision.situation.scenario is Scenario.YOUNGER
        code, text = _rated_words(study, rated.rating, younger)
        yield Reason(code, text, source, evidence)
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


def _rated_words(study: Study, rating: RatingWord, younger: bool) -> tuple[str, str]:
    """Code and text of a published rating; of younger adults little more is published than it."""
    label = STUDIES[study]
    head = f"{label[0].upper()}{label[1:]}"
    if younger and study not in AXIAL_DXA:
        return f"{study}-{rating}", f"{head}: {RATINGS[rating]} in this scenario."
    known = Study.DXA_SPINE_HIP if younger else study
    text = _RATED_TEXTS.get(known, f"{head} {{is_rated}} for follow-up.")
    if younger and study is Study.DXA_SPINE_HIP_VFA:
        text += " For the added VFA there is no published rating in this scenario."
    code = _CODES.get((study, rating)) or f"{study}-{rating}"
    return code, text.format(is_rated=_IS[rating])


def _usual_study(decision: Decision, facts: Facts, evidence: tuple[str, ...]) -> Iterator[Reason]:
    study = decision.study
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
