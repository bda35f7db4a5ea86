"""Damaged charts: what cannot be read leaves a trace and is never absence, however large it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from bone import DXA, EARLY, LOW, OSTEOPOROSIS, Resource, ask, ignored, procedure, report, without
from builders import (
    ICD10CM,
    LOINC,
    concept,
    condition,
    medication_request,
    observation,
    request,
)
from service import explain, only_order


def unread(explanation: dict[str, Any]) -> set[str]:
    """The types of which not everything could be read."""
    return {gap["data"] for gap in explanation["unread"]}


SAYS_LITTLE = [{"text": "x"}, {"coding": [{"system": LOINC, "display": "x"}]}]
HIDES_A_CODE = [
    {"coding": ["x"]},
    {"coding": "x"},
    {"coding": {}},
    {"coding": {"system": LOINC, "code": "38267-1"}},
    {"coding": [{"system": LOINC, "code": 5}]},
    {"coding": [{"system": LOINC, "code": "x"}, {"system": LOINC, "code": ["38267-1"]}]},
]


@pytest.mark.parametrize("code", [None, "38267-1", *HIDES_A_CODE, *SAYS_LITTLE])
def test_observation_with_an_unreadable_code(code: object) -> None:
    """An Observation whose code is damaged may be a result: it is named, results are open."""
    broken = {**observation("b", "1", 1, "2024-05-05"), "code": code}
    explanation = ask(DXA, OSTEOPOROSIS, EARLY, broken)
    is_open = code not in SAYS_LITTLE
    assert ("Observation/b" in ignored(explanation)) == is_open
    assert only_order(explanation)["timing"] == ("unknown" if is_open else "early-without-reason")
    void = ask(DXA, OSTEOPOROSIS, EARLY, {**broken, "status": "entered-in-error"})
    assert ("Observation/b" in ignored(void)) == (not isinstance(code, dict))


@pytest.mark.parametrize("inner", [{}, "x", ["x"], [{"code": code} for code in HIDES_A_CODE], [{}]])
def test_components_with_an_unreadable_code(inner: object) -> None:
    """A component whose code is damaged may be a result."""
    broken = {**observation("b", "85354-9", None, "2024-05-05"), "component": inner}
    assert unread(ask(DXA, OSTEOPOROSIS, EARLY, broken)) == {"Observation"}


def test_result_whose_code_system_is_damaged() -> None:
    """A code of a result without a readable system is no other code."""
    coding = {"system": {}, "code": "38267-1"}
    broken = {**observation("b", "1", 1, "2024-05-05"), "code": {"coding": [coding]}}
    assert unread(ask(DXA, OSTEOPOROSIS, EARLY, broken)) == {"Observation"}


@pytest.mark.parametrize("code", [*HIDES_A_CODE, *SAYS_LITTLE])
def test_other_resources_with_an_unreadable_code(code: Resource) -> None:
    """A condition, report, procedure or drug whose code is damaged may be one that matters."""
    damaged = {
        "Condition": {**condition("x", "Z00.0"), "code": code},
        "DiagnosticReport": {**report("x", "1", "2024-05-05"), "code": code},
        "Procedure": {**procedure("x", "1", "2024-05-05"), "code": code},
        "MedicationRequest": {
            **medication_request("x", "1", "2024-05-05"),
            "medicationCodeableConcept": code,
        },
    }
    for kind, resource in damaged.items():
        explanation = ask(DXA, OSTEOPOROSIS, EARLY, resource)
        assert unread(explanation) == (set() if code in SAYS_LITTLE else {kind})
        assert (f"{kind}/x" in ignored(explanation)) == (code not in SAYS_LITTLE)
    concluded = {**report("x", "1", "2024-05-05"), "conclusionCode": [code]}
    expected = set() if code in SAYS_LITTLE else {"DiagnosticReport"}
    assert unread(ask(DXA, OSTEOPOROSIS, EARLY, concluded)) == expected


@pytest.mark.parametrize("code", [*HIDES_A_CODE, *SAYS_LITTLE])
def test_medication_with_an_unreadable_code(code: Resource) -> None:
    """A drug that is told in a Medication is open when the code there is damaged."""
    drug = medication_request("x", None, "2024-05-05", medicationReference={"reference": "#m"})
    del drug["medicationCodeableConcept"]
    medication = {"resourceType": "Medication", "id": "m", "code": code}
    expected = set() if code in SAYS_LITTLE else {"MedicationRequest"}
    assert unread(ask(DXA, LOW, {**drug, "contained": [medication]})) == expected
    drug["medicationReference"] = {"reference": "Medication/m"}
    body = request([DXA], resources=[LOW, drug])
    body["prefetch"]["medicationRequests"]["entry"].append(
        {"resource": medication, "search": {"mode": "include"}}
    )
    assert unread(explain(body)) == expected


def test_drug_that_says_nothing() -> None:
    """An empty concept names no drug, no more than a missing one; a plan is no drug taken."""
    drug = {**medication_request("x", None, "2024-05-05"), "medicationCodeableConcept": {}}
    assert ignored(ask(DXA, LOW, drug)) == {"MedicationRequest/x": "medication not readable"}
    damaged = {**drug, "medicationCodeableConcept": HIDES_A_CODE[0], "intent": "plan"}
    assert unread(ask(DXA, LOW, damaged)) == set()


def test_unmatched_with_an_unreadable_code() -> None:
    """A resource that does not say whose it is, nor what, may be one that matters."""
    stray = without({**observation("b", "1", 1, "2024-05-05"), "code": HIDES_A_CODE[0]}, "subject")
    assert unread(ask(DXA, OSTEOPOROSIS, EARLY, stray)) == {"Observation"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": 5}, "not valid FHIR R4"),
        ({"status": None}, "not valid FHIR R4"),
        ({"status": "preliminary"}, "status preliminary"),
        ({"status": "entered-in-error"}, "entered-in-error"),
        ({"effectiveDateTime": "2027-01-01"}, "future-dated"),
    ],
)
def test_conclusion_that_is_not_used(changes: Resource, reason: str) -> None:
    """A report that concludes osteoporosis and cannot be used is named, whatever its own code."""
    concluded = report("x", "1", "2024-05-05", conclusionCode=[concept(ICD10CM, "M81.0")])
    explanation = ask(DXA, LOW, {**concluded, **changes})
    assert ignored(explanation)["DiagnosticReport/x"].startswith(reason)
    assert unread(explanation) == ({"DiagnosticReport"} if "FHIR" in reason else set())


@pytest.mark.parametrize("status", [5, None, "not-done", "in-progress"])
def test_surgery_that_is_not_used(status: object) -> None:
    """A hip replacement whose status cannot be read is open; one not done is only named."""
    surgery = {**procedure("x", "Z96.641", "2020-01-01", ICD10CM), "status": status}
    explanation = ask(DXA, LOW, surgery)
    assert "Procedure/x" in ignored(explanation)
    assert unread(explanation) == (set() if isinstance(status, str) else {"Procedure"})


@pytest.mark.parametrize(
    "changes",
    [
        {"status": 5},
        {"status": None},
        {"effectiveDateTime": "20-1-1"},
        {"effectiveDateTime": 1_700_000_000},
        {"valueQuantity": {"value": "159", "unit": "cm"}},
        {"valueQuantity": {"value": 159, "unit": {}}},
    ],
)
def test_height_that_is_damaged(changes: Resource) -> None:
    """A height that cannot be read may be the one that tells of a loss: results are open."""
    tall = observation("tall", "8302-2", 165, "2010-01-01", unit="cm")
    short = observation("short", "8302-2", 159, "2025-01-01", unit="cm")
    assert unread(ask(DXA, LOW, tall, {**short, **changes})) == {"Observation"}
    void = {**short, **changes, "status": "entered-in-error"}
    assert unread(ask(DXA, LOW, tall, void)) == set()


def test_date_that_is_a_number() -> None:
    """Seconds since 1970 are no date of FHIR: a fracture is not taken for one without a date."""
    fracture = condition("f", "M80.08XA", verification="confirmed", recordedDate=1_790_000_000)
    period = report("r", "38269-7", None, effectivePeriod={"start": 1_790_000_000})
    explanation = ask(DXA, LOW, fracture, period)
    assert ignored(explanation) == {
        "Condition/f": "not valid FHIR R4: recordedDate: no text",
        "DiagnosticReport/r": "not valid FHIR R4: effectivePeriod.start: no text",
    }
    assert unread(explanation) == {"Condition", "DiagnosticReport"}


@pytest.mark.parametrize("word", ["true", "no", 1, 0.0])
def test_boolean_that_is_none(word: object) -> None:
    """A word or a number is no boolean: whether a drug is to be taken stays open."""
    drug = {**medication_request("m", "904431", "2025-01-01"), "doNotPerform": word}
    explanation = ask(DXA, LOW, drug)
    assert ignored(explanation) == {
        "MedicationRequest/m": "not valid FHIR R4: doNotPerform: no boolean"
    }
    assert unread(explanation) == {"MedicationRequest"}


def test_boolean_that_is_none_inside_a_list() -> None:
    """However deep it stands."""
    instructions = [{"text": "weekly"}, {"asNeededBoolean": "yes"}]
    drug = medication_request("m", "904431", "2025-01-01", dosageInstruction=instructions)
    assert ignored(ask(DXA, LOW, drug)) == {
        "MedicationRequest/m": "not valid FHIR R4: dosageInstruction.asNeededBoolean: no boolean"
    }


def test_intent_that_is_no_intent() -> None:
    """Whether a drug was ordered stays open; what stands there is not repeated."""
    drug = medication_request("m", "904431", "2025-01-01", intent="Mrs Miller")
    explanation = ask(DXA, LOW, drug)
    assert ignored(explanation) == {"MedicationRequest/m": "not said whether it is taken"}
    assert unread(explanation) == {"MedicationRequest"}


@pytest.mark.parametrize("dose", [-10, 0])
def test_dose_of_nothing(dose: float) -> None:
    """A dose of less than something is no dose: how much is taken stays open."""
    steroid = medication_request("s", "198145", "2026-01-01", daily_mg=dose)
    exposure = ask(DXA, LOW, steroid)["facts"]["glucocorticoid"]["value"]
    assert (exposure["threeMonthsOrLonger"], exposure["atVfaDose"]) == (True, None)


def test_scan_without_an_id_beside_a_result_without_an_id() -> None:
    """Two Observations without an id have one name and are two: the later scan is not lost."""
    scan = without(observation("x", "38269-7", None, "2026-05-05"), "id")
    explanation = ask(DXA, without(LOW, "id"), scan)
    assert only_order(explanation)["timing"] == "too-soon"


def test_report_of_a_result_without_an_id() -> None:
    """A report on one of two results without an id is dated by that one's site."""
    forearm = without(observation("x", "38265-5", -1.5, "2020-01-01"), "id")
    body = request(
        [DXA], resources=[forearm, without(LOW, "id"), report("r", "38269-7", "2026-05-05")]
    )
    body["prefetch"]["observations"]["entry"][0]["fullUrl"] = "urn:uuid:forearm"
    found = body["prefetch"]["reports"]["entry"][0]["resource"]
    found["result"] = [{"reference": "urn:uuid:forearm"}]
    assert only_order(explain(body))["timing"] == "on-time"


@pytest.mark.parametrize("make", [
    lambda status: observation("x", "38267-1", -1.5, "2024-05-05", status=status),
    lambda status: report("x", "38269-7", "2024-05-05", status=status),
    lambda status: procedure("x", "77080", "2024-05-05", status=status),
    lambda status: medication_request("x", "904431", "2024-05-05", status=status),
])  # fmt: skip
def test_status_that_is_no_status(make: Callable[[str], Resource]) -> None:
    """What stands there as a status may be anything: it is not repeated, and not recorded."""
    resource = make("Mrs Miller")
    reason = ignored(ask(DXA, LOW, resource))[f"{resource['resourceType']}/x"]
    assert reason in ("status not known", "not said whether it is taken")


def test_names_of_a_megabyte() -> None:
    """A code, unit, name or id as long as a body may be costs no more than its reading."""
    long = "9" * 1_000_000
    began = time.process_time()
    ask(
        DXA,
        LOW,
        {**LOW, "id": f"é{long}", "device": {"reference": f"é{long}"}},
        condition("c", f"M{long}"),
        condition("s", "x", system=long),
        medication_request("m", None, "2024-05-05", text=long),
        observation("u", "38267-1", -1.5, "2024-05-05", unit=long),
    )
    assert time.process_time() - began < 8


def test_thousands_of_damaged_heights() -> None:
    """Each is looked at once, not once for each of the others."""
    heights = [
        observation(f"h{count}", "8302-2", 165, "2020-01-01", unit="cm", device=5)
        for count in range(6000)
    ]
    began = time.process_time()
    assert unread(ask(DXA, LOW, *heights)) == {"Observation"}
    assert time.process_time() - began < 8
