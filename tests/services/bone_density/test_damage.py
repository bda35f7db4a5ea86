"""Damaged charts: what cannot be read leaves a trace and is never absence, however large it is."""

from __future__ import annotations

import time
from typing import Any

import pytest
from bone import DXA, LOW, ask, ignored, report
from builders import (
    LOINC,
    condition,
    medication_request,
    observation,
)


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


@pytest.mark.parametrize("dose", [-10, 0])
def test_dose_of_nothing(dose: float) -> None:
    """A dose of less than something is no dose: how much is taken stays open."""
    steroid = medication_request("s", "198145", "2026-01-01", daily_mg=dose)
    exposure = ask(DXA, LOW, steroid)["facts"]["glucocorticoid"]["value"]
    assert (exposure["threeMonthsOrLonger"], exposure["atVfaDose"]) == (True, None)


def test_names_of_a_megabyte() -> None:
    """A code, unit, name or id as long as a body may be costs no more than its reading."""
    long = "9" * 1_000_000
    began = time.monotonic()
    ask(
        DXA,
        LOW,
        {**LOW, "id": f"é{long}", "device": {"reference": f"é{long}"}},
        condition("c", f"M{long}"),
        condition("s", "x", system=long),
        medication_request("m", None, "2024-05-05", text=long),
        observation("u", "38267-1", -1.5, "2024-05-05", unit=long),
    )
    assert time.monotonic() - began < 2
