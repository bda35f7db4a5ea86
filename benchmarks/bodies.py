"""Hook requests of a wanted size in which every request differs."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from typing import Any

LOINC = "http://loinc.org"
PATIENT = {"reference": "Patient/bench-1"}
USED = (
    ("38267-1", -1.8, "{T-score}"),
    ("38264-8", -1.5, "{T-score}"),
    ("38263-0", -1.4, "{T-score}"),
    ("24966-4", 0.91, "g/cm2"),
)
"""Results the decision uses, beside a condition and a medication: six resources or more."""


def bodies(size_bytes: int, count: int, seed: int = 7) -> list[bytes]:
    """`count` requests of about `size_bytes`, each with results and fillers of its own."""
    chance = random.Random(seed)  # noqa: S311 - test data
    return [_body(size_bytes, chance) for _ in range(count)]


def instances(prepared: list[bytes]) -> Iterator[bytes]:
    """The prepared bodies for ever, each time with a new hookInstance."""
    while True:
        for body in prepared:
            yield body.replace(b"@INSTANCE@", str(uuid.uuid4()).encode(), 1)


def _body(size_bytes: int, chance: random.Random) -> bytes:
    observations = [_observation(i, *item, chance) for i, item in enumerate(USED)]
    request = _request(observations)
    missing = size_bytes - len(json.dumps(request))
    one = len(json.dumps({"resource": _filler(0, chance)})) + 2
    fillers = [_filler(i, chance) for i in range(max(0, missing // one))]
    # Prefetch comes as the client's server sorts it: what matters is not in front.
    mixed = fillers + observations
    chance.shuffle(mixed)
    return json.dumps(_request(mixed)).encode()


def _request(observations: list[dict[str, Any]]) -> dict[str, Any]:
    draft = {
        "resourceType": "ServiceRequest",
        "id": "draft-1",
        "status": "draft",
        "intent": "order",
        "code": _concept("http://www.ama-assn.org/go/cpt", "76977"),
        "subject": PATIENT,
    }
    return {
        "hook": "order-select",
        "hookInstance": "@INSTANCE@",
        "context": {
            "userId": "Practitioner/1",
            "patientId": "bench-1",
            "selections": ["ServiceRequest/draft-1"],
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft}]},
        },
        "prefetch": {
            "patient": {
                "resourceType": "Patient",
                "id": "bench-1",
                "gender": "female",
                "birthDate": "1958-03-04",
            },
            "observations": _bundle(observations),
            "conditions": _bundle([_condition()]),
            "medicationStatements": _bundle([]),
            "medicationRequests": _bundle([_medication()]),
            "reports": _bundle([]),
            "procedures": _bundle([]),
        },
    }


def _bundle(resources: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(resources),
        "entry": [
            {
                "fullUrl": f"https://ehr.example.org/fhir/{item['resourceType']}/{item['id']}",
                "resource": item,
            }
            for item in resources
        ],
    }


def _concept(system: str, code: str, display: str | None = None) -> dict[str, Any]:
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]}


def _observation(
    index: int, code: str, value: float, unit: str, chance: random.Random
) -> dict[str, Any]:
    moved = round(value + chance.choice((-0.1, 0, 0.1)) * (0.1 if unit == "g/cm2" else 1), 3)
    return {
        "resourceType": "Observation",
        "id": f"bmd-{index}-{chance.randrange(10**9)}",
        "status": "final",
        "category": [
            _concept("http://terminology.hl7.org/CodeSystem/observation-category", "imaging")
        ],
        "code": _concept(LOINC, code, "DXA bone density"),
        "subject": PATIENT,
        "effectiveDateTime": f"2023-10-{chance.randrange(10, 28)}T09:00:00Z",
        "valueQuantity": {
            "value": moved,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
        "device": {"reference": "Device/scanner-1"},
    }


def _filler(index: int, chance: random.Random) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"other-{index}-{chance.randrange(10**9)}",
        "status": "final",
        "code": _concept(LOINC, "2093-3", "Cholesterol [Mass/volume] in Serum or Plasma"),
        "subject": PATIENT,
        "effectiveDateTime": f"20{chance.randrange(10, 25)}-03-12T08:30:00Z",
        "valueQuantity": {"value": chance.randrange(120, 260), "unit": "mg/dL"},
    }


def _condition() -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": "osteoporosis-1",
        "clinicalStatus": _concept(
            "http://terminology.hl7.org/CodeSystem/condition-clinical", "active"
        ),
        "code": _concept("http://hl7.org/fhir/sid/icd-10-cm", "M81.0"),
        "subject": PATIENT,
        "onsetDateTime": "2022-02-01",
    }


def _medication() -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": "alendronate-1",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": _concept(
            "http://www.nlm.nih.gov/research/umls/rxnorm", "904431"
        ),
        "subject": PATIENT,
        "authoredOn": "2022-02-10",
    }
