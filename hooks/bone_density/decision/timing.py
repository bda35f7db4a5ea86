"""How long ago the last central DXA was, and what documents an earlier repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

from cds_service.fhir.dates import DateInterval, add_months, completed_months
from cds_service.protocol.values import dataclass
from hooks.bone_density.drugs import Purpose
from hooks.bone_density.facts import Facts
from hooks.bone_density.facts.medications import Course
from hooks.bone_density.facts.scans import months_since, newest
from hooks.bone_density.words import Sex, Timing


class Unclear(StrEnum):
    """Why the timing band is not known although a DXA is dated."""

    RESULTS_NOT_READ = "results-not-read"
    NEWER_UNSTATED_SCAN = "newer-scan-of-unstated-modality"
    DATE_NOT_EXACT = "last-dxa-date-not-exact"
    REASONS_NOT_READ = "early-reasons-not-read"


class EarlyReason(StrEnum):
    """What the chart documents as a reason to repeat before the usual interval."""

    NEW_THERAPY = "therapy-started-or-changed"
    ANABOLIC = "anabolic-drug"
    DENOSUMAB_STOPPED = "denosumab-stopped"
    GLUCOCORTICOID = "systemic-glucocorticoid"
    BONE_LOSS_DRUG = "other-bone-loss-drug"
    FALL_BEYOND_LSC = "fall-beyond-lsc"
    NEW_FRACTURE = "new-fragility-fracture"
    HYPERPARATHYROIDISM = "primary-hyperparathyroidism"


@dataclass(frozen=True, slots=True)
class When:
    """The timing band with what it rests on.

    `months` are the fewest and most completed months since the last central DXA (or the last
    forearm DXA when `forearm_only`). `is_softened` means that a warning would rest on data that
    could not all be read, or that a rapid-loss reason is documented. `unclear` says why the band is
    unknown although a central DXA is dated.
    """

    timing: Timing
    last: DateInterval | None
    months: tuple[int, int] | None
    reasons: tuple[EarlyReason, ...]
    evidence: tuple[str, ...]
    forearm_only: bool = False
    is_softened: bool = False
    unclear: tuple[Unclear, ...] = ()


def read_timing(facts: Facts) -> When:
    """The timing band of the patient, whatever the study."""
    reasons, evidence = _reasons(facts)
    last = facts.scans.last_central
    if last is None:
        return _without_central(facts, reasons, evidence)
    months = months_since(last, facts.as_of)
    bands = {_band(count, facts, reasons) for count in set(months)}
    timing = next(iter(bands)) if len(bands) == 1 else Timing.UNKNOWN
    unclear = tuple(_unclear(facts, last, bands, reasons))
    if unclear:
        timing = Timing.UNKNOWN
    softened = EarlyReason.GLUCOCORTICOID in reasons or not (
        facts.conditions_known and facts.medications_known
    )
    return When(timing, last, months, reasons, evidence, is_softened=softened, unclear=unclear)


def _without_central(
    facts: Facts, reasons: tuple[EarlyReason, ...], evidence: tuple[str, ...]
) -> When:
    """Without a dated central DXA the timing is unknown, but for an old enough forearm DXA."""
    last = newest(facts.scans.forearm)
    if facts.scans.central or not facts.scans.forearm:
        return When(Timing.UNKNOWN, None, None, reasons, evidence)
    if last is None:
        return When(Timing.UNKNOWN, None, None, reasons, evidence, forearm_only=True)
    months = months_since(last, facts.as_of)
    on_time = (
        months[0] >= facts.known.whole["surveillance_interval_months"] and facts.observations_known
    )
    timing = Timing.ON_TIME if on_time else Timing.UNKNOWN
    return When(timing, last, months, reasons, evidence, forearm_only=True)


def _band(months: int, facts: Facts, reasons: tuple[EarlyReason, ...]) -> Timing:
    if months < facts.known.whole["minimum_interval_months"]:
        return Timing.TOO_SOON
    if months >= facts.known.whole["surveillance_interval_months"]:
        return Timing.ON_TIME
    if reasons:
        return Timing.EARLY_WITH_REASON
    if facts.conditions_known and facts.medications_known:
        return Timing.EARLY_WITHOUT_REASON
    return Timing.UNKNOWN


def _unclear(
    facts: Facts, last: DateInterval, bands: set[Timing], reasons: tuple[EarlyReason, ...]
) -> Iterator[Unclear]:
    """What keeps the band open; within the minimum interval nothing newer changes the answer."""
    if bands == {Timing.TOO_SOON}:
        return
    if not facts.observations_known:
        yield Unclear.RESULTS_NOT_READ
    other = newest(facts.scans.unstated)
    if other is not None and other.latest > last.latest:
        theirs = {_band(count, facts, reasons) for count in months_since(other, facts.as_of)}
        if theirs != bands:
            yield Unclear.NEWER_UNSTATED_SCAN
    if len(bands) > 1:
        yield Unclear.DATE_NOT_EXACT
    if Timing.UNKNOWN in bands:
        yield Unclear.REASONS_NOT_READ


def _reasons(facts: Facts) -> tuple[tuple[EarlyReason, ...], tuple[str, ...]]:
    """Every documented reason, with the resources all of them rest on."""
    found = {
        EarlyReason.NEW_THERAPY: _new_therapy(facts),
        EarlyReason.ANABOLIC: _courses(facts.medications.therapy, lambda item: item.is_anabolic),
        EarlyReason.DENOSUMAB_STOPPED: _denosumab_stopped(facts),
        EarlyReason.GLUCOCORTICOID: (
            facts.glucocorticoid.evidence if facts.glucocorticoid.is_long else ()
        ),
        EarlyReason.BONE_LOSS_DRUG: _courses(
            (
                *facts.medications.of(Purpose.BONE_LOSS_DRUG),
                *facts.medications.of(Purpose.AMBIGUOUS_INDICATION),
            ),
            lambda item: _loses_bone(item, facts),
        ),
        EarlyReason.FALL_BEYOND_LSC: tuple(
            reference
            for item in facts.trend.falls
            for reference in (item.earlier.reference, item.later.reference)
        ),
        EarlyReason.NEW_FRACTURE: tuple(
            item.reference for item in facts.findings.lasting("fragility-fracture") if item.is_new
        ),
        EarlyReason.HYPERPARATHYROIDISM: tuple(
            item.reference for item in facts.findings.established("primary-hyperparathyroidism")
        ),
    }
    reasons = tuple(reason for reason, evidence in found.items() if evidence)
    return reasons, tuple(dict.fromkeys(ref for reason in reasons for ref in found[reason]))


def _courses(courses: Iterable[Course], accept: Callable[[Course], bool]) -> tuple[str, ...]:
    return tuple(course.reference for course in courses if accept(course))


def _denosumab_stopped(facts: Facts) -> tuple[str, ...]:
    """Stopped denosumab, unless it is being given again."""
    courses = [
        course
        for course in facts.medications.of(Purpose.OSTEOPOROSIS_THERAPY)
        if course.drug == "denosumab"
    ]
    if any(course.is_current for course in courses):
        return ()
    return _courses(courses, lambda item: item.is_stopped)


def _loses_bone(course: Course, facts: Facts) -> bool:
    """Aromatase inhibitors, depot progestins, and androgen deprivation (in men).

    A GnRH agonist coded only by ingredient serves several purposes; in a man it takes androgens
    away in all of them.
    """
    if not course.is_current or course.drug_class.startswith("systemic-glucocorticoid"):
        return False
    if course.drug_class == "gnrh-androgen-deprivation":
        return facts.person.sex is Sex.MALE
    return course.purpose is Purpose.BONE_LOSS_DRUG


def _new_therapy(facts: Facts) -> tuple[str, ...]:
    """Therapy begun about a year ago whose check has not been done: the last DXA came before it.

    A drug started only a few months ago is no reason yet; one whose orders are completed was begun
    all the same, one that was stopped is not asked about.

    Source: iscd-2023-adult (typically one year after starting or changing therapy).
    """
    last = facts.scans.last_central
    if last is None:
        return ()
    check = facts.known.whole["therapy_check_months"]
    begun = [
        course
        for course in facts.medications.of(Purpose.OSTEOPOROSIS_THERAPY)
        if not course.is_stopped
    ]
    new = []
    for family in {course.family for course in begun}:
        start = facts.medications.start_of(family, Purpose.OSTEOPOROSIS_THERAPY)
        if start is None or completed_months(start.latest, facts.as_of) < check:
            continue
        if last.latest < add_months(start.earliest, check):
            new += [course.reference for course in begun if course.family == family]
    return tuple(sorted(new))
