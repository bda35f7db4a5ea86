"""Conditions, surgery and the person: what they establish, and what they leave open."""

from __future__ import annotations

import pytest
from bone import (
    DXA,
    LOW,
    QUS,
    Resource,
    ask,
    codes,
    fact,
    procedure,
    report,
    without,
)
from builders import (
    ICD10CM,
    SNOMED,
    concept,
    condition,
    patient,
)
from service import card_text, only_order


@pytest.mark.parametrize(
    ("more", "scenario"),
    [
        ({}, "surveillance"),
        ({"code": None}, "insufficient-data"),
        ({"code": "M81.0"}, "insufficient-data"),
        ({"implicitRules": "urn:x"}, "insufficient-data"),
        ({"onsetDateTime": "2020-13-01"}, "insufficient-data"),
    ],
)
def test_condition_that_cannot_be_read(more: Resource, scenario: str) -> None:
    """A condition that may matter and cannot be read leaves the conditions open."""
    order = only_order(ask(DXA, LOW, {**condition("c", "I10"), **more}))
    expected = "surveillance" if "code" not in more and more else scenario
    assert order["scenario"] == expected
    assert only_order(ask(DXA, LOW, {**condition("c", "Z98.1"), **more}))["scenario"] == scenario


def test_condition_without_a_code() -> None:
    """A condition without any code says nothing that the rules read."""
    order = only_order(ask(DXA, LOW, without(condition("c", "I10"), "code")))
    assert (order["scenario"], order["modifiers"]) == ("surveillance", [])


@pytest.mark.parametrize(
    ("record", "modifiers"),
    [
        (condition("c", "Z98.1"), ["spine-unreliable"]),
        (condition("c", "Z98.1", clinical="resolved"), []),
        (condition("c", "Z98.1", clinical="inactive"), []),
        (condition("c", "Z98.1", clinical="relapse"), ["spine-unreliable"]),
        (condition("c", "Z98.1", clinical=None), ["spine-unreliable"]),
        (condition("c", "Z98.1", clinical=None, abatementDateTime="2020-01-01"), []),
        (condition("c", "Z98.1", clinical=None, abatementString="long ago"), []),
        (condition("c", "Z98.1", verification="provisional"), ["spine-unreliable"]),
        (condition("c", "Z98.1", verification="refuted"), []),
        (condition("c", "S32.010A", "2020-01-01", clinical="resolved"), ["spine-unreliable"]),
        (condition("c", "Z96.643", clinical="resolved"), ["hips-unreliable"]),
        (condition("c", "Z96.643", verification="provisional"), []),
        (condition("c", "Z98.1", verification="confirmed"), ["spine-unreliable"]),
        (condition("c", "Z98.1", "2026-11-24"), []),
        (condition("c", "S32.010A", "2020-01-01"), ["spine-unreliable"]),
        (condition("c", "S22.000A", "2020-01-01"), []),
        (
            condition("c", "S32.010A", "2020-01-01", verification="provisional"),
            ["suspected-vertebral-fracture"],
        ),
        (condition("c", "R29.890"), ["suspected-vertebral-fracture"]),
        (condition("c", "R29.890", clinical="resolved"), []),
        (condition("c", "M54.50", "2026-11-20"), ["suspected-vertebral-fracture"]),
        (condition("c", "M54.50", "2026-11-20", clinical="resolved"), []),
        (condition("c", "M54.50", "2026-10"), ["suspected-vertebral-fracture"]),
        (condition("c", "M54.50", "2026-08"), []),
        (condition("c", "M54.50", "2026"), []),
        (condition("c", "Z96.643"), ["hips-unreliable"]),
        (condition("c", "Z96.641"), []),
        (condition("c", "Z96.649"), []),
        (condition("c", "Z79.52"), ["rapid-loss-risk"]),
        (procedure("c", "9631008", None, SNOMED), None),
        (procedure("c", "Z98.1", "2020-01-01", ICD10CM), ["spine-unreliable"]),
        (procedure("c", "Z98.1", None, ICD10CM), ["spine-unreliable"]),
        (procedure("c", "Z98.1", "2020-01-01", ICD10CM, status="not-done"), []),
        (procedure("c", "Z98.1", "2020-01-01", ICD10CM, implicitRules="urn:x"), []),
        (procedure("c", "Z98.1", "2026-11-24", ICD10CM), []),
    ],
)
def test_modifier(record: Resource, modifiers: list[str] | None) -> None:
    """A modifier needs an active, confirmed (or, where suspicion counts, provisional) record."""
    order = only_order(ask(DXA, LOW, record))
    assert order["scenario"] == "surveillance"
    if modifiers is not None:
        assert order["modifiers"] == modifiers


@pytest.mark.parametrize("sides", [("Z96.641", "Z96.642"), ("430688009", "430694001")])
def test_both_hips_by_two_records(sides: tuple[str, str]) -> None:
    """Left and right together are both hips; one of them asks for the other hip."""
    system = ICD10CM if sides[0].startswith("Z") else SNOMED
    first, second = (condition(code, code, system=system) for code in sides)
    assert only_order(ask(DXA, LOW, first, second))["modifiers"] == ["hips-unreliable"]
    one = ask(DXA, LOW, first)
    assert "one-hip-replaced" in codes(one)
    assert only_order(one)["modifiers"] == []


@pytest.mark.parametrize(
    ("found", "is_established"),
    [
        (report("r", "38269-7", "2023-05-05"), True),
        (report("r", "38269-7", None), True),
        (report("r", "38269-7", "2023-05-05", status="amended"), True),
        (report("r", "38269-7", "2023-05-05", status="corrected"), True),
        (report("r", "38269-7", "2023-05-05", status="appended"), True),
        (report("r", "38269-7", "2023-05-05", status="preliminary"), False),
        (report("r", "38269-7", "2026-11-24"), False),
        (report("r", "38269-7", "2023-05-05", implicitRules="urn:x"), False),
        (report("r", "58410-2", "2023-05-05"), True),
    ],
)
def test_coded_conclusion(found: Resource, is_established: bool) -> None:
    """The coded conclusion of a final report establishes low BMD, as a diagnosis does."""
    concluded = {**found, "conclusionCode": [concept(SNOMED, "64859006"), concept(SNOMED, "1")]}
    order = only_order(ask(QUS, concluded))
    assert (order["scenario"] == "surveillance") == is_established
    other = {**found, "conclusionCode": [concept(SNOMED, "1")]}
    assert only_order(ask(QUS, other))["scenario"] != "surveillance"


@pytest.mark.parametrize(
    ("born", "records", "scenario"),
    [
        ("1981-03-04", [], "younger-adult-surveillance"),
        ("1981-03-04", [condition("c", "E28.319")], "surveillance"),
        ("1981-03-04", [condition("c", "E28.319", clinical="resolved")], "surveillance"),
        (
            "1981-03-04",
            [condition("c", "E28.319", verification="provisional")],
            "younger-adult-surveillance",
        ),
        ("1981-03-04", [condition("c", "N95.1")], "younger-adult-surveillance"),
        ("1974-03-04", [condition("c", "N95.1")], "insufficient-data"),
        ("1968-03-04", [condition("c", "N95.1")], "surveillance"),
        (
            "1974-03-04",
            [condition("c", "22636003", system=SNOMED)],
            "younger-adult-surveillance",
        ),
        (
            "1974-03-04",
            [condition("c", "22636003", system=SNOMED, clinical="resolved")],
            "insufficient-data",
        ),
        ("1964-03-04", [condition("c", "22636003", system=SNOMED)], "insufficient-data"),
        (
            "1964-03-04",
            [condition("c", "22636003", system=SNOMED), condition("d", "Z78.0")],
            "surveillance",
        ),
        (None, [condition("c", "Z78.0")], "insufficient-data"),
        (None, [condition("c", "22636003", system=SNOMED)], "insufficient-data"),
    ],
)
def test_menopausal_status(born: str | None, records: list[Resource], scenario: str) -> None:
    """Recorded postmenopause comes before recorded premenopause, and both before age."""
    person = patient(birth=born)
    assert only_order(ask(QUS, LOW, *records, person=person))["scenario"] == scenario


@pytest.mark.parametrize(
    ("record", "is_contradiction"),
    [
        (condition("c", "Z78.0"), True),
        (condition("c", "N95.1"), True),
        (condition("c", "22636003", system=SNOMED), True),
        (condition("c", "Z33.1", clinical="resolved"), False),
        (condition("c", "I10"), False),
    ],
)
def test_man_with_a_status_of_women(record: Resource, is_contradiction: bool) -> None:
    """A menopausal status in a man's record is a contradiction, not a scenario."""
    order = only_order(ask(DXA, LOW, record, person=patient("male", "1958-03-04")))
    assert order["scenario"] == ("insufficient-data" if is_contradiction else "surveillance")


@pytest.mark.parametrize(
    ("extensions", "sex"),
    [
        ([{"url": "sex", "valueCode": "F"}], "female"),
        ([{"url": "sex", "valueCode": "248153007"}], "male"),
        ([{"url": "birthsex", "valueCode": "M"}], "male"),
        ([{"url": "birthsex", "valueCode": "UNK"}], None),
        (
            [{"url": "birthsex", "valueCode": "M"}, {"url": "sex", "valueCode": "248152002"}],
            "female",
        ),
        ([{"url": "race", "valueCode": "F"}], None),
        ([], None),
    ],
)
def test_sex_from_extensions(extensions: list[Resource], sex: str | None) -> None:
    """Without a usable gender the US Core extensions speak, the newer before birth sex."""
    base = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
    person = patient(
        "unknown", extension=[{**item, "url": base + item["url"]} for item in extensions]
    )
    explanation = ask(DXA, LOW, person=person)
    assert fact(explanation, "sex") == sex
    assert fact(ask(DXA, LOW, person=person | {"gender": "female"}), "sex") == "female"


def test_unreadable_birth_date_is_said() -> None:
    """A birth date that is none is told apart from one that is not recorded."""
    missing = card_text(ask(DXA, LOW, person=patient(birth=None)))
    assert "birth date not recorded" in missing
    future = card_text(ask(DXA, LOW, person=patient(birth="2030-01-01")))
    assert "birth date lies in the future" in future
    old = card_text(ask(DXA, LOW, person=patient(birth="1850-01-01")))
    assert "birth date not plausible" in old
