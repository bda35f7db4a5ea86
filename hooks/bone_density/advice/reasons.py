"""Decision → reasons: each a stable code, its words, its source, and its evidence."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.protocol.advice import Reason
from hooks.bone_density.advice.history import months
from hooks.bone_density.advice.labels import GAPS
from hooks.bone_density.advice.modifier_reasons import modifier_reasons
from hooks.bone_density.advice.rating_reasons import YOUNGER, rating_reasons
from hooks.bone_density.advice.timing_reasons import timing_reasons
from hooks.bone_density.advice.trend_reasons import trend_reasons
from hooks.bone_density.decision import Decision
from hooks.bone_density.drugs import Purpose
from hooks.bone_density.facts import Facts
from hooks.bone_density.words import (
    RatingStatus,
    RatingWord,
    Scenario,
    Sex,
    Study,
)

_CODES_DISAGREE = Reason(
    "order-codes-disagree",
    "The codes of the order name different studies: please check which one is meant.",
    "project-choice",
)


def reasons_for(
    decision: Decision, facts: Facts, *, codes_disagree: bool = False
) -> tuple[Reason, ...]:
    """All reasons of one decision, the deciding one first."""
    scenario = decision.situation.scenario
    if scenario is Scenario.RED_FLAG:
        return tuple(_red_flag(decision))
    if scenario is Scenario.PREGNANCY:
        return tuple(_pregnancy(decision, facts))
    if decision.study is Study.OSTEOPOROSIS_DRUG and decision.indicator is not None:
        return tuple(_reminder(decision, facts))
    if scenario in (Scenario.DECEASED, Scenario.INITIAL):
        return tuple(_silent(decision, facts))
    if decision.study is Study.OSTEOPOROSIS_DRUG:
        return ()
    return (
        *_gaps(decision, facts),
        *rating_reasons(decision, facts),
        *((_CODES_DISAGREE,) if codes_disagree else ()),
        *_scenario(decision, facts),
        *timing_reasons(decision, facts),
        *modifier_reasons(decision, facts),
        *trend_reasons(decision, facts),
    )


def _red_flag(decision: Decision) -> Iterator[Reason]:
    evidence = decision.situation.evidence
    if decision.situation.rule == "red-flag-radicular":
        yield Reason(
            "radicular-symptom-with-vertebral-fracture",
            "A radicular symptom is recorded with a vertebral fracture. Bone densitometry does not "
            "assess this; clinical assessment is due, and MRI of the lumbar spine without contrast "
            "is the study to consider.",
            "gighz-surveillance",
            evidence,
        )
        return
    yield Reason(
        "neurological-deficit",
        "A new neurological deficit is recorded with a vertebral fracture, back pain, or "
        "compression of the cord or cauda equina. DXA does not assess this: prompt clinical "
        "assessment, and MRI of the spine (area of interest, such as the lumbar spine) without "
        "contrast is the study to consider.",
        "gighz-surveillance",
        evidence,
    )


def _pregnancy(decision: Decision, facts: Facts) -> Iterator[Reason]:
    yield Reason(
        "pregnancy-recorded",
        "A pregnancy is recorded. Please confirm it; bone densitometry is deferred in pregnancy, "
        "and no rating is given.",
        "project-choice",
        decision.situation.evidence,
    )
    if facts.person.sex is Sex.MALE:
        yield Reason(
            "sex-contradicts-conditions",
            "The recorded sex contradicts this record: please check both.",
            "project-choice",
            (facts.person.reference,),
        )


def _silent(decision: Decision, facts: Facts) -> Iterator[Reason]:
    if decision.situation.scenario is Scenario.DECEASED:
        yield Reason(
            "deceased",
            "The patient is recorded as deceased.",
            "project-choice",
            decision.situation.evidence,
        )
        return
    gaps = ", ".join(sorted({gap.data for gap in facts.unread}))
    yield Reason(
        "low-bmd-not-established",
        "No low bone mineral density is established in the chart: testing for the first time is "
        f"outside this service.{f' Not read, or not to the end: {gaps}.' if gaps else ''}",
        "gighz-surveillance",
    )


def _gaps(decision: Decision, facts: Facts) -> Iterator[Reason]:
    for gap in decision.situation.gaps:
        text = GAPS[gap]
        evidence: tuple[str, ...] = ()
        if gap == "only-unusable-results":
            evidence = tuple(facts.measurements.unusable)
            if not evidence:
                text = "A bone density scan is recorded, its result is not readable"
                evidence = tuple(scan.reference for scan in facts.scans.all)
            if any(why == "heel-is-no-baseline" for why in facts.measurements.unusable.values()):
                text = "A heel result is not a baseline for spine and hip follow-up"
        elif gap == "therapy-without-baseline":
            courses = facts.medications.of(Purpose.OSTEOPOROSIS_THERAPY)
            drugs = ", ".join(sorted({course.drug for course in courses}))
            verb = "On" if facts.medications.therapy else "Earlier on"
            text = f"{verb} {drugs}, no baseline BMD and no diagnosis of low bone density found"
            evidence = tuple(course.reference for course in courses)
        elif gap == "age-not-known":
            text = f"{text} ({facts.person.unknown['age']})"
        yield Reason(gap, f"{text}.", "project-choice", evidence)


def _scenario(decision: Decision, facts: Facts) -> Iterator[Reason]:
    if decision.situation.scenario is Scenario.YOUNGER:
        yield Reason(
            "younger-adult-scenario",
            "This is the younger-adult scenario (premenopausal women and men under 50), not the "
            "surveillance scenario of older adults. The Z-score is the preferred metric under 50.",
            YOUNGER,
            facts.belonging.evidence,
        )
        if facts.belonging.is_inferred:
            yield Reason(
                "menopausal-status-from-age",
                "No menopausal status is recorded; under 50 the younger-adult scenario is used.",
                "project-choice",
            )
    elif decision.situation.scenario is Scenario.SURVEILLANCE and facts.belonging.is_inferred:
        yield Reason(
            "menopausal-status-from-age",
            "No menopausal status is recorded; counted as postmenopausal by age (55 or over).",
            "project-choice",
        )


def _reminder(decision: Decision, facts: Facts) -> Iterator[Reason]:
    when = decision.situation.when
    if facts.scans.last_central is None:
        found = "DXA of spine or hip" if facts.scans.forearm else "DXA"
        text = (
            f"An osteoporosis drug is being ordered and no prior {found} was found: a baseline DXA "
            "of lumbar spine and hip(s) allows later comparison."
        )
    else:
        text = (
            f"An osteoporosis drug is being ordered and the last DXA was on {when.last}, "
            f"{months(when.months or (0, 0))} ago: DXA of lumbar spine and hip(s) may be due."
        )
    yield Reason(
        "treatment-without-recent-dxa",
        text,
        "gighz-surveillance",
        tuple(scan.reference for scan in facts.scans.central),
    )


def is_appropriate_dxa(decision: Decision) -> bool:
    """Whether the order is a DXA of spine and hip(s) that is usually appropriate."""
    return (
        decision.rated.rating is RatingWord.USUALLY
        and decision.rated.status is RatingStatus.RATED
        and decision.study in (Study.DXA_SPINE_HIP, Study.DXA_SPINE_HIP_VFA)
    )
