"""Small FHIR resources and hook requests for tests, each as short as valid FHIR allows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from leaks import CANARY

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
CPT = "http://www.ama-assn.org/go/cpt"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
PATIENT_ID = "pat-1"
KEYS = {
    "Observation": "observations",
    "Condition": "conditions",
    "MedicationStatement": "medicationStatements",
    "MedicationRequest": "medicationRequests",
    "DiagnosticReport": "reports",
    "Procedure": "procedures",
}

Resource = dict[str, Any]
NAME = {"family": f"{CANARY}-family", "given": [f"{CANARY}-given"]}
MINE = {"reference": f"Patient/{PATIENT_ID}", "display": f"{CANARY}-subject"}
"""Nobody may ever read these in a log, an error, a metric or a record: see `leaks`."""


def concept(system: str, code: str, text: str | None = None) -> Resource:
    """A CodeableConcept with one coding."""
    found: Resource = {"coding": [{"system": system, "code": code}]}
    return found | ({"text": text} if text else {})


def patient(
    gender: str | None = "female", birth: str | None = "1958-03-04", **more: Any
) -> Resource:
    """A Patient; None leaves an element out."""
    found: Resource = {"resourceType": "Patient", "id": PATIENT_ID, "name": [NAME]}
    if gender:
        found["gender"] = gender
    if birth:
        found["birthDate"] = birth
    return found | more


def observation(
    identifier: str,
    code: str,
    value: float | None,
    when: str | None,
    *,
    unit: str | None = "{T-score}",
    status: str = "final",
    system: str = LOINC,
    **more: Any,
) -> Resource:
    """A final Observation with a quantity."""
    found: Resource = {
        "resourceType": "Observation",
        "id": identifier,
        "status": status,
        "code": concept(system, code),
        "subject": dict(MINE),
    }
    if when is not None:
        found["effectiveDateTime"] = when
    if value is not None:
        found["valueQuantity"] = {"value": value} | ({"unit": unit} if unit else {})
    return found | more


def condition(
    identifier: str,
    code: str,
    onset: str | None = None,
    *,
    system: str = ICD10CM,
    clinical: str | None = "active",
    verification: str | None = None,
    **more: Any,
) -> Resource:
    """A Condition with clinical status."""
    base = "http://terminology.hl7.org/CodeSystem/condition-"
    found: Resource = {
        "resourceType": "Condition",
        "id": identifier,
        "code": concept(system, code),
        "subject": dict(MINE),
    }
    if clinical:
        found["clinicalStatus"] = concept(f"{base}clinical", clinical)
    if verification:
        found["verificationStatus"] = concept(f"{base}ver-status", verification)
    if onset:
        found["onsetDateTime"] = onset
    return found | more


def medication_request(
    identifier: str,
    rxcui: str | None,
    authored: str | None = None,
    *,
    text: str | None = None,
    status: str = "active",
    daily_mg: float | None = None,
    **more: Any,
) -> Resource:
    """An order of a drug by RxNorm code, by text, or both."""
    drug: Resource = concept(RXNORM, rxcui) if rxcui else {}
    found: Resource = {
        "resourceType": "MedicationRequest",
        "id": identifier,
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": drug | ({"text": text} if text else {}),
        "subject": dict(MINE),
    }
    if authored:
        found["authoredOn"] = authored
    if daily_mg is not None:
        found["dosageInstruction"] = [
            {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": daily_mg, "unit": "mg"}}],
            }
        ]
    return found | more


def service_request(identifier: str, code: str, *, system: str = CPT, **more: Any) -> Resource:
    """A draft ServiceRequest."""
    return {
        "resourceType": "ServiceRequest",
        "id": identifier,
        "status": "draft",
        "intent": "order",
        "code": concept(system, code),
        "subject": dict(MINE),
    } | more


def bundle(resources: Iterable[Resource]) -> Resource:
    """A searchset with the resources."""
    entries = [{"resource": resource} for resource in resources]
    found: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return found | ({"entry": entries} if entries else {})


def prefetch(person: Resource | None, resources: Iterable[Resource]) -> Resource:
    """Every prefetch key, complete: each resource under the key of its type."""
    by_type: dict[str, list[Resource]] = {resource_type: [] for resource_type in KEYS}
    for resource in resources:
        by_type[resource["resourceType"]].append(resource)
    found: Resource = {KEYS[name]: bundle(items) for name, items in by_type.items()}
    return {"patient": person} | found


def request(
    drafts: Iterable[Resource],
    person: Resource | None = None,
    resources: Iterable[Resource] = (),
    *,
    hook: str = "order-select",
    selected: Iterable[str] | None = None,
    instance: str = "5f9c1d0e-3b52-4a55-9f0e-7d1c2a4b6e10",
) -> Resource:
    """A hook request with a complete prefetch; every draft is selected unless told otherwise."""
    orders = list(drafts)
    names = [f"{order['resourceType']}/{order['id']}" for order in orders]
    context: Resource = {
        "userId": "Practitioner/user-1",
        "patientId": PATIENT_ID,
        "draftOrders": {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": order} for order in orders],
        },
    }
    if hook == "order-select":
        context["selections"] = list(names if selected is None else selected)
    return {
        "hook": hook,
        "hookInstance": instance,
        "context": context,
        "prefetch": prefetch(patient() if person is None else person, resources),
    }
