"""Exposure to systemic glucocorticoids: how long without a break, and at what dose."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from cds_service.fhir.dates import completed_months
from cds_service.protocol.values import dataclass
from hooks.bone_density.drugs import Purpose
from hooks.bone_density.facts.conditions import Findings
from hooks.bone_density.facts.medications import Course, Medications
from hooks.bone_density.facts.reading import Reading

_CLASS = "systemic-glucocorticoid"


@dataclass(frozen=True, slots=True)
class Glucocorticoid:
    """Present exposure to systemic glucocorticoids.

    `is_long` means at least the months of the threshold table, at any or unrecorded dose.
    `reaches_vfa_dose` is None when the dose is not recorded, or when drugs could not all be read
    and what was read does not reach it.
    """

    drugs: tuple[str, ...]
    months: int | None
    is_long: bool
    reaches_vfa_dose: bool | None
    dose_is_recorded: bool
    evidence: tuple[str, ...]


def read_glucocorticoid(
    reading: Reading, medications: Medications, findings: Findings
) -> Glucocorticoid:
    """The exposure that reaches the clinical date, from drugs and from the long-term-use code."""
    courses = [
        course
        for course in medications.of(Purpose.BONE_LOSS_DRUG)
        if course.drug_class.startswith(_CLASS)
    ]
    coded = findings.established("glucocorticoid-long-term-use")
    if not courses and not coded:
        reaches = False if medications.is_complete else None
        return Glucocorticoid((), None, False, reaches, False, ())
    stretch = _present_stretch(courses, reading)
    months = None
    if stretch:
        first = min(course.start.latest for course in stretch if course.start)
        last = max(_end(course, reading.as_of) for course in stretch)
        months = completed_months(first, min(last, reading.as_of))
    lasts = months is not None and months >= reading.known.whole["glucocorticoid_months"]
    is_long = bool(coded) or lasts
    present = stretch or [course for course in courses if course.is_current]
    taken = [course for course in present if course.is_current]
    recorded = bool(taken) and all(course.daily_mg_prednisone is not None for course in taken)
    return Glucocorticoid(
        drugs=tuple(sorted({course.drug for course in present})),
        months=months,
        is_long=is_long,
        reaches_vfa_dose=_reaches(reading, taken, lasts, is_long, medications),
        dose_is_recorded=recorded,
        evidence=(
            *(course.reference for course in present),
            *(finding.reference for finding in coded),
        ),
    )


def _end(course: Course, as_of: date) -> date:
    """Last day a course is known to cover; a course that is over and states no end covers a day."""
    if course.end is not None:
        return course.end
    return as_of if course.is_current or course.start is None else course.start.latest


def _present_stretch(courses: list[Course], reading: Reading) -> list[Course]:
    """The courses that join without a long break up to the clinical date."""
    gap = timedelta(days=reading.known.whole["glucocorticoid_gap_days"])
    joined: list[Course] = []
    reaches_back_to = reading.as_of
    dated = [
        (_end(course, reading.as_of), course.start.latest, course)
        for course in courses
        if course.start is not None
    ]
    for end, begun, course in sorted(dated, key=lambda item: item[0], reverse=True):
        if reaches_back_to - end > gap:
            break
        joined.append(course)
        reaches_back_to = min(reaches_back_to, begun)
    return joined


def _reaches(
    reading: Reading,
    taken: list[Course],
    lasts: bool,
    is_long: bool,
    medications: Medications,
) -> bool | None:
    """Whether the exposure is long and at the dose of the VFA criterion.

    A code of long-term use states no dose: how long the present dose has been taken stays open.
    Two records of one drug may be one prescription told twice or two that add up: only the larger
    dose is certain.
    """
    limit = reading.known.number["glucocorticoid_dose_mg_prednisone_per_day"]
    certain: dict[str, Decimal] = {}
    possible = Decimal(0)
    for course in taken:
        dose = course.daily_mg_prednisone or Decimal(0)
        certain[course.drug] = max(dose, certain.get(course.drug, dose))
        possible += dose
    if lasts and sum(certain.values()) >= limit:
        return True
    stated = bool(taken) and all(course.daily_mg_prednisone is not None for course in taken)
    is_open = is_long and (possible >= limit or not stated)
    return None if is_open or not medications.is_complete else False
