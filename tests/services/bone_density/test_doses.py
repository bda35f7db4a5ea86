"""Doses and supplies of glucocorticoids and of therapy."""

from __future__ import annotations

from typing import Any

import pytest
from bone import (
    DXA,
    LOW,
    VFA,
    Resource,
    ask,
    fact,
    without,
)
from builders import (
    condition,
    medication_request,
)
from service import card_text, only_order


def dosed(*instructions: Any) -> Resource:
    """Prednisone 5 mg tablets (since January) with dosage instructions."""
    return medication_request("m", "312617", "2026-01-15", dosageInstruction=list(instructions))


def instruction(
    quantity: Any = None,
    repeat: Any = None,
    **more: Any,
) -> Resource:
    """One dosage instruction, once a day unless told otherwise."""
    return {
        "doseAndRate": [{"doseQuantity": quantity or {"value": 5, "unit": "mg"}}],
        "timing": {"repeat": repeat or {"frequency": 1, "period": 1, "periodUnit": "d"}},
    } | more


TABLETS = {"value": 1, "unit": "{tbl}"}


@pytest.mark.parametrize(
    ("instructions", "reaches"),
    [
        ([instruction()], True),
        ([instruction({"value": 4, "unit": "mg"})], False),
        ([instruction({"value": 0.005, "unit": "g"})], True),
        ([instruction({"value": 5, "unit": "mg", "comparator": "<"})], None),
        ([instruction(TABLETS)], True),
        ([instruction({"value": 0.5, "unit": "tablet"})], False),
        ([instruction({"value": 1, "code": "{capsule}"})], True),
        ([instruction({"value": 1, "unit": "capsule"})], True),
        ([instruction({"value": 1, "unit": "puff"})], None),
        ([instruction({"unit": "mg"})], None),
        ([instruction(repeat={"frequency": 2, "period": 1, "periodUnit": "d"})], True),
        ([instruction(repeat={"frequency": 1, "period": 2, "periodUnit": "d"})], False),
        (
            [
                instruction(
                    {"value": 10, "unit": "mg"},
                    {"frequency": 1, "period": 2, "periodUnit": "d"},
                )
            ],
            True,
        ),
        (
            [
                instruction(
                    {"value": 35, "unit": "mg"},
                    {"frequency": 1, "period": 1, "periodUnit": "wk"},
                )
            ],
            True,
        ),
        (
            [
                instruction(
                    {"value": 34, "unit": "mg"},
                    {"frequency": 1, "period": 1, "periodUnit": "wk"},
                )
            ],
            False,
        ),
        (
            [
                instruction(
                    {"value": 150, "unit": "mg"},
                    {"frequency": 1, "period": 1, "periodUnit": "mo"},
                )
            ],
            True,
        ),
        ([instruction(repeat={"period": 1, "periodUnit": "d"})], True),
        ([instruction(repeat={"frequency": 1, "period": 1, "periodUnit": "h"})], None),
        ([instruction(repeat={"frequency": 1, "period": 0, "periodUnit": "d"})], None),
        ([instruction(repeat={"frequency": 1, "periodUnit": "d"})], None),
        ([instruction(timing={"event": ["2026-01-15"]})], None),
        ([instruction(asNeededBoolean=True)], None),
        ([instruction(asNeededBoolean=False)], True),
        ([instruction({"value": 3, "unit": "mg"}), instruction({"value": 2, "unit": "mg"})], True),
        (
            [instruction({"value": 3, "unit": "mg"}), instruction({"value": 1, "unit": "mg"})],
            False,
        ),
        ([instruction(), instruction({"value": 1, "unit": "puff"})], None),
        ([{"text": "5 mg daily"}], None),
        ([instruction(doseAndRate=[])], None),
        ([], None),
    ],
)
def test_dose(instructions: list[Resource], reaches: bool | None) -> None:
    """The daily dose is read where it is structured, in mg or tablets, and added up; else open."""
    record = dosed(*instructions)
    if not instructions:
        del record["dosageInstruction"]
    explanation = ask(VFA, LOW, record)
    assert fact(explanation, "glucocorticoid")["atVfaDose"] is reaches
    order = only_order(explanation)
    assert ("vfa-criteria-met" in order["modifiers"]) == (reaches is True)
    assert order["ratingStatus"] == ("rated" if reaches is False else "conditional")


@pytest.mark.parametrize(
    ("rxcui", "daily_mg", "reaches"),
    [
        ("197783", 20, True),
        ("197783", 19, False),
        ("343033", 0.75, True),
        ("343033", 0.74, False),
        ("259966", 4, True),
        ("259966", 3.9, False),
        ("198145", 5, True),
        ("1870954", 18, None),
    ],
)
def test_prednisone_equivalents(rxcui: str, daily_mg: float, reaches: bool | None) -> None:
    """Glucocorticoids count by their prednisone equivalent; without one the dose stays open."""
    drug = medication_request("m", rxcui, "2026-01-15", daily_mg=daily_mg)
    found = fact(ask(VFA, LOW, drug), "glucocorticoid")
    assert found["threeMonthsOrLonger"] is True
    assert found["atVfaDose"] is reaches


@pytest.mark.parametrize(
    ("doses", "reaches"),
    [
        ([("198145", 3), ("198145", 3)], None),
        ([("198145", 5), ("198145", 5)], True),
        ([("198145", 2), ("198145", 2)], False),
        ([("198145", 3), ("259966", 2)], True),
    ],
)
def test_two_records_of_one_drug(doses: list[tuple[str, float]], reaches: bool | None) -> None:
    """Two records of one drug may be one prescription: whether they add up stays open."""
    records = [
        medication_request(f"m{number}", rxcui, "2026-01-15", daily_mg=daily_mg)
        for number, (rxcui, daily_mg) in enumerate(doses)
    ]
    assert fact(ask(VFA, LOW, *records), "glucocorticoid")["atVfaDose"] is reaches


@pytest.mark.parametrize(
    ("supply", "is_long"),
    [
        ({"expectedSupplyDuration": {"value": 100, "unit": "days", "code": "d"}}, True),
        ({"expectedSupplyDuration": {"value": 100, "unit": "days"}}, True),
        ({"expectedSupplyDuration": {"value": 100, "unit": "Day"}}, True),
        ({"expectedSupplyDuration": {"value": 15, "code": "wk"}}, True),
        ({"expectedSupplyDuration": {"value": 15, "unit": "wk"}}, True),
        ({"expectedSupplyDuration": {"value": 100, "unit": "d"}}, True),
        ({"expectedSupplyDuration": {"value": 4, "code": "mo"}}, True),
        ({"expectedSupplyDuration": {"value": 1, "code": "a"}}, True),
        ({"expectedSupplyDuration": {"value": 30, "code": "d"}, "numberOfRepeatsAllowed": 3}, True),
        ({"expectedSupplyDuration": {"value": 30, "code": "d"}}, False),
        ({"expectedSupplyDuration": {"value": 1, "code": "d"}, "numberOfRepeatsAllowed": 99}, True),
        (
            {"expectedSupplyDuration": {"value": 1, "code": "d"}, "numberOfRepeatsAllowed": 100},
            False,
        ),
        ({"expectedSupplyDuration": {"value": 0, "code": "d"}}, False),
        ({"expectedSupplyDuration": {"value": 100, "code": "h"}}, False),
        ({"expectedSupplyDuration": {"unit": "days"}}, False),
        ({}, False),
    ],
)
def test_supply(supply: Resource, is_long: bool) -> None:
    """A completed order covers the days it supplied, repeats included, and no others."""
    drug = medication_request(
        "m", "198145", "2026-08-20", status="completed", dispenseRequest=supply
    )
    order = only_order(ask(DXA, LOW, drug))
    assert ("rapid-loss-risk" in order["modifiers"]) == is_long


def test_glucocorticoid_without_dates() -> None:
    """An undated present glucocorticoid has no known length; a coded long-term use has."""
    drug = medication_request("m", "198145")
    explanation = ask(DXA, LOW, drug)
    found = fact(explanation, "glucocorticoid")
    assert found["drugs"] == ["prednisone"]
    assert (found["months"], found["threeMonthsOrLonger"]) == (None, False)
    coded = ask(DXA, LOW, drug, condition("c", "Z79.52"))
    assert fact(coded, "glucocorticoid")["threeMonthsOrLonger"] is True


def test_glucocorticoid_of_several_records() -> None:
    """Records that join are one exposure from the first day on, also across a change of drug."""
    drugs = [
        medication_request("m1", "198145", "2026-06-01", status="completed"),
        medication_request("m2", "198145", "2026-06-20", status="completed"),
        medication_request("m3", "198145", "2026-07-15"),
    ]
    found = fact(ask(DXA, LOW, *drugs), "glucocorticoid")
    assert found["months"] == 5
    apart = fact(ask(DXA, LOW, drugs[0], drugs[2]), "glucocorticoid")
    assert apart["months"] == 4


@pytest.mark.parametrize(
    ("dispense", "months"),
    [
        ({"validityPeriod": {"start": "2026-06-10", "end": "9999-12-31"}}, 5),
        ({"expectedSupplyDuration": {"value": 9e9, "code": "d"}}, 5),
        (
            {
                "validityPeriod": {"start": "9999-12-31"},
                "expectedSupplyDuration": {"value": 30, "code": "d"},
            },
            None,
        ),
    ],
)
def test_glucocorticoid_to_the_end_of_time(dispense: Resource, months: int | None) -> None:
    """A record system's last day of all, or a supply beyond it, is a day like others."""
    drug = medication_request("m", "198145", "2026-06-10", dispenseRequest=dispense)
    assert fact(ask(DXA, LOW, drug), "glucocorticoid")["months"] == months


@pytest.mark.parametrize("end", ["2022-06-01", "9999-12-31"])
def test_drugs_without_an_id(end: str) -> None:
    """Two records that begin on one day and have no id are in no order, and need none."""
    open_ended = without(medication_request("m", "904431", "2022-01-10"), "id")
    ended = open_ended | {"dispenseRequest": {"validityPeriod": {"end": end}}}
    for records in ([open_ended, ended], [ended, open_ended]):
        assert "alendronate, since 2022-01-10." in card_text(ask(DXA, LOW, *records))


def test_empty_list_of_instructions() -> None:
    """An empty list of instructions is no dose of nothing."""
    record = dosed()
    assert record["dosageInstruction"] == []
    found = fact(ask(VFA, LOW, record), "glucocorticoid")
    assert (found["drugs"], found["atVfaDose"]) == (["prednisone"], None)
