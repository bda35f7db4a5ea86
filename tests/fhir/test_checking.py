"""The check of one resource against FHIR R4B: what it takes, and how it names what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from builders import condition, observation

from cds_service.fhir import checking
from cds_service.fhir.checking import CHECKED_TYPES, problem
from cds_service.fhir.plain import is_plain

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "a",
    "status": "final",
    "code": {"text": "x"},
}
UNREADABLE = "not readable as FHIR R4"
NOT_OURS = "resourceType is not one the service reads"


def deep(levels: int) -> list[dict[str, Any]]:
    """Extensions inside extensions."""
    found: list[dict[str, Any]] = []
    for _ in range(levels):
        found = [{"url": "u", "extension": found}] if found else [{"url": "u", "valueCode": "x"}]
    return found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"effectiveDateTime": "2024"}, None),
        ({"effectiveDateTime": "2024-05"}, None),
        ({"effectiveDateTime": "2024-02-29T23:59:59.1234567+01:00"}, None),
        ({"effectivePeriod": {"end": "2024"}}, None),
        ({"extension": [{"url": "https://x.example", "valueCode": "x"}]}, None),
        ({"contained": [{"resourceType": "Patient", "gender": "female"}]}, None),
        ({"valueQuantity": {"value": -1.8, "comparator": "<"}}, None),
        ({"valueRange": {"low": {"value": 1}}}, None),
        ({"valueString": "low"}, None),
        ({"status": 5}, "status: string type"),
        ({"effectiveDateTime": "soon"}, "effectiveDateTime: value error"),
        ({"effectiveDateTime": "2024-01-01T24:00:00Z"}, "effectiveDateTime: value error"),
        ({"effectivePeriod": {"start": "soon"}}, "effectivePeriod.start: value error"),
        ({"valueQuantity": {"value": "x"}}, "valueQuantity.value: value error"),
        ({"valueQuantity": {"value": 1}, "valueString": "x"}, "resource: value error"),
        ({"category": [{}, {"coding": "x"}]}, "category.1.coding: list type"),
        ({"furlong": 1}, "(unknown element): extra forbidden"),
        ({"contained": "x"}, "contained: list type"),
        ({"contained": ["x"]}, "contained.0: json invalid"),
        (
            {"contained": [{"resourceType": "Patient", "gender": 5}]},
            "contained.0.gender: string type",
        ),
        ({"contained": [{"resourceType": "Nope"}]}, "contained resource of an unknown type"),
        ({"contained": [{"resourceType": 5}]}, UNREADABLE),
        ({"contained": [{"resourceType": ["Patient"]}]}, UNREADABLE),
        ({"extension": deep(400)}, UNREADABLE),
        ({"resourceType": "Encounter"}, NOT_OURS),
        ({"resourceType": "observation"}, NOT_OURS),
        ({"resourceType": ["Observation"]}, NOT_OURS),
        ({"resourceType": None}, NOT_OURS),
    ],
)
def test_problem(changes: dict[str, Any], expected: str | None) -> None:
    """The first problem is named by its place and kind, never by a value of the chart."""
    assert problem({**OBSERVATION, **changes}) == expected


@pytest.mark.parametrize("resource_type", CHECKED_TYPES)
def test_every_type_has_its_model(resource_type: str) -> None:
    """Each type that is read is checked by a model of its own."""
    resource = {"resourceType": resource_type, "subject": "x", "patient": "x"}
    assert problem(resource) not in (None, UNREADABLE, NOT_OURS)


def test_warm_up() -> None:
    """After the warm-up no model is loaded while an answer is awaited."""
    checking._model.cache_clear()
    checking.warm_up()
    before = checking._model.cache_info().misses
    for resource_type in CHECKED_TYPES:
        if resource_type != "Patient":  # the empty one is plain, so that its model is not loaded
            problem({"resourceType": resource_type, "furlong": 1})
    assert checking._model.cache_info().misses == before


PLAIN = observation("a", "38267-1", -1.8, "2024-11-10")
PATIENT = {"resourceType": "Patient", "id": "p"}


@pytest.mark.parametrize(
    ("resource", "is_short_cut"),
    [
        (PLAIN, True),
        ({**PLAIN, "effectiveDateTime": "2024-11-10T09:00:00.123Z"}, True),
        ({**PLAIN, "effectiveDateTime": "2024-11-10T09:00:00.123456+13:59"}, True),
        ({**PLAIN, "valueQuantity": {"value": 1, "comparator": "<="}}, True),
        ({**PATIENT, "active": True, "deceasedBoolean": False}, True),
        (condition("c", "M81.0", "2022-01-10"), True),
        ({**PLAIN, "effectiveDateTime": "2024-11"}, False),
        ({**PLAIN, "effectiveDateTime": "2024-02-30"}, False),
        ({**PLAIN, "effectiveDateTime": "2024-02-30T09:00:00Z"}, False),
        ({**PLAIN, "effectiveDateTime": "2024-11-10T25:00:00Z"}, False),
        ({**PLAIN, "effectiveDateTime": "2024-11-10T09:00:00"}, False),
        ({**PLAIN, "effectiveDateTime": "2024-11-10T09:00:00.1234567Z"}, False),
        ({**PLAIN, "effectiveDateTime": 2024}, False),
        ({**PLAIN, "issued": 2024}, False),
        ({**PLAIN, "valueQuantity": {"value": 1, "comparator": "~"}}, False),
        ({**PLAIN, "valueQuantity": {"value": 1, "comparator": 5}}, False),
        ({**PLAIN, "valueQuantity": {"value": True}}, False),
        ({**PLAIN, "valueQuantity": {"value": "1"}}, False),
        ({**PLAIN, "valueQuantity": {"value": float("inf")}}, False),
        ({**PLAIN, "valueQuantity": {"value": 10**400}}, False),
        ({**PLAIN, "valueQuantity": {}}, False),
        ({**PLAIN, "category": []}, False),
        ({**PLAIN, "id": "a b"}, False),
        ({**PLAIN, "status": "final "}, False),
        ({**PLAIN, "extension": [{"url": "u"}]}, False),
        ({**PATIENT, "active": "true"}, False),
        ({**PATIENT, "birthDate": "1958"}, False),
        ({**PATIENT, "birthDate": "1956-02-29"}, False),
        ({**PATIENT, "birthDate": "1958-W10-2"}, False),
        ({**PATIENT, "birthDate": "1958-03-04\n"}, False),
        ({"resourceType": "Observation", "status": "final"}, False),
        ({"resourceType": "Medication", "id": "m"}, False),
        ({}, False),
    ],
)
def test_short_cut(resource: dict[str, Any], is_short_cut: bool) -> None:
    """Only the everyday shape skips the models; everything else is left to them."""
    assert is_plain(resource) is is_short_cut
    if is_short_cut:
        assert problem(resource) is None
