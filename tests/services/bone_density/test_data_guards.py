"""How charts really look: what is used, what is named and not used, and what stays unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builders import (
    LOINC,
    PATIENT_ID,
    RXNORM,
    bundle,
    concept,
    condition,
    medication_request,
    observation,
    patient,
    request,
    service_request,
)
from service import card_text, explain, only_order

from cds_service.protocol.advice import ChartNotReadable

DXA = service_request("draft-1", "77080")
QUS = service_request("draft-1", "76977")
LOW = observation("low", "38267-1", -1.8, "2024-11-10")
OSTEOPOROSIS = condition("osteoporosis", "M81.0")


def ignored(explanation: dict[str, Any]) -> dict[str, str]:
    """Resources not used, with the reason."""
    return {item["resource"]: item["reason"] for item in explanation["ignored"]}


def changed(resource: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with elements changed; None takes an element out."""
    found = {**resource, **changes}
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (changed(LOW, status="entered-in-error"), "entered-in-error"),
        (changed(LOW, status="cancelled"), "cancelled"),
        (changed(LOW, status="preliminary"), "status preliminary"),
        (changed(LOW, status="registered"), "status registered"),
        (changed(LOW, status="unknown"), "status unknown"),
        (changed(LOW, status=None), "not valid FHIR R4: status"),
        (changed(LOW, valueQuantity={"value": "abc"}), "not valid FHIR R4"),
        (changed(LOW, valueQuantity={"value": -25, "unit": "{T-score}"}), "value-not-plausible"),
        (changed(LOW, valueQuantity={"value": -2.6, "unit": "g/cm2"}), "unit-contradicts-code"),
        (changed(LOW, valueQuantity={"value": -2.6, "unit": "Z-score"}), "unit-contradicts-code"),
        (changed(LOW, valueQuantity={"value": -2.6, "unit": "bananas"}), "unit-unknown"),
        (
            changed(LOW, valueQuantity={"value": -2.6, "unit": "{T-score}", "code": "g/cm2"}),
            "unit-and-code-disagree",
        ),
        (changed(LOW, valueQuantity=None, valueString="-2.6"), "value-not-a-quantity"),
        (changed(LOW, valueQuantity=None), "no-value"),
        (
            changed(LOW, valueQuantity=None, dataAbsentReason=concept("urn:x", "not-performed")),
            "no-value",
        ),
        (changed(LOW, effectiveDateTime="2026-11-24"), "future-dated"),
        (changed(LOW, effectiveDateTime="2024-11-10 09:00"), "not valid FHIR R4"),
        (
            changed(LOW, modifierExtension=[{"url": "urn:x", "valueBoolean": True}]),
            "modifier-extension-not-understood",
        ),
        (changed(LOW, implicitRules="urn:x"), "modifier-extension-not-understood"),
        (
            changed(
                LOW,
                code={
                    "coding": [
                        {"system": LOINC, "code": "38267-1"},
                        {"system": LOINC, "code": "85394-5"},
                    ]
                },
            ),
            "codes-contradict-each-other",
        ),
        (
            changed(LOW, bodySite=concept("http://snomed.info/sct", "80144004")),
            "body-site-contradicts-code",
        ),
    ],
)
def test_result_that_is_not_used(result: dict[str, Any], reason: str) -> None:
    """A result that must not count is named with its reason and establishes nothing."""
    explanation = explain(request([QUS], resources=[result]))
    assert ignored(explanation)["Observation/low"].startswith(reason)
    order = only_order(explanation)
    assert order["scenario"] in ("insufficient-data", "initial-testing")
    assert order["rating"] is None


@pytest.mark.parametrize(
    ("result", "months"),
    [
        (changed(LOW, valueQuantity={"value": -1.8}), [24, 24]),
        (changed(LOW, valueQuantity={"value": -1.8, "code": "1", "unit": "T-Score"}), [24, 24]),
        (
            changed(LOW, valueQuantity={"value": -2, "comparator": "<", "unit": "{T-score}"}),
            [24, 24],
        ),
        (changed(LOW, status="amended"), [24, 24]),
        (changed(LOW, status="corrected"), [24, 24]),
        (changed(LOW, effectiveDateTime="2024-11-10T23:30:00-08:00"), [24, 24]),
        (changed(LOW, effectiveDateTime="2024-11-10T09:00:00.1234567Z"), [24, 24]),
        (changed(LOW, effectiveDateTime=None, effectivePeriod={"start": "2024-11-10"}), [24, 24]),
        (changed(LOW, effectiveDateTime=None, effectiveInstant="2024-11-10T09:00:00Z"), [24, 24]),
        (changed(LOW, effectiveDateTime="2024-11"), [23, 24]),
        (
            changed(LOW, code=concept("urn:oid:2.16.840.1.113883.6.1", "38267-1")),
            [24, 24],
        ),
        (
            changed(
                LOW,
                code=concept(LOINC, "83311-1"),
                valueQuantity=None,
                component=[
                    {
                        "code": concept(LOINC, "38267-1"),
                        "valueQuantity": {"value": -1.8, "unit": "{T-score}"},
                    }
                ],
            ),
            [24, 24],
        ),
    ],
)
def test_result_that_is_used(result: dict[str, Any], months: list[int]) -> None:
    """Spellings, statuses and shapes that mean a usable result establish low BMD and date it."""
    explanation = explain(request([QUS], resources=[result]))
    order = only_order(explanation)
    assert (order["scenario"], order["rating"]) == ("surveillance", "usually-not-appropriate")
    assert explanation["facts"]["monthsSinceLastDxa"]["value"] == months


def test_undated_result() -> None:
    """A result without a date establishes low BMD; the date of the last DXA stays unknown."""
    explanation = explain(request([DXA], resources=[changed(LOW, effectiveDateTime=None)]))
    order = only_order(explanation)
    assert (order["scenario"], order["timing"]) == ("surveillance", "unknown")
    assert "undated" in card_text(explanation)


@pytest.mark.parametrize(
    ("record", "established"),
    [
        (condition("c", "M81.0", verification="confirmed"), True),
        (condition("c", "M81.0", verification="refuted"), False),
        (condition("c", "M81.0", verification="entered-in-error"), False),
        (condition("c", "M81.0", verification="provisional"), False),
        (condition("c", "M81.0", verification="differential"), False),
        (condition("c", "M81.0", verification="unconfirmed"), False),
        (condition("c", "M81.0", clinical=None), True),
        (condition("c", "M81.0", clinical="recurrence"), True),
        (condition("c", "M8108"), True),
        (condition("c", "m81.0"), True),
        (condition("c", "M81.0", system="urn:oid:2.16.840.1.113883.6.90"), True),
        (condition("c", "64859006", system="http://snomed.info/sct/731000124108"), True),
        (condition("c", "M89.8X9"), False),
        (condition("c", "M85.9"), False),
        (condition("c", "276703007", system="http://snomed.info/sct"), False),
        (condition("c", "M81.0", system="http://hl7.org/fhir/sid/icd-9-cm"), False),
        (changed(OSTEOPOROSIS, code={"text": "osteoporosis"}), False),
        (changed(OSTEOPOROSIS, code={"coding": [{"display": "Osteoporosis"}]}), False),
    ],
)
def test_diagnosis(record: dict[str, Any], established: bool) -> None:
    """A diagnosis counts by code, system and status only; text and look-alikes do not."""
    order = only_order(explain(request([QUS], resources=[record])))
    assert (order["scenario"] == "surveillance") == established


@pytest.mark.parametrize(
    ("person", "scenario"),
    [
        (patient(None, extension=[_SEX]), "surveillance")
        for _SEX in (
            {
                "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-individual-sex",
                "valueCoding": {"system": "http://snomed.info/sct", "code": "248152002"},
            },
            {
                "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex",
                "valueCode": "F",
            },
        )
    ]
    + [
        (patient("other"), "insufficient-data"),
        (patient("unknown"), "insufficient-data"),
        (patient(birth="2030-01-01"), "insufficient-data"),
        (patient(birth="1850-01-01"), "insufficient-data"),
        (patient(birth="1958"), "surveillance"),
        (patient(birth="1971-11"), "insufficient-data"),
    ],
)
def test_patient(person: dict[str, Any], scenario: str) -> None:
    """Sex from gender, then from the US Core extension; partial birth dates are intervals."""
    assert only_order(explain(request([QUS], person, [LOW])))["scenario"] == scenario


def _contained(rxcui: str) -> dict[str, Any]:
    found = medication_request("m", None, "2024-11-20")
    del found["medicationCodeableConcept"]
    return found | {
        "contained": [{"resourceType": "Medication", "id": "d", "code": concept(RXNORM, rxcui)}],
        "medicationReference": {"reference": "#d"},
    }


def _statement(rxcui: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationStatement",
        "id": "m",
        "status": "active",
        "medicationCodeableConcept": concept(RXNORM, rxcui),
        "subject": {"reference": f"Patient/{PATIENT_ID}"},
        "effectivePeriod": {"start": "2024-11-20"},
    } | more


@pytest.mark.parametrize(
    ("record", "therapy"),
    [
        (medication_request("m", "904431", "2024-11-20"), ["alendronate"]),
        (_contained("904431"), ["alendronate"]),
        (_statement("904431"), ["alendronate"]),
        (_statement("904431", status="completed"), []),
        (_statement("904431", status="not-taken"), []),
        (_statement("904431", status="entered-in-error"), []),
        (medication_request("m", "904431", "2024-11-20", intent="plan"), []),
        (medication_request("m", "904431", "2024-11-20", doNotPerform=True), []),
        (medication_request("m", "904431", "2024-11-20", status="draft"), []),
        (
            medication_request("m", None, "2024-11-20", text="alendronate 70 mg weekly"),
            ["alendronate"],
        ),
        (medication_request("m", "2693643", "2024-11-20"), []),
        (medication_request("m", None, "2024-11-20", text="Prolia 60 mg"), ["denosumab"]),
        (medication_request("m", None, "2024-11-20", text="Xgeva 120 mg"), []),
        (medication_request("m", None, "2024-11-20", text="Reclast"), ["zoledronic acid"]),
        (medication_request("m", None, "2024-11-20", text="Zometa"), []),
        (medication_request("m", "904432000", "2024-11-20"), []),
    ],
)
def test_therapy(record: dict[str, Any], therapy: list[str]) -> None:
    """Therapy by product, ingredient or verbatim name; look-alikes and plans do not count."""
    facts = explain(request([DXA], resources=[LOW, record]))["facts"]
    assert [text.split(" (")[0] for text in facts["therapy"]["value"]] == therapy


def test_medication_that_cannot_be_resolved() -> None:
    """A drug that cannot be read leaves drugs incomplete: no "early without reason" on that."""
    record = changed(
        medication_request("m", "1", "2024-11-20"),
        medicationCodeableConcept=None,
        medicationReference={"reference": "Medication/elsewhere"},
    )
    recent = changed(LOW, effectiveDateTime="2025-10-10")
    explanation = explain(request([DXA], resources=[recent, record]))
    assert only_order(explanation)["timing"] == "unknown"
    assert "medication not readable" in ignored(explanation)["MedicationRequest/m"]


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("conditions", {"resourceType": "OperationOutcome"}, "Condition"),
        ("conditions", {}, "Condition"),
        ("conditions", [], "Condition"),
        ("conditions", "none", "Condition"),
        (
            "conditions",
            {
                "resourceType": "Bundle",
                "link": [{"relation": "next", "url": "https://x.example/2"}],
            },
            "Condition",
        ),
        ("conditions", {"resourceType": "Bundle", "total": 9}, "Condition"),
    ],
)
def test_part_not_read(key: str, value: object, part: str) -> None:
    """What is not a complete answer is never read as absence: named, conditional, no suggestion."""
    body = request([QUS], resources=[LOW])
    body["prefetch"][key] = value
    explanation = explain(body)
    order = only_order(explanation)
    assert (order["scenario"], order["ratingStatus"]) == ("insufficient-data", "conditional")
    assert part in {gap["data"] for gap in explanation["unread"]}
    assert "suggestions" not in explanation["response"]["cards"][0]
    body["prefetch"]["observations"] = bundle([])
    with pytest.raises(ChartNotReadable):
        explain(body)


@pytest.mark.parametrize("empty", [None, {"resourceType": "Bundle", "type": "searchset"}])
def test_read_and_empty(empty: object) -> None:
    """`null` and a Bundle without entries are read and empty: nothing is named as unread."""
    body = request([QUS], resources=[LOW])
    body["prefetch"]["conditions"] = empty
    explanation = explain(body)
    assert only_order(explanation)["scenario"] == "surveillance"
    assert explanation["unread"] == []


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (lambda body: body["prefetch"].update(patient=None), True),
        (lambda body: body["prefetch"].pop("patient"), True),
        (lambda body: body["prefetch"]["patient"].update(active=False), True),
        (
            lambda body: body["prefetch"]["patient"].update(
                link=[{"other": {"reference": "Patient/new"}, "type": "replaced-by"}]
            ),
            True,
        ),
        (lambda body: body["prefetch"].pop("observations"), False),
    ],
)
def test_refusal(change: Callable[[dict[str, Any]], object], refused: bool) -> None:
    """A density order needs a readable, active patient; a diagnosis stands in for results."""
    body = request([QUS], resources=[OSTEOPOROSIS])
    change(body)
    if refused:
        with pytest.raises(ChartNotReadable):
            explain(body)
    else:
        assert only_order(explain(body))["scenario"] == "surveillance"


def test_drug_order_is_never_refused() -> None:
    """A call with drug orders only gets an answer even without a readable patient."""
    body = request([medication_request("draft-1", "904431", status="draft")])
    body["prefetch"] = {}
    assert only_order(explain(body))["silence"] == "patient-not-read"


def test_card_shows_hostile_text_as_text() -> None:
    """Text from the chart stands on a card as a code span: no link, no HTML, no new line."""
    hostile = "Device/<script>](javascript:alert(1))`|\u202e\n# x"
    result = changed(LOW, device={"reference": hostile})
    text = card_text(explain(request([DXA], resources=[result])))
    assert "<script>" not in text.replace("`Device/<script>", "")
    assert "\u202e" not in text
    assert "\n# x" not in text


@pytest.mark.parametrize(
    ("subject", "scenario"),
    [(None, "insufficient-data"), ({"identifier": {"value": "1"}}, "insufficient-data")],
)
def test_result_of_nobody_known(subject: Any, scenario: str) -> None:
    """A result whose patient cannot be told is named, not used, and not taken for absent."""
    result = changed(LOW, subject=subject)
    explanation = explain(request([QUS], resources=[result]))
    assert ignored(explanation)["Observation/low"].startswith("subject-")
    assert only_order(explanation)["scenario"] == scenario
    with_diagnosis = explain(request([QUS], resources=[result, OSTEOPOROSIS]))
    assert only_order(with_diagnosis)["scenario"] == "surveillance"
    assert "No prior DXA" not in card_text(with_diagnosis)


def test_other_resource_of_nobody_known() -> None:
    """A record without a subject that no rule reads changes nothing but being named."""
    cholesterol = changed(LOW, id="other", code=concept(LOINC, "2093-3"), subject=None)
    explanation = explain(request([QUS], resources=[LOW, cholesterol]))
    order = only_order(explanation)
    assert (order["scenario"], order["timing"]) == ("surveillance", "on-time")
    assert ignored(explanation) == {"Observation/other": "subject-missing"}
