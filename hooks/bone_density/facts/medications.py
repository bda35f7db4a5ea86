"""Drugs that matter to bone: osteoporosis therapy, glucocorticoids, other bone-loss drugs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from cds_service.fhir.checking import problem
from cds_service.fhir.codings import codings, is_readable
from cds_service.fhir.dates import DateInterval, read_date, read_event
from cds_service.fhir.resources import Raw, name_of, resolve, says_status, status_of, status_words
from cds_service.protocol.values import dataclass
from hooks.bone_density.drugs import Conflict, DrugMatch, Purpose
from hooks.bone_density.drugs import resolve as resolve_drug
from hooks.bone_density.facts.conditions import Findings
from hooks.bone_density.facts.doses import daily_prednisone_mg, supply_days
from hooks.bone_density.facts.reading import Reading

MEDICATION_TYPES = ("MedicationStatement", "MedicationRequest")
_TAKEN = {
    "MedicationRequest": frozenset({"active", "on-hold", "completed", "stopped"}),
    "MedicationStatement": frozenset({"active", "on-hold", "completed", "stopped"}),
}
_ORDER_INTENTS = frozenset(
    {"order", "original-order", "reflex-order", "filler-order", "instance-order"}
)
_OTHER_INTENTS = frozenset({"proposal", "plan", "option"})
"""No order was placed; an intent that is none of FHIR's says nothing, and might be anything."""


@dataclass(frozen=True, slots=True)
class Course:
    """One recorded use of a drug.

    `family` is the class without its route. `start` is None when not recorded. `end` is the last
    day covered by the record (its period or its supply), None while it goes on or when it is not
    recorded. `is_current` follows the status and a stated period, not the supply: an active order
    may be dispensed again. `daily_mg_prednisone` is the glucocorticoid dose where structured.
    """

    reference: str
    drug: str
    drug_class: str
    family: str
    purpose: Purpose
    is_current: bool
    is_stopped: bool
    is_anabolic: bool
    start: DateInterval | None
    end: date | None
    is_from_name: bool
    daily_mg_prednisone: Decimal | None


@dataclass(frozen=True, slots=True)
class Medications:
    """Every relevant course by purpose, and whether anything about drugs stayed unread."""

    by_purpose: Mapping[Purpose, Sequence[Course]]
    is_complete: bool
    gap_days: int

    def of(self, purpose: Purpose) -> Sequence[Course]:
        """Courses of one purpose."""
        return self.by_purpose.get(purpose, ())

    @property
    def therapy(self) -> tuple[Course, ...]:
        """Current osteoporosis therapy."""
        return tuple(
            course for course in self.of(Purpose.OSTEOPOROSIS_THERAPY) if course.is_current
        )

    def start_of(
        self, family: str, purpose: Purpose, drug: str | None = None
    ) -> DateInterval | None:
        """When the present course of one family began: the earliest of its unbroken records.

        With `drug` only its own records count: a change within the family begins anew.
        """
        dated = [
            (course, course.start)
            for course in self.of(purpose)
            if course.family == family and drug in (None, course.drug) and course.start is not None
        ]
        if len(dated) == 1:  # nothing to join it with
            return dated[0][1]
        courses = sorted(
            (
                start.latest,
                course.reference,  # "(no id)" for more than one: the order goes on to the end
                start.earliest,
                course.end is None,
                course.end or date.max,
            )
            for course, start in dated
        )
        begun: DateInterval | None = None
        covered: date | None = None
        for latest, _, earliest, is_open, end in courses:
            if covered is not None and (latest - covered).days > self.gap_days:
                begun = None
            begun = begun or DateInterval(earliest, latest)
            covered = None if is_open else max(end, covered or end)
        return begun


def _family(drug_class: str) -> str:
    """Oral and intravenous forms of one class are one class: a change of route is no change."""
    for suffix in ("-oral", "-iv"):
        if drug_class.endswith(suffix):
            return drug_class[: -len(suffix)]
    return drug_class


def read_medications(reading: Reading, findings: Findings) -> Medications:
    """Relevant drugs from MedicationStatements and MedicationRequests.

    Only orders that were placed count (no plans, no drafts), in statuses that mean the drug is or
    was taken. Codes that name two drugs are named and not used.
    """
    by_purpose: dict[Purpose, list[Course]] = {}
    for resource_type in MEDICATION_TYPES:
        for resource in reading.resources(resource_type):
            for course in _course(resource, resource_type, reading, findings):
                by_purpose.setdefault(course.purpose, []).append(course)
    gap = reading.known.whole["therapy_gap_days"]
    return Medications(by_purpose, reading.knows(*MEDICATION_TYPES), gap)


def _course(
    resource: Raw, resource_type: str, reading: Reading, findings: Findings
) -> Iterator[Course]:
    concept, medication = resource.get("medicationCodeableConcept"), None
    if concept is None:
        medication = resolve(resource.get("medicationReference"), resource, reading.chart.related)
        concept = medication.get("code") if medication else None
    if not isinstance(concept, dict) or not concept:
        if _why_not_taken(resource, resource_type) is None:
            reading.lose(resource, "medication not readable")
        return
    text = concept.get("text")
    match = resolve_drug(
        [
            (item.system, item.code, item.display)
            for item in reading.settings.expand(codings(concept))
        ],
        text if isinstance(text, str) else None,
    )
    if match is None:
        if not is_readable(concept) and _why_not_taken(resource, resource_type) is None:
            _pass_over(resource, medication, reading)
        return
    if isinstance(match, DrugMatch) and match.purpose is Purpose.LOOK_ALIKE:
        return
    status = status_of(resource)
    if status == "entered-in-error":
        reading.ignore(resource, "entered-in-error")
        return
    if not reading.accept(resource):
        return
    not_taken = _why_not_taken(resource, resource_type)
    if not_taken is not None:
        reading.ignore(resource, f"{not_taken}, not taken")
        return
    if not _says_whether_taken(resource, resource_type):
        reading.lose(resource, "not said whether it is taken")
        return
    if isinstance(match, Conflict):
        reading.lose(resource, "codes name two different drugs")
        return
    start, stated_end, supplied_to = _span(resource, resource_type, reading)
    if start is not None and reading.is_future(start):
        reading.ignore(resource, "future-dated")
        return
    match = _with_indication(match, findings)
    yield Course(
        reference=name_of(resource),
        drug=match.name,
        drug_class=match.drug_class,
        family=_family(match.drug_class),
        purpose=match.purpose,
        is_current=status == "active" and (stated_end is None or stated_end >= reading.as_of),
        is_stopped=status == "stopped",
        is_anabolic=match.anabolic,
        start=start,
        end=stated_end or supplied_to,
        is_from_name=match.basis == "name",
        daily_mg_prednisone=daily_prednisone_mg(resource, match),
    )


def _pass_over(resource: Raw, medication: Raw | None, reading: Reading) -> None:
    """A drug that no code and no word names: lost where that may be for damage."""
    if medication is not None and problem(medication) is not None:
        reading.lose(resource, "medication not readable")
    else:
        reading.accept(resource)


def _why_not_taken(resource: Raw, resource_type: str) -> str | None:
    """What in a record says that the drug neither is nor was taken; None where nothing does."""
    if resource.get("doNotPerform") is True:
        return "doNotPerform"
    if resource_type == "MedicationRequest":
        intent = resource.get("intent")
        if isinstance(intent, str) and intent in _OTHER_INTENTS:
            return f"intent {intent}"
    if says_status(resource) and status_of(resource) not in _TAKEN[resource_type]:
        return status_words(resource)
    return None


def _says_whether_taken(resource: Raw, resource_type: str) -> bool:
    """Whether status and intent are codes of FHIR; to be asked when nothing says that it is not."""
    if not says_status(resource):
        return False
    return resource_type != "MedicationRequest" or resource.get("intent") in _ORDER_INTENTS


def _with_indication(match: DrugMatch, findings: Findings) -> DrugMatch:
    """A drug of two indications counts for bone only where the chart decides it."""
    if not match.osteoporosis_if_documented:
        return match
    documented = findings.established("osteoporosis") or findings.established("low-bone-mass")
    elsewhere = findings.active("active-malignancy") or findings.active("hypoparathyroidism")
    if documented and not elsewhere:
        return replace(match, purpose=Purpose.OSTEOPOROSIS_THERAPY)
    return match


def _span(
    resource: Raw, resource_type: str, reading: Reading
) -> tuple[DateInterval | None, date | None, date | None]:
    """First day, stated last day, and last day of the supply; None where not recorded."""
    zone = reading.zone
    if resource_type == "MedicationStatement":
        period = resource.get("effectivePeriod")
        if isinstance(period, dict):
            ended = read_date(period.get("end"), zone)
            return read_date(period.get("start"), zone), ended.latest if ended else None, None
        return read_event(resource, "effective", zone), None, None
    start = read_date(resource.get("authoredOn"), zone)
    dispense = resource.get("dispenseRequest")
    validity = dispense.get("validityPeriod") if isinstance(dispense, dict) else None
    stated_end = None
    if isinstance(validity, dict):
        start = read_date(validity.get("start"), zone) or start
        ended = read_date(validity.get("end"), zone)
        stated_end = ended.latest if ended else None
    days = supply_days(resource)
    supplied_to = None if start is None or days is None else _days_after(start.latest, days)
    return start, stated_end, supplied_to


def _days_after(day: date, days: int) -> date:
    """The day so many days later; beyond the calendar, its last one."""
    return date.fromordinal(min(day.toordinal() + days, date.max.toordinal()))
