"""The gate before everything else: is all of this about the patient of the call?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from itertools import chain
from operator import itemgetter

from cds_service.chart.prefetch_value import PrefetchValue, read_value
from cds_service.chart.references import PatientReferences, Subject
from cds_service.chart.walk import DRAFTS, Found, listed, resources_at
from cds_service.protocol.chart import Resource
from cds_service.protocol.errors import WrongPatient
from cds_service.protocol.request import HookRequest
from cds_service.values import dataclass

SUBJECT_MISSING = "subject-missing"
SUBJECT_NOT_RESOLVABLE = "subject-not-resolvable"

SUBJECT_ELEMENTS = ("subject", "patient", "beneficiary", "for")
"""Elements that name whom a resource is about; DSTU2 and some R4 types use `patient`."""

NEEDS_SUBJECT = frozenset(
    {
        "Observation",
        "Condition",
        "MedicationStatement",
        "DiagnosticReport",
        "Procedure",
        # requests, with those of DSTU2 and STU3
        "MedicationRequest",
        "ServiceRequest",
        "CommunicationRequest",
        "DeviceRequest",
        "DeviceUseRequest",
        "DiagnosticOrder",
        "DiagnosticRequest",
        "MedicationOrder",
        "NutritionOrder",
        "NutritionRequest",
        "ProcedureRequest",
        "ReferralRequest",
        "RequestGroup",
        "VisionPrescription",
    }
)
"""Types that are used only when they are known to be about the patient."""

_MAX_PLACES = 50


@dataclass(frozen=True, slots=True)
class SubjectCheck:
    """What the gate let through: nothing of another patient.

    `unmatched` says by `id()` of a resource why it cannot be told whose it is; it must not be
    used. `values` is what was read of each prefetch key on the way. The check is valid as long as
    the request that was checked.
    """

    unmatched: Mapping[int, str] = field(default_factory=dict)
    values: Mapping[str, PrefetchValue] = field(default_factory=dict)


def check_subjects(request: HookRequest) -> SubjectCheck:
    """Looks at every subject of the request; raises WrongPatient with all places.

    Looked at: prefetch, draft orders, contained resources, Patient resources by their id, and the
    patient of `fhirAuthorization`.
    """
    values = {key: read_value(value) for key, value in request.prefetch.items()}
    walked = _walked(request, values)
    drafts = tuple(resources_at(request.draft_orders, DRAFTS))
    references = PatientReferences(
        request.patient_id,
        request.fhir_server,
        _patient_urls(chain(*walked.values(), drafts), request.patient_id),
    )
    wrong = [*_wrong_launch(request, references)]
    unmatched: dict[int, str] = {}
    for found in chain(_to_look_at(values, walked, references), drafts):
        resource = found.resource
        kind = resource.get("resourceType")
        subjects = _subjects(resource, references)
        if Subject.OTHER in subjects or "contained" in resource or kind == "Patient":
            wrong += _wrong_places(found, request.patient_id, references)
        if isinstance(kind, str) and kind in NEEDS_SUBJECT:
            if not subjects:
                unmatched[id(resource)] = SUBJECT_MISSING
            elif Subject.UNKNOWN in subjects:
                unmatched[id(resource)] = SUBJECT_NOT_RESOLVABLE
    if wrong:
        raise WrongPatient(tuple(wrong[:_MAX_PLACES]))
    return SubjectCheck(unmatched, values)


def _walked(
    request: HookRequest, values: Mapping[str, PrefetchValue]
) -> dict[str, tuple[Found, ...]]:
    """All resources under each key that holds a Patient, or may hold more than was received."""
    walked = {}
    for key, value in values.items():
        if value.is_odd:  # Bundles in Bundles and the like: everything in it, however deep
            walked[key] = tuple(resources_at(request.prefetch[key], ("prefetch", key)))
        elif "Patient" in value.types:
            walked[key] = tuple(item.found(key) for item in value.received)
    return walked


def _patient_urls(found: Iterable[Found], patient_id: str) -> dict[str, bool]:
    """The fullUrl of every Patient that came, and whether it is the one of the call."""
    return {
        item.full_url: item.resource["id"] == patient_id
        for item in found
        if item.full_url
        and item.resource.get("resourceType") == "Patient"
        and isinstance(item.resource.get("id"), str)
    }


def _to_look_at(
    values: Mapping[str, PrefetchValue],
    walked: Mapping[str, tuple[Found, ...]],
    references: PatientReferences,
) -> Iterator[Found]:
    """Every resource of prefetch but the ordinary ones, whose one subject is the patient."""
    for key, value in values.items():
        if key in walked:
            yield from walked[key]
        elif value.resources and not _are_plainly_about(value, references):
            for item in value.received:
                yield item.found(key)


_SUBJECT, _REFERENCE = itemgetter("subject"), itemgetter("reference")
_UNUSUAL = frozenset({"patient", "beneficiary", "for", "contained"})


def _are_plainly_about(value: PrefetchValue, references: PatientReferences) -> bool:
    """The ordinary case, decided at once: each has one subject, the patient of the call."""
    try:
        stated = set(map(_REFERENCE, map(_SUBJECT, value.resources)))
    except (KeyError, TypeError):
        return False
    for one in stated:
        if type(one) is not str or references.judge(one) is not Subject.PATIENT:
            return False
    return _UNUSUAL.isdisjoint(chain.from_iterable(value.resources))


def _wrong_launch(request: HookRequest, references: PatientReferences) -> Iterator[str]:
    """The patient that the access token is bound to: a bare id, by the specification."""
    patient = (request.fhir_authorization or {}).get("patient")
    if not isinstance(patient, str) or patient in ("", request.patient_id):
        return
    if references.judge(patient) is not Subject.PATIENT:
        yield "$.fhirAuthorization.patient"


def _subjects(resource: Resource, references: PatientReferences) -> list[Subject]:
    """What the stated subjects of a resource say, without their places."""
    found = []
    for name in SUBJECT_ELEMENTS:
        value = resource.get(name)
        if value:
            for item in value if isinstance(value, list) else (value,):
                if item:
                    found.append(_subject(item, references))
    return found


def _wrong_places(found: Found, patient_id: str, references: PatientReferences) -> Iterator[str]:
    """Where another patient is in one resource; called only where there may be one."""
    resource = found.resource
    if resource.get("resourceType") == "Patient":
        identifier = resource.get("id")
        if isinstance(identifier, str) and identifier != patient_id:
            yield found.place("id")
    for steps in _other_subjects(resource, references):
        yield found.place(*steps)
    # The id of a contained Patient is a name within its resource, no patient's id.
    for position, inner in enumerate(listed(resource.get("contained"))):
        if isinstance(inner, dict):
            for steps in _other_subjects(inner, references):
                yield found.place("contained", position, *steps)


def _other_subjects(
    resource: Resource, references: PatientReferences
) -> Iterator[tuple[str | int, ...]]:
    for name in SUBJECT_ELEMENTS:
        value = resource.get(name)
        if isinstance(value, list):
            for position, item in enumerate(value):
                if _subject(item, references) is Subject.OTHER:
                    yield name, position
        elif value and _subject(value, references) is Subject.OTHER:
            yield (name,)


def _subject(value: object, references: PatientReferences) -> Subject:
    reference = value.get("reference") if isinstance(value, dict) else None
    return references.judge(reference) if isinstance(reference, str) else Subject.UNKNOWN
