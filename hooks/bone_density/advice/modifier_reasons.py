"""Reasons that modifiers and contradictions in the data add to a surveillance card."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.protocol.advice import Reason
from cds_service.protocol.markdown import quote
from hooks.bone_density.advice.history import site, value, when
from hooks.bone_density.decision import Decision
from hooks.bone_density.facts import Facts
from hooks.bone_density.facts.conditions import Finding
from hooks.bone_density.words import SPINE_SITES, Group, Modifier, Scenario


def modifier_reasons(decision: Decision, facts: Facts) -> Iterator[Reason]:
    """One reason or more per modifier, then what contradicts itself in the chart."""
    if decision.situation.scenario not in (Scenario.SURVEILLANCE, Scenario.YOUNGER):
        return
    present = set(decision.situation.modifiers)
    signs = decision.situation.signs
    if Modifier.SPINE_UNRELIABLE in present:
        yield Reason(
            "spine-unreliable",
            f"Recorded conditions ({_codes(signs.spine)}) may make the lumbar spine value falsely "
            "high. Use total hip and femoral neck; DXA of the forearm may be appropriate as "
            "alternative site. An endocrine or bone specialist can be consulted.",
            "gighz-surveillance",
            _references(signs.spine),
        )
    if Modifier.HIPS_UNRELIABLE in present:
        yield Reason(
            "hips-unreliable",
            "Both hips are recorded as replaced: hip DXA is not usable, DXA of the forearm may be "
            "appropriate.",
            "gighz-surveillance",
            _references(signs.hip_prostheses),
        )
    elif signs.hip_prostheses:
        yield Reason(
            "one-hip-replaced",
            "A hip replacement is recorded: measure the other hip.",
            "iscd-2023-adult",
            _references(signs.hip_prostheses),
        )
    if Modifier.SUSPECTED_VERTEBRAL_FRACTURE in present:
        loss = (
            f" Recorded heights differ by {signs.height_loss_cm:.1f} cm."
            if signs.height_loss_cm is not None
            else ""
        )
        yield Reason(
            "suspected-vertebral-fracture",
            "Signs of a possible vertebral fracture are recorded (new back pain, height loss, or "
            "an unconfirmed fracture): VFA can be added to the DXA. Acute symptoms call for "
            f"clinical assessment and spine radiographs; VFA does not answer them.{loss}",
            "gighz-surveillance",
            (
                *_references(signs.fracture_signs),
                *(facts.height_loss.evidence if facts.height_loss and loss else ()),
            ),
        )
    if Modifier.THIGH_PAIN_ON_BISPHOSPHONATE in present:
        yield Reason(
            "thigh-pain-on-bisphosphonate",
            "Thigh, hip or groin pain is recorded during long bisphosphonate use (5 years or "
            "more): femur radiographs are to be considered; DXA does not answer this question.",
            "acr-2016",
            _references(signs.thigh_pain),
        )
    if Modifier.FOREARM_ONLY_BASELINE in present:
        yield Reason(
            "forearm-only-baseline",
            "Only forearm DXA is on record: there is no baseline of spine or hip to compare with.",
            "iscd-2023-adult",
            tuple(scan.reference for scan in facts.scans.forearm),
        )
    if Modifier.RAPID_LOSS_RISK in present:
        yield from _glucocorticoid(facts)
    yield from _contradictions(decision, facts)


def _glucocorticoid(facts: Facts) -> Iterator[Reason]:
    exposure = facts.glucocorticoid
    drugs = ", ".join(exposure.drugs) or "long-term systemic steroid (coded)"
    dose = (
        ">= 5 mg/day prednisone equivalent"
        if exposure.reaches_vfa_dose
        else "below 5 mg/day prednisone equivalent"
        if exposure.dose_is_recorded
        else "dose not recorded"
    )
    duration = ">= 3 months" if exposure.months is None else f"{exposure.months} months"
    yield Reason(
        "rapid-loss-risk",
        f"Systemic glucocorticoid: {drugs}, {duration} (>= 3 months), {dose}.",
        "acr-2016",
        exposure.evidence,
    )


def _contradictions(decision: Decision, facts: Facts) -> Iterator[Reason]:
    spine_is_reliable = not decision.situation.signs.spine
    newest = tuple(
        item for item in facts.newest_t_scores if spine_is_reliable or item.site not in SPINE_SITES
    )
    osteoporosis = tuple(
        finding for finding in facts.low_bmd.by_diagnosis if "osteoporosis" in finding.sets
    )
    low_limit = facts.known.number["low_bmd_t_score"]
    if osteoporosis and newest and all(item.value > low_limit for item in newest):
        yield Reason(
            "diagnosis-stands-beside-better-score",
            "Osteoporosis is recorded although the latest T-score is above -1.0; the diagnosis is "
            "not withdrawn by an improved T-score (AACE 2020).",
            "aace-2020",
            (*_references(osteoporosis), *(item.reference for item in newest)),
        )
    faded = tuple(finding for finding in facts.low_bmd.by_diagnosis if not finding.is_active)
    if faded and len(faded) == len(facts.low_bmd.by_diagnosis):
        yield Reason(
            "diagnosis-no-longer-active",
            "Low bone density is recorded as no longer active; the diagnosis once made is kept as "
            "the reason for follow-up.",
            "aace-2020",
            _references(faded),
        )
    range_limit = facts.known.number["osteoporosis_range_t_score"]
    low = [item for item in newest if item.is_certainly_below(range_limit, or_equal=True)]
    if (
        not osteoporosis
        and facts.low_bmd.by_diagnosis
        and low
        and facts.belonging.groups == {Group.OLDER}
    ):
        lowest = min(low, key=lambda item: (item.value, item.reference))
        yield Reason(
            "score-in-osteoporosis-range",
            f"Low bone mass is recorded; the {value(lowest)} at the {site(lowest)} on "
            f"{when(lowest)} is in the osteoporosis range (WHO).",
            "iscd-2023-adult",
            (*_references(facts.low_bmd.by_diagnosis), lowest.reference),
        )


def _codes(findings: tuple[Finding, ...]) -> str:
    return ", ".join(dict.fromkeys(quote(finding.code, 20) for finding in findings))


def _references(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(finding.reference for finding in findings))
