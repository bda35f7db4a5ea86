"""Decision → reasons: each a stable code, its words, its source, and its evidence."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.fhir.dates import add_months
from cds_service.protocol.advice import Reason
from hooks.bone_density.advice.history import months
from hooks.bone_density.advice.labels import GAPS, RATINGS, STUDIES, VFA_REASONS
from hooks.bone_density.advice.modifier_reasons import modifier_reasons
from hooks.bone_density.advice.trend_reasons import trend_reasons
from hooks.bone_density.decision import Decision
from hooks.bone_density.decision.timing import EarlyReason
from hooks.bone_density.facts import Facts
from hooks.bone_density.words import (
    TIMED,
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
_EARLY_TEXTS = {
    EarlyReason.NEW_THERAPY: (
        "Therapy was started or changed: a DXA about 1 year after starting new therapy can be "
        "warranted.",
        "iscd-2023-adult",
    ),
    EarlyReason.GLUCOCORTICOID: (
        "A systemic glucocorticoid for 3 months or longer is a documented reason for earlier "
        "testing.",
        "iscd-2023-adult",
    ),
    EarlyReason.BONE_LOSS_DRUG: (
        "A drug that accelerates bone loss is a documented reason for earlier testing.",
        "gighz-surveillance",
    ),
    EarlyReason.FALL_BEYOND_LSC: (
        "A fall beyond the facility LSC is a documented reason for earlier testing.",
        "gighz-surveillance",
    ),
}


def reasons_for(decision: Decision, facts: Facts) -> tuple[Reason, ...]:
    """All reasons of one decision, the deciding one first."""
    scenario = decision.situation.scenario
    if scenario is Scenario.RED_FLAG:
        return tuple(_red_flag(decision))
    if scenario is Scenario.PREGNANCY:
        return tuple(_pregnancy(decision))
    if scenario in (Scenario.DECEASED, Scenario.INITIAL):
        return tuple(_silent(decision))
    if decision.study is Study.OSTEOPOROSIS_DRUG:
        return tuple(_reminder(decision, facts)) if decision.indicator else ()
    return (
        *_gaps(decision, facts),
        *_rating(decision, facts),
        *_scenario(decision, facts),
        *_timing(decision, facts),
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


def _pregnancy(decision: Decision) -> Iterator[Reason]:
    yield Reason(
        "pregnancy-recorded",
        "A pregnancy is recorded. Please confirm it; bone densitometry is deferred in pregnancy, "
        "and no rating is given.",
        "project-choice",
        decision.situation.evidence,
    )


def _silent(decision: Decision) -> Iterator[Reason]:
    if decision.situation.scenario is Scenario.DECEASED:
        yield Reason(
            "deceased",
            "The patient is recorded as deceased.",
            "project-choice",
            decision.situation.evidence,
        )
        return
    yield Reason(
        "low-bmd-not-established",
        "No low bone mineral density is established in the chart: testing for the first time is "
        "outside this service.",
        "gighz-surveillance",
    )


def _gaps(decision: Decision, facts: Facts) -> Iterator[Reason]:
    for gap in decision.situation.gaps:
        text = GAPS[gap]
        evidence: tuple[str, ...] = ()
        if gap == "only-unusable-results":
            evidence = tuple(facts.measurements.unusable)
            if any(why == "heel-is-no-baseline" for why in facts.measurements.unusable.values()):
                text = "A heel result is not a baseline for spine and hip follow-up"
        elif gap == "therapy-without-baseline":
            drugs = ", ".join(sorted({course.drug for course in facts.medications.therapy}))
            text = f"On {drugs}, no baseline BMD and no diagnosis of low bone density found"
            evidence = tuple(course.reference for course in facts.medications.therapy)
        elif gap in ("age-not-known", "sex-not-known"):
            detail = facts.person.unknown.get("age" if gap == "age-not-known" else "sex")
            text = f"{text}: {detail}" if detail else text
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


def _rating(decision: Decision, facts: Facts) -> Iterator[Reason]:
    rated, study = decision.rated, decision.study
    source = rated.source or "project-choice"
    evidence = facts.low_bmd.evidence
    if rated.status is RatingStatus.RATED:
        if decision.situation.scenario is Scenario.YOUNGER and study not in (
            Study.DXA_SPINE_HIP,
            Study.DXA_SPINE_HIP_VFA,
        ):
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
    if study in (Study.QUS, Study.VFA, Study.DXA_HEEL) and _dxa_is_usual(decision):
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
    if Modifier.VFA_CRITERIA_MET in decision.situation.modifiers:
        criteria = "; ".join(VFA_REASONS[code] for code in decision.situation.signs.vfa_reasons)
        yield Reason(
            "vfa-criteria-met",
            f"VFA is usually appropriate together with DXA in this group: {criteria}. VFA does not "
            "measure BMD.",
            "acr-2022-vfa",
            tuple(item.reference for item in facts.newest_t_scores),
        )
        if study is Study.VFA and decision.situation.timing is Timing.ON_TIME:
            yield Reason("dxa-also-due", "DXA is also due.", "gighz-surveillance")


_SITE_OPEN = frozenset(
    {Study.DXA_UNSPECIFIED, Study.DXA_PERIPHERAL, Study.BONE_DENSITY_UNSPECIFIED}
)


def _dxa_is_usual(decision: Decision) -> bool:
    return decision.situation.scenario in (Scenario.SURVEILLANCE, Scenario.YOUNGER) or (
        decision.situation.scenario is Scenario.INSUFFICIENT and bool(decision.offers)
    )


def _timing(decision: Decision, facts: Facts) -> Iterator[Reason]:
    when, study = decision.situation.when, decision.study
    evidence = tuple(
        scan.reference
        for scan in (facts.scans.forearm if when.forearm_only else facts.scans.central)
        if scan.when is not None and when.last is not None and scan.when.latest == when.last.latest
    )
    ago = "" if when.months is None else f", {months(when.months)} ago"
    site = "forearm DXA" if when.forearm_only else "DXA"
    if when.last is not None:
        readable = facts.measurements.usable and any(
            scan.has_result
            for scan in (*facts.scans.central, *facts.scans.forearm)
            if scan.reference in evidence
        )
        note = "" if readable else " (result not readable)"
        yield Reason(
            "last-dxa",
            f"Last {site} {when.last}{ago}{note}.",
            "project-choice",
            evidence,
        )
    elif facts.scans.none_found:
        yield Reason(
            "no-prior-dxa",
            "No prior DXA was found in the results, reports and procedures read.",
            "project-choice",
        )
    elif facts.scans.unstated:
        yield Reason(
            "scan-of-unstated-modality",
            "A bone density scan is recorded whose modality is not stated: the date of the last "
            "DXA is not known.",
            "project-choice",
            tuple(scan.reference for scan in facts.scans.unstated),
        )
    else:
        yield Reason(
            "last-dxa-not-known", "The date of the last central DXA is not known.", "project-choice"
        )
    timing = decision.situation.timing
    if timing is Timing.EARLY_WITH_REASON or (timing is Timing.TOO_SOON and when.reasons):
        for reason in when.reasons:
            text, source = _EARLY_TEXTS[reason]
            yield Reason(reason.value, text, source, when.evidence)
    if timing is Timing.TOO_SOON and study in TIMED:
        yield Reason(
            "repeat-within-a-year",
            "Repeating DXA more often than yearly is rarely indicated: a change is likely to be "
            "smaller than can be detected.",
            "gighz-surveillance",
            evidence,
        )
    elif timing is Timing.TOO_SOON and when.last is not None:
        due = add_months(when.last.latest, facts.known.whole("surveillance_interval_months"))
        yield Reason(
            "dxa-not-yet-due",
            f"The next DXA is usually due about 2 years after the last one, from {due} on; none is "
            "offered now.",
            "gighz-surveillance",
            evidence,
        )
    if timing is Timing.EARLY_WITHOUT_REASON and study in TIMED:
        yield Reason(
            "usual-interval-two-years",
            "The usual interval is about 2 years; no reason for an earlier DXA is documented.",
            "gighz-surveillance",
            evidence,
        )


def _reminder(decision: Decision, facts: Facts) -> Iterator[Reason]:
    when = decision.situation.when
    if when.last is None:
        text = (
            "An osteoporosis drug is being ordered and no prior DXA was found: a baseline DXA of "
        )
        text += "lumbar spine and hip(s) allows later comparison."
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
