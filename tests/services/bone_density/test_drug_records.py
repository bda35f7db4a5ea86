"""Records of drugs: courses, classes and reasons for an earlier DXA."""

from __future__ import annotations

import pytest
from bone import (
    DXA,
    EARLY,
    LOW,
    OSTEOPOROSIS,
    Resource,
    ask,
    bmd,
    codes,
    fact,
    ignored,
    statement,
    treated,
    without,
)
from builders import (
    RXNORM,
    condition,
    medication_request,
    patient,
)
from service import card_text, only_order


@pytest.mark.parametrize(
    ("chart", "is_therapy"),
    [
        ([], False),
        ([OSTEOPOROSIS], True),
        ([condition("c", "M85.89")], True),
        ([condition("c", "M81.0", verification="provisional")], False),
        ([OSTEOPOROSIS, condition("c", "C50.911")], False),
        ([OSTEOPOROSIS, condition("c", "C50.911", verification="provisional")], False),
        ([OSTEOPOROSIS, condition("c", "C50.911", clinical="resolved")], True),
        ([OSTEOPOROSIS, condition("c", "E20.9")], False),
        ([OSTEOPOROSIS, condition("c", "E20.9", verification="differential")], False),
        ([OSTEOPOROSIS, condition("c", "I10")], True),
    ],
)
@pytest.mark.parametrize(("rxcui", "name"), [("993449", "denosumab"), ("32915", "teriparatide")])
def test_drug_of_two_indications(
    rxcui: str, name: str, chart: list[Resource], is_therapy: bool
) -> None:
    """A bare denosumab or teriparatide is osteoporosis therapy only where the chart says so."""
    explanation = ask(DXA, LOW, medication_request("m", rxcui, "2024-11-20"), *chart)
    text = card_text(explanation)
    assert bool(fact(explanation, "therapy")) == is_therapy
    assert (f"indication unclear: {name}" in text) == (not is_therapy)


@pytest.mark.parametrize(
    ("record", "therapy"),
    [
        (medication_request("m", "904431", "2024-11-20"), "since 2024-11-20"),
        (medication_request("m", "904431"), "start not recorded"),
        (medication_request("m", "904431", "2026-11-24"), None),
        (medication_request("m", "904431", "2024-11-20", status="on-hold"), None),
        (medication_request("m", "904431", "2024-11-20", status="cancelled"), None),
        (medication_request("m", "904431", "2024-11-20", intent="proposal"), None),
        (medication_request("m", "904431", "2024-11-20", intent="filler-order"), "2024-11-20"),
        (medication_request("m", "904431", "2024-11-20", implicitRules="urn:x"), None),
        (
            medication_request(
                "m",
                "904431",
                "2024-11-20",
                dispenseRequest={"validityPeriod": {"start": "2024-12-01", "end": "2026-11-22"}},
            ),
            None,
        ),
        (
            medication_request(
                "m",
                "904431",
                "2024-11-20",
                dispenseRequest={"validityPeriod": {"start": "2024-12-01", "end": "2026-11-23"}},
            ),
            "since 2024-12-01",
        ),
        (
            medication_request(
                "m", "904431", "2024-11-20", dispenseRequest={"validityPeriod": {"end": "2027"}}
            ),
            "since 2024-11-20",
        ),
        (statement("m", "904431", effectiveDateTime="2024-11-20"), "since 2024-11-20"),
        (statement("m", "904431", effectivePeriod={"end": "2026-11-22"}), None),
        (statement("m", "904431", effectivePeriod={"start": "2024-11", "end": "2027"}), "2024-11"),
        (statement("m", "904431"), "start not recorded"),
    ],
)
def test_course(record: Resource, therapy: str | None) -> None:
    """A course is present by status and stated period, and starts where the record says."""
    found = treated(record)
    assert len(found) == (therapy is not None)
    assert therapy is None or therapy in found[0]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (medication_request("m", "904431", "2026-11-24"), "future-dated"),
        (medication_request("m", "904431", "2024-11-20", status="draft"), "status draft"),
        (without(medication_request("m", "904431"), "status"), "not valid FHIR R4"),
        (medication_request("m", "904431", status="entered-in-error"), "entered-in-error"),
        (medication_request("m", "904431", implicitRules="urn:x"), "modifier-extension"),
    ],
)
def test_drug_that_is_not_used(record: Resource, reason: str) -> None:
    """A drug record that does not count is named with its reason."""
    assert ignored(ask(DXA, LOW, record))["MedicationRequest/m"].startswith(reason)


def test_codes_of_two_drugs() -> None:
    """A record whose codes name two drugs is named and not used, and drugs stay open."""
    record = medication_request("m", "904431", "2024-11-20")
    record["medicationCodeableConcept"]["coding"].append({"system": RXNORM, "code": "198145"})
    explanation = ask(DXA, EARLY, record)
    assert ignored(explanation)["MedicationRequest/m"] == "codes name two different drugs"
    assert only_order(explanation)["timing"] == "unknown"


@pytest.mark.parametrize(
    ("changes", "timing"),
    [
        ({}, "unknown"),
        ({"status": "cancelled"}, "early-without-reason"),
        ({"intent": "plan"}, "early-without-reason"),
    ],
)
def test_drug_that_cannot_be_resolved(changes: Resource, timing: str) -> None:
    """A drug that cannot be resolved leaves drugs open only where it was taken."""
    record = without(medication_request("m", "1", "2024-11-20"), "medicationCodeableConcept")
    record |= {"medicationReference": {"reference": "Medication/elsewhere"}, **changes}
    assert only_order(ask(DXA, EARLY, record))["timing"] == timing


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([("904431", "2022-01-10", "completed"), ("905024", "2025-01-10", "active")], False),
        ([("904431", "2022-01-10", "completed"), ("993456", "2025-01-10", "active")], True),
        ([("904431", "2025-01-10", "completed")], True),
        ([("904431", "2025-01-10", "stopped")], False),
        ([("904431", "2025-01-10", "active")], True),
        ([("904431", None, "active")], False),
    ],
)
def test_class_change(records: list[tuple[str, str | None, str]], reason: bool) -> None:
    """A new class is a reason for an earlier DXA; another drug of the same class is none."""
    drugs = [
        medication_request(f"m{n}", rxcui, start, status=status)
        for n, (rxcui, start, status) in enumerate(records)
    ]
    order = only_order(ask(DXA, EARLY, *drugs))
    assert order["timing"] == f"early-with{'' if reason else 'out'}-reason"


@pytest.mark.parametrize(
    ("rxcui", "status", "reason"),
    [("84857", "active", True), ("84857", "completed", False), ("6809", "active", False)],
)
def test_bone_loss_drug(rxcui: str, status: str, reason: bool) -> None:
    """A present drug that accelerates bone loss is a reason for an earlier DXA."""
    drug = medication_request("m", rxcui, "2025-01-10", status=status)
    order = only_order(ask(DXA, EARLY, drug))
    assert order["timing"] == f"early-with{'' if reason else 'out'}-reason"


def test_fall_is_a_reason() -> None:
    """A fall beyond the facility's LSC is a reason for an earlier DXA; a rise is none."""
    block = {"lsc": [{"device": "Device/A", "site": "lumbar-spine", "value_g_per_cm2": 0.03}]}
    for value, timing in ((0.7, "early-with-reason"), (0.9, "early-without-reason")):
        series = [bmd("b1", 0.8, "2022-01-10"), bmd("b2", value, "2025-06-10")]
        assert only_order(ask(DXA, OSTEOPOROSIS, *series, block=block))["timing"] == timing


ANABOLIC = medication_request("m", "2123126", "2026-10-01")
STOPPED_DENOSUMAB = medication_request("m", "993456", "2024-01-10", status="stopped")
ANDROGEN_DEPRIVATION = medication_request("m", None, "2025-01-10", text="Eligard")


@pytest.mark.parametrize(
    ("records", "sex", "reasons"),
    [
        ([], "female", []),
        ([medication_request("m", "904431", "2026-10-01")], "female", []),
        (
            [medication_request("m", "904431", "2025-08-01")],
            "female",
            ["therapy-started-or-changed"],
        ),
        ([medication_request("m", "904431", "2023-01-10")], "female", []),
        ([ANABOLIC], "female", ["anabolic-drug"]),
        ([{**ANABOLIC, "status": "completed"}], "female", []),
        ([STOPPED_DENOSUMAB], "female", ["denosumab-stopped"]),
        ([{**STOPPED_DENOSUMAB, "status": "completed"}], "female", []),
        (
            [medication_request("m", "904431", "2024-01-10", status="stopped")],
            "female",
            [],
        ),
        ([medication_request("m", "84857", "2025-01-10")], "female", ["other-bone-loss-drug"]),
        ([ANDROGEN_DEPRIVATION], "male", ["other-bone-loss-drug"]),
        ([ANDROGEN_DEPRIVATION], "female", []),
        ([medication_request("m", "198145", "2026-01-10")], "female", ["systemic-glucocorticoid"]),
        ([medication_request("m", "198145", "2026-10-10")], "female", []),
        ([condition("c", "M80.08XA", "2026-10-10")], "female", ["new-fragility-fracture"]),
        ([condition("c", "M80.08XA", "2026-01-10")], "female", []),
        (
            [condition("c", "M80.08XA", "2026-10-10", verification="provisional")],
            "female",
            [],
        ),
        ([condition("c", "E21.0")], "female", ["primary-hyperparathyroidism"]),
        ([condition("c", "E21.0", verification="provisional")], "female", []),
        ([condition("c", "E21.0", clinical="resolved")], "female", []),
        ([condition("c", "E21.1")], "female", []),
    ],
)
def test_reasons_for_an_earlier_dxa(records: list[Resource], sex: str, reasons: list[str]) -> None:
    """What the chart documents as a reason is named, and without any the usual interval is."""
    explanation = ask(DXA, EARLY, OSTEOPOROSIS, *records, person=patient(sex))
    assert fact(explanation, "earlyReasons") == reasons
    assert only_order(explanation)["timing"] == f"early-with{'' if reasons else 'out'}-reason"
    assert [code for code in codes(explanation) if code in reasons] == reasons
