"""Orders, results and conditions that tests of the bone service share, and how they ask it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builders import (
    CPT,
    LOINC,
    PATIENT_ID,
    RXNORM,
    SNOMED,
    concept,
    condition,
    medication_request,
    observation,
    patient,
    request,
    service_request,
)
from service import explain, only_order

Resource = dict[str, Any]
SUBJECT = {"reference": f"Patient/{PATIENT_ID}"}
DXA, FOREARM, QUS, VFA = (
    service_request("draft-1", "77080"),
    service_request("draft-1", "77081", bodySite=[concept(SNOMED, "62413002")]),
    service_request("draft-1", "76977"),
    service_request("draft-1", "77086"),
)
ANY_DXA = service_request("draft-1", "38268-9", system=LOINC)
DRUG = medication_request("draft-1", "904431", status="draft")
LOW = observation("low", "38267-1", -1.8, "2024-11-10")
EARLY = observation("low", "38267-1", -1.8, "2025-06-10")
RECENT = observation("low", "38267-1", -1.8, "2026-02-10")
OLD = observation("low", "38267-1", -2.8, "2023-10-15")
OSTEOPOROSIS = condition("osteoporosis", "M81.0")
FUSION, BOTH_HIPS = condition("fusion", "Z98.1"), condition("hips", "Z96.643")
BACK_PAIN = condition("pain", "M54.50", "2026-11-10")
YOUNG_MAN = patient("male", "1981-07-07")
SEX_UNKNOWN = patient(None, "1973-01-01")


def report(identifier: str, code: str, when: str | None, **more: Any) -> Resource:
    """A final DiagnosticReport with a LOINC code."""
    found: Resource = {
        "resourceType": "DiagnosticReport",
        "id": identifier,
        "status": "final",
        "code": concept(LOINC, code),
        "subject": SUBJECT,
    }
    return found | ({"effectiveDateTime": when} if when else {}) | more


def procedure(
    identifier: str, code: str, when: str | None, system: str = CPT, **more: Any
) -> Resource:
    """A completed Procedure."""
    found: Resource = {
        "resourceType": "Procedure",
        "id": identifier,
        "status": "completed",
        "code": concept(system, code),
        "subject": SUBJECT,
    }
    return found | ({"performedDateTime": when} if when else {}) | more


def statement(identifier: str, rxcui: str, **more: Any) -> Resource:
    """An active MedicationStatement."""
    return {
        "resourceType": "MedicationStatement",
        "id": identifier,
        "status": "active",
        "medicationCodeableConcept": concept(RXNORM, rxcui),
        "subject": SUBJECT,
    } | more


def bmd(identifier: str, value: float, when: str, device: str | None = "Device/A") -> Resource:
    """A lumbar BMD in g/cm² of one device."""
    more = {"device": {"reference": device}} if device else {}
    return observation(identifier, "24966-4", value, when, unit="g/cm2", **more)


def ask(
    draft: Resource | Sequence[Resource],
    *resources: Resource,
    person: Resource | None = None,
    block: dict[str, Any] | None = None,
    unread: str | None = None,
) -> dict[str, Any]:
    """The explanation of one or more drafts over one chart."""
    drafts = [draft] if isinstance(draft, dict) else draft
    body = request(drafts, person, resources)
    if unread:
        del body["prefetch"][unread]
    return explain(body, block)


def orders(explanation: dict[str, Any]) -> list[dict[str, Any]]:
    """The orders of an explanation."""
    return list(explanation["orders"])


def ignored(explanation: dict[str, Any]) -> dict[str, str]:
    """Resources not used, with the reason."""
    return {item["resource"]: item["reason"] for item in explanation["ignored"]}


def codes(explanation: dict[str, Any]) -> list[str]:
    """The codes of the reasons of the one order."""
    return [reason["code"] for reason in only_order(explanation)["reasons"]]


def fact(explanation: dict[str, Any], name: str) -> Any:
    """The value of one fact."""
    return explanation["facts"][name]["value"]


def without(resource: Resource, *names: str) -> Resource:
    """A copy without some elements."""
    return {name: value for name, value in resource.items() if name not in names}


def treated(*records: Resource, more: Sequence[Resource] = (LOW,)) -> list[str]:
    """The therapy that the service reads."""
    return [str(text) for text in fact(ask(DXA, *more, *records), "therapy")]
