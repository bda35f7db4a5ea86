"""Modifiers of a surveillance situation: one small function each, in the order they are listed."""

from __future__ import annotations

from cds_service.fhir.dates import completed_years
from cds_service.protocol.values import dataclass
from hooks.bone_density.decision.timing import When
from hooks.bone_density.drugs import Purpose
from hooks.bone_density.facts import Facts
from hooks.bone_density.facts.conditions import Certainty, Finding
from hooks.bone_density.words import Group, Modifier, Sex


@dataclass(frozen=True, slots=True)
class Signs:
    """Everything found that modifies a card, each with its evidence; empty means not found.

    `vfa_criteria` is None when it cannot be told whether a criterion is met.
    """

    modifiers: tuple[Modifier, ...]
    spine: tuple[Finding, ...]
    hip_prostheses: tuple[Finding, ...]
    fracture_signs: tuple[Finding, ...]
    height_loss_cm: object
    thigh_pain: tuple[Finding, ...]
    vfa_criteria: bool | None
    vfa_reasons: tuple[str, ...]


def read_signs(facts: Facts, when: When, group: Group | None) -> Signs:
    """All modifiers of one patient; the VFA criteria belong to the older group only."""
    spine = unreliable_spine(facts)
    hips = facts.findings.lasting("hip-prosthesis")
    signs = _fracture_signs(facts)
    loss = _height_loss(facts)
    thigh = facts.findings.active("thigh-pain")
    if thigh and not _long_bisphosphonate(facts):
        thigh = ()
    criteria, reasons = _vfa_criteria(facts) if group is Group.OLDER else (False, ())
    present = {
        Modifier.SPINE_UNRELIABLE: bool(spine),
        Modifier.HIPS_UNRELIABLE: _both_hips(hips),
        Modifier.SUSPECTED_VERTEBRAL_FRACTURE: bool(signs) or loss is not None,
        Modifier.VFA_CRITERIA_MET: criteria is True,
        Modifier.THIGH_PAIN_ON_BISPHOSPHONATE: bool(thigh),
        Modifier.FOREARM_ONLY_BASELINE: when.forearm_only,
        Modifier.RAPID_LOSS_RISK: facts.glucocorticoid.is_long,
    }
    return Signs(
        modifiers=tuple(modifier for modifier, found in present.items() if found),
        spine=spine,
        hip_prostheses=hips,
        fracture_signs=signs,
        height_loss_cm=loss,
        thigh_pain=thigh,
        vfa_criteria=criteria,
        vfa_reasons=reasons,
    )


def unreliable_spine(facts: Facts) -> tuple[Finding, ...]:
    """Conditions that may falsely raise lumbar BMD, fractured lumbar vertebrae included.

    Source: gighz-surveillance (degeneration, scoliosis, aortic calcification, hardware, fractures).
    """
    fractures = tuple(
        finding
        for finding in facts.findings.lasting("vertebral-fracture")
        if finding.sets["vertebral-fracture"].attributes.get("region") == "lumbar"
    )
    return (*facts.findings.active("spine-unreliable"), *fractures)


def _both_hips(prostheses: tuple[Finding, ...]) -> bool:
    sides = {finding.sets["hip-prosthesis"].attributes.get("side") for finding in prostheses}
    return "both" in sides or {"left", "right"} <= sides


def _fracture_signs(facts: Facts) -> tuple[Finding, ...]:
    """New back pain, recorded height loss, or a vertebral fracture not yet confirmed."""
    suspected = tuple(
        finding
        for finding in facts.findings.active("vertebral-fracture")
        if finding.certainty is Certainty.PROVISIONAL
    )
    pain = facts.findings.new("back-pain")
    return (*suspected, *pain, *facts.findings.active("height-loss"))


def _height_loss(facts: Facts) -> object:
    """The height loss in cm when it exceeds the threshold, else None."""
    loss = facts.height_loss
    if loss is not None and loss.loss_cm > facts.known.number["height_loss_cm"]:
        return loss.loss_cm
    return None


def _long_bisphosphonate(facts: Facts) -> bool:
    """Whether a bisphosphonate was taken for at least the years of the threshold table."""
    start = facts.medications.start_of("bisphosphonate", Purpose.OSTEOPOROSIS_THERAPY)
    courses = [
        course
        for course in facts.medications.of(Purpose.OSTEOPOROSIS_THERAPY)
        if course.family == "bisphosphonate" and course.start is not None
    ]
    if start is None or not courses:
        return False
    ends = [
        facts.as_of if course.is_current else (course.end or course.start.latest)
        for course in courses
        if course.start
    ]
    years = completed_years(start.latest, min(max(ends), facts.as_of))
    return years >= facts.known.whole["long_bisphosphonate_years"]


def _vfa_criteria(facts: Facts) -> tuple[bool | None, tuple[str, ...]]:
    """Whether a T-score below -1.0 comes with a criterion for vertebral fracture assessment.

    Source: acr-2016 (criteria), acr-2022-vfa (rating).
    """
    limit = facts.known.number["low_bmd_t_score"]
    low: bool | None = any(item.is_certainly_below(limit) for item in facts.newest_t_scores)
    if not facts.observations_known:
        low = None  # the newest score may be among the unread ones
    if low is False:
        return False, ()
    met, undecided = [], False
    age, sex = facts.person.age, facts.person.sex
    limits = {
        "vfa-age-woman": facts.known.whole["vfa_age_woman_years"],
        "vfa-age-man": facts.known.whole["vfa_age_man_years"],
    }
    for other, code in ((Sex.MALE, "vfa-age-woman"), (Sex.FEMALE, "vfa-age-man")):
        if sex is other:
            del limits[code]
    if age is not None and age.youngest >= max(limits.values()):
        met.append(max(limits, key=lambda code: limits[code]))
    elif age is None or age.oldest >= min(limits.values()):
        undecided = True
    if _height_loss(facts) is not None:
        met.append("vfa-height-loss")
    elif not facts.observations_known:
        undecided = True
    if facts.glucocorticoid.reaches_vfa_dose:
        met.append("vfa-glucocorticoid")
    elif facts.glucocorticoid.reaches_vfa_dose is None:
        undecided = True
    if low and met:
        return True, tuple(met)
    return (None if met or undecided else False), tuple(met)
