"""Where a chart comes from changes nothing: prefetch, the FHIR server, or some of each."""

from __future__ import annotations

import random
from typing import Any

import pytest
from builders import prefetch
from fhir_calls import Caller, Outcome, body
from fhir_charts import charts
from fhir_faulty import FaultyServer
from fhir_real import FhirServer

READ = frozenset(
    {
        "Patient",
        "Observation",
        "Condition",
        "MedicationStatement",
        "MedicationRequest",
        "DiagnosticReport",
        "Procedure",
    }
)
CHARTS = charts()
SYNTHEA = "2021-07-01"


def of_patient(patient_id: str) -> dict[str, Any]:
    """Everything the service reads of one patient, as a complete prefetch."""
    mine = [
        one
        for one in CHARTS
        if one["resourceType"] in READ - {"Patient"}
        and one.get("subject", {}).get("reference") == f"Patient/{patient_id}"
    ]
    (person,) = (
        one for one in CHARTS if one["resourceType"] == "Patient" and one["id"] == patient_id
    )
    return prefetch(person, mine)


PATIENTS = [
    one["id"]
    for one in CHARTS
    if one["resourceType"] == "Patient"
    and any(other.get("subject", {}).get("reference") == f"Patient/{one['id']}" for other in CHARTS)
]


def call(server: str | None, patient_id: str, given: dict[str, Any], token: str) -> Outcome:
    """The answer when this much came with the request."""
    request = body(server, patient_id, token=token, prefetch=given)
    return Caller(deadline_ms=20_000).call(request, SYNTHEA)


@pytest.mark.parametrize("patient_id", PATIENTS)
def test_every_source(fhir_server: FhirServer, patient_id: str) -> None:
    """Prefetch alone, FHIR alone, and half of each: the same decision, the same cards."""
    token = fhir_server.token()
    whole = of_patient(patient_id)
    expected = call(None, patient_id, whole, token)
    keys = sorted(whole)
    random.Random(patient_id).shuffle(keys)  # noqa: S311 - which half is of no matter
    halves = [dict.fromkeys(keys[:3]), dict.fromkeys(keys[3:])]
    for kept in ({}, *halves):
        given = {key: whole[key] for key in kept}
        found = call(fhir_server.base, patient_id, given, token)
        assert found.reasons == expected.reasons
        assert found.decision == expected.decision


@pytest.mark.parametrize(
    "kind", ["pages", "pages-relative", "absolute-refs", "epic", "oracle", "no-post", "flaky"]
)
def test_every_dialect(fhir_server: FhirServer, faulty_server: FaultyServer, kind: str) -> None:
    """Servers that page, that name themselves in references, or that refuse what others allow."""
    if not fhir_server.ours:
        pytest.skip("dialects stand in front of our own server")
    token = fhir_server.token()
    faulty_server.forget()
    for patient_id in PATIENTS[:6]:
        expected = call(None, patient_id, of_patient(patient_id), token)
        argument = "40" if kind.startswith("pages") else None
        found = call(faulty_server.base(kind, argument), patient_id, {}, token)
        assert found.reasons == expected.reasons
        assert found.decision == expected.decision
