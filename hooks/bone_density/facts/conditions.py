"""Coded conditions (and conclusions of density reports) by what they mean to the rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from enum import StrEnum

from cds_service.fhir.codings import CodedValue, codings, concepts
from cds_service.fhir.dates import DateInterval, read_date, read_event
from cds_service.fhir.resources import Raw, name_of, says_status, status_of, status_words
from cds_service.fhir.valuesets import Concept
from cds_service.protocol.values import dataclass
from hooks.bone_density.facts.reading import REPORTED, VOID, Reading

READ_SETS = frozenset(
    {
        "osteoporosis",
        "low-bone-mass",
        "vertebral-fracture",
        "spine-unreliable",
        "hip-prosthesis",
        "glucocorticoid-long-term-use",
        "primary-hyperparathyroidism",
        "fragility-fracture",
        "hypoparathyroidism",
        "postmenopausal",
        "perimenopausal",
        "premenopausal",
        "pregnancy",
        "height-loss",
        "back-pain",
        "cord-or-cauda-equina",
        "neurological-deficit",
        "radicular-symptom",
        "thigh-pain",
        "active-malignancy",
    }
)
_ACTIVE = frozenset({"active", "recurrence", "relapse"})
_REFUTED = frozenset({"refuted", "entered-in-error"})
_COMPLETED = frozenset({"completed"})
_PROCEDURE_SETS = frozenset({"spine-unreliable", "hip-prosthesis", "postmenopausal"})


class Certainty(StrEnum):
    """How far a recorded condition is established."""

    CONFIRMED = "confirmed"
    PROVISIONAL = "provisional"


@dataclass(frozen=True, slots=True)
class Finding:
    """One recorded condition, with the value sets it belongs to.

    `is_active` is False for resolved and inactive ones. `onset` and `recorded` are None when not
    stated.
    """

    reference: str
    sets: Mapping[str, Concept]
    certainty: Certainty
    is_active: bool
    onset: DateInterval | None
    recorded: DateInterval | None
    is_new: bool
    code: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Every relevant condition of the chart, and the same by value set.

    The rules ask for many value sets, of which a chart holds a few: one that is not in `by_set`
    was not found.
    """

    all: tuple[Finding, ...]
    by_set: Mapping[str, Sequence[Finding]]

    def established(self, set_id: str) -> tuple[Finding, ...]:
        """Active, confirmed conditions of one value set."""
        if set_id not in self.by_set:
            return ()
        return tuple(
            finding
            for finding in self.by_set[set_id]
            if finding.is_active and finding.certainty is Certainty.CONFIRMED
        )

    def active(self, set_id: str) -> tuple[Finding, ...]:
        """Active conditions of one value set, confirmed or provisional."""
        if set_id not in self.by_set:
            return ()
        return tuple(finding for finding in self.by_set[set_id] if finding.is_active)

    def new(self, set_id: str) -> tuple[Finding, ...]:
        """Active conditions of one value set that are certainly new."""
        if set_id not in self.by_set:
            return ()
        return tuple(finding for finding in self.active(set_id) if finding.is_new)

    def lasting(self, set_id: str) -> tuple[Finding, ...]:
        """Confirmed conditions that leave their mark whatever became of them since."""
        if set_id not in self.by_set:
            return ()
        return (*self.established(set_id), *self.resolved(set_id))

    def resolved(self, set_id: str) -> tuple[Finding, ...]:
        """Confirmed conditions of one value set that are recorded as no longer active."""
        if set_id not in self.by_set:
            return ()
        return tuple(
            finding
            for finding in self.by_set[set_id]
            if not finding.is_active and finding.certainty is Certainty.CONFIRMED
        )


def read_findings(reading: Reading) -> Findings:
    """Relevant Conditions, coded conclusions of reports, and surgery from Procedures."""
    found = (*_conditions(reading), *_conclusions(reading), *_procedures(reading))
    by_set: dict[str, list[Finding]] = {}
    for finding in found:
        for set_id in finding.sets:
            by_set.setdefault(set_id, []).append(finding)
    return Findings(found, by_set)


def _conditions(reading: Reading) -> Iterator[Finding]:
    for condition in reading.resources("Condition"):
        if not isinstance(condition.get("code"), dict):
            if "code" in condition:  # a Condition without a code says nothing that rules read
                reading.lose(condition, "code not readable")
            continue
        coded = reading.settings.expand(codings(condition["code"]))
        sets = _relevant(reading.known.memberships(coded))
        if not sets:
            reading.pass_over(condition, condition["code"])
            continue
        verification = _status_codes(condition.get("verificationStatus"))
        if verification & _REFUTED:
            reading.ignore(condition, next(iter(sorted(verification & _REFUTED))))
            continue
        if not reading.accept(condition):
            continue
        onset = read_event(condition, "onset", reading.zone)
        if onset is not None and reading.is_future(onset):
            reading.ignore(condition, "future-dated")
            continue
        recorded = read_date(condition.get("recordedDate"), reading.zone)
        yield Finding(
            reference=name_of(condition),
            sets=sets,
            certainty=(
                Certainty.CONFIRMED
                if not verification or "confirmed" in verification
                else Certainty.PROVISIONAL
            ),
            is_active=_is_active(condition),
            onset=onset,
            recorded=recorded,
            is_new=reading.is_new(onset) or reading.is_new(recorded),
            code=_matching_code(coded, reading),
        )


def _relevant(memberships: Mapping[str, Concept]) -> dict[str, Concept]:
    return {key: concept for key, concept in memberships.items() if key in READ_SETS}


def _status_codes(concept: object) -> frozenset[str]:
    return frozenset(item.code for item in codings(concept))


def _is_active(condition: Raw) -> bool:
    """Clinical status when stated; without one, a condition that did not abate is active."""
    clinical = _status_codes(condition.get("clinicalStatus"))
    if clinical:
        return bool(clinical & _ACTIVE)
    return not any(key.startswith("abatement") for key in condition)


def _conclusions(reading: Reading) -> Iterator[Finding]:
    """Low bone density diagnosed as the coded conclusion of a final report."""
    for report in reading.resources("DiagnosticReport"):
        sets = {
            key: concept
            for item in concepts(report.get("conclusionCode"))
            for key, concept in reading.known.memberships(codings(item)).items()
            if key in ("osteoporosis", "low-bone-mass")
        }
        if not sets:
            reading.pass_over(report, *concepts(report.get("conclusionCode")))
            continue
        if not _is_done(report, REPORTED, reading):
            continue
        when = read_event(report, "effective", reading.zone)
        if when is not None and reading.is_future(when):
            reading.ignore(report, "future-dated")
            continue
        yield Finding(
            name_of(report), sets, Certainty.CONFIRMED, True, when, None, False, "conclusion"
        )


def _procedures(reading: Reading) -> Iterator[Finding]:
    """Surgery that a completed Procedure documents: spinal fusion, hip replacement, ovaries."""
    for procedure in reading.resources("Procedure"):
        coded = reading.settings.expand(codings(procedure.get("code")))
        sets = {
            key: concept
            for key, concept in reading.known.memberships(coded).items()
            if key in _PROCEDURE_SETS
        }
        if not sets or not _is_done(procedure, _COMPLETED, reading):
            continue
        when = read_event(procedure, "performed", reading.zone)
        if when is not None and reading.is_future(when):
            reading.ignore(procedure, "future-dated")
            continue
        code = _matching_code(coded, reading)
        yield Finding(name_of(procedure), sets, Certainty.CONFIRMED, True, when, None, False, code)


def _is_done(resource: Raw, accepted: Set[str], reading: Reading) -> bool:
    """Whether a report or procedure may be used; one that does not say its status is lost."""
    status = status_of(resource)
    if status in VOID:
        reading.ignore(resource, str(status))
        return False
    if not reading.accept(resource):
        return False
    if not says_status(resource):
        reading.lose(resource, "status not known")
        return False
    if status not in accepted:
        reading.ignore(resource, status_words(resource))
        return False
    return True


def _matching_code(coded: tuple[CodedValue, ...], reading: Reading) -> str:
    """The first code that made the resource relevant."""
    return next(
        item.code for item in coded if READ_SETS & reading.known.memberships((item,)).keys()
    )
