"""A few patients whose charts lead to different decisions; the id says which chart it is.

`c3-000123` is chart 3, the 123rd patient who has it. Any other id is the woman of DEFAULT. The
canned FHIR server answers from these charts, and the soak asks the engine about the same data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

LOINC = "http://loinc.org"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CPT = "http://www.ama-assn.org/go/cpt"
SNOMED = "http://snomed.info/sct"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_ID = re.compile(r"c(?P<chart>[0-9])-(?P<serial>[0-9]+)")

KEYS = {
    "patient": "Patient",
    "observations": "Observation",
    "conditions": "Condition",
    "medicationStatements": "MedicationStatement",
    "medicationRequests": "MedicationRequest",
    "reports": "DiagnosticReport",
    "procedures": "Procedure",
}
"""Prefetch keys with the resource type that each brings."""

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """One patient in short: codes with values and dates, and the CPT code of the draft order."""

    name: str
    birth: str
    order: str
    scores: tuple[tuple[str, float, str], ...] = ()
    diagnoses: tuple[tuple[str, str], ...] = ()
    drugs: tuple[tuple[str, str], ...] = ()
    referenced_drugs: tuple[tuple[str, str], ...] = ()


_SPINE, _HIP = "38267-1", "38264-8"
_ALENDRONATE, _RISEDRONATE = "904431", "905024"

DEFAULT = Chart(
    "default",
    "1956-05-20",
    "76977",
    ((_SPINE, -2.7, "2024-11-10"), (_HIP, -2.1, "2024-11-10")),
    (("M81.0", "2024-11-12"),),
    ((_ALENDRONATE, "2024-11-20"),),
)
CHARTS = (
    Chart(
        "qus-in-surveillance",
        "1958-03-04",
        "76977",
        ((_SPINE, -1.8, "2024-11-10"), (_HIP, -1.5, "2024-11-10")),
        (("M85.89", "2024-11-12"),),
        ((_ALENDRONATE, "2024-11-20"),),
    ),
    Chart(
        "too-soon",
        "1959-06-01",
        "77080",
        (
            (_SPINE, -2.7, "2026-02-10"),
            (_HIP, -2.4, "2026-02-10"),
            (_SPINE, -2.6, "2023-01-17"),
            (_HIP, -2.2, "2023-01-17"),
        ),
        (("M81.0", "2022-01-10"),),
        ((_ALENDRONATE, "2022-02-01"),),
    ),
    Chart("initial-testing", "1960-09-09", "77080"),
    Chart("diagnosis-only", "1955-04-04", "76977", (), (("M81.0", "2019-05-01"),)),
    Chart(
        "conditional-age",
        "1974-05-05",
        "76977",
        ((_SPINE, -2.6, "2024-10-20"), (_HIP, -2.0, "2024-10-20")),
        (("M81.0", "2024-10-25"),),
    ),
    Chart(
        "pregnancy",
        "1990-08-08",
        "77080",
        (("80933-5", -2.3, "2024-08-01"),),
        (("M85.89", "2024-08-10"), ("Z33.1", "2026-09-01")),
    ),
    Chart(
        "early-without-reason",
        "1961-01-15",
        "77080",
        ((_SPINE, -2.9, "2025-06-15"), (_HIP, -2.5, "2025-06-15")),
        (("M81.0", "2020-06-20"),),
        ((_ALENDRONATE, "2020-07-01"),),
    ),
    Chart(
        "early-with-reason",
        "1960-02-11",
        "77080",
        ((_SPINE, -2.8, "2025-10-15"),),
        (("M81.0", "2025-10-20"),),
        (),
        ((_RISEDRONATE, "2025-11-01"),),
    ),
)
_OTHER_CONDITIONS = ("I10", "E78.5", "E11.9", "J45.909", "K21.9", "M17.11", "H25.13", "L40.0")
_OTHER_DRUGS = ("197361", "617310", "861007", "314076", "198211", "310798")


def patient_id(chart: int, serial: int) -> str:
    """The id of a patient with one of the charts."""
    return f"c{chart}-{serial:06d}"


def chart_of(patient: str) -> tuple[Chart, int]:
    """The chart that belongs to a patient id, and which of its patients this is."""
    found = _ID.fullmatch(patient)
    if found is None or int(found["chart"]) >= len(CHARTS):
        return DEFAULT, 0
    return CHARTS[int(found["chart"])], int(found["serial"])


def resources(chart: Chart, patient: str) -> dict[str, list[Resource]]:
    """The chart as FHIR, by resource type, with what does not matter around what does."""
    conditions = [
        _condition(f"diagnosis-{number}", code, onset, patient)
        for number, (code, onset) in enumerate(chart.diagnoses)
    ]
    conditions[1:1] = [
        _condition(f"other-{code.replace('.', '-')}", code, "2018-03-02", patient)
        for code in _OTHER_CONDITIONS
    ]
    requests = [_request(f"other-{code}", code, "2021-04-05", patient) for code in _OTHER_DRUGS] + [
        _request(f"drug-{number}", code, authored, patient)
        for number, (code, authored) in enumerate(chart.drugs)
    ]
    medications = []
    for number, (code, authored) in enumerate(chart.referenced_drugs):
        medications.append(
            {"resourceType": "Medication", "id": f"med-{number}", "code": _coded(RXNORM, code)}
        )
        named = _request(f"referring-{number}", code, authored, patient)
        del named["medicationCodeableConcept"]
        requests.append(named | {"medicationReference": {"reference": f"Medication/med-{number}"}})
    return {
        "Patient": [
            {
                "resourceType": "Patient",
                "id": patient,
                "active": True,
                "gender": "female",
                "birthDate": chart.birth,
            }
        ],
        "Observation": [
            _score(f"score-{number}", *score, patient) for number, score in enumerate(chart.scores)
        ],
        "Condition": conditions,
        "MedicationStatement": [],
        "MedicationRequest": requests,
        "DiagnosticReport": [],
        "Procedure": [_procedure(patient)],
        "Medication": medications,
    }


def searchset(base: str, found: list[Resource]) -> Resource:
    """Resources as a search result."""
    entries = [
        {
            "fullUrl": f"{base}/{item['resourceType']}/{item['id']}",
            "resource": item,
            "search": {"mode": "match"},
        }
        for item in found
    ]
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return bundle | ({"entry": entries} if entries else {})


def prefetched(chart: Chart, patient: str, base: str, keys: tuple[str, ...]) -> Resource:
    """What comes with a request for some of the prefetch keys, as the FHIR server would give it."""
    found = resources(chart, patient)
    return {
        key: found["Patient"][0] if key == "patient" else searchset(base, found[KEYS[key]])
        for key in keys
    }


def draft(chart: Chart, patient: str) -> Resource:
    """The draft order as a Bundle."""
    order = {
        "resourceType": "ServiceRequest",
        "id": "draft-1",
        "status": "draft",
        "intent": "order",
        "code": _coded(CPT, chart.order),
        "subject": {"reference": f"Patient/{patient}"},
    }
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order}]}


def _coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _subject(patient: str) -> Resource:
    return {"subject": {"reference": f"Patient/{patient}"}}


def _score(identifier: str, code: str, value: float, when: str, patient: str) -> Resource:
    unit = "{Z-score}" if code.startswith("8093") else "{T-score}"
    category = _coded(f"{_TERMINOLOGY}/observation-category", "imaging")
    return _subject(patient) | {
        "resourceType": "Observation",
        "id": identifier,
        "status": "final",
        "category": [category],
        "code": _coded(LOINC, code),
        "effectiveDateTime": when,
        "valueQuantity": {"value": value, "unit": unit, "code": unit},
    }


def _condition(identifier: str, code: str, onset: str, patient: str) -> Resource:
    return _subject(patient) | {
        "resourceType": "Condition",
        "id": identifier,
        "clinicalStatus": _coded(f"{_TERMINOLOGY}/condition-clinical", "active"),
        "code": _coded(ICD10CM, code),
        "onsetDateTime": onset,
    }


def _request(identifier: str, code: str, authored: str, patient: str) -> Resource:
    return _subject(patient) | {
        "resourceType": "MedicationRequest",
        "id": identifier,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": _coded(RXNORM, code),
        "authoredOn": authored,
    }


def _procedure(patient: str) -> Resource:
    return _subject(patient) | {
        "resourceType": "Procedure",
        "id": "colonoscopy",
        "status": "completed",
        "code": _coded(SNOMED, "73761001"),
        "performedDateTime": "2019-02-03",
    }
