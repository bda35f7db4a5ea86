"""Raw accessors: names, status, references and versions of resources of any type and shape."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.fhir.resources import (
    has_unknown_meaning,
    name_of,
    reference_text,
    resolve,
    status_of,
    version_key,
)

DRUG = {"resourceType": "Medication", "id": "1"}
OTHER = {"resourceType": "Medication", "id": "2"}
INSIDE = {"resourceType": "Medication", "id": "in"}
RELATED = {
    "Medication/1": DRUG,
    "urn:uuid:a": OTHER,
    "https://ehr.example/fhir/Medication/2": OTHER,
}


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ({"resourceType": "Observation", "id": "a"}, "Observation/a"),
        ({"resourceType": "Observation"}, "Observation/(no id)"),
        ({"resourceType": "Observation", "id": 5}, "Observation/(no id)"),
        ({"resourceType": "Observation", "id": None}, "Observation/(no id)"),
        ({"id": "a"}, "(no type)/a"),
        ({"resourceType": "", "id": "a"}, "(no type)/a"),
        ({"resourceType": ["Observation"], "id": "a"}, "(no type)/a"),
        ({}, "(no type)/(no id)"),
    ],
)
def test_name_of(resource: dict[str, Any], name: str) -> None:
    """A resource is named by type and id; what is missing is said."""
    assert name_of(resource) == name


@pytest.mark.parametrize(
    ("resource", "status"),
    [
        ({"status": "final"}, "final"),
        ({"status": "FINAL"}, "FINAL"),
        ({"status": ""}, ""),
        ({"status": None}, None),
        ({"status": 5}, None),
        ({"status": ["final"]}, None),
        ({}, None),
    ],
)
def test_status_of(resource: dict[str, Any], status: str | None) -> None:
    """The status is the code as received; without a string there is none."""
    assert status_of(resource) == status


@pytest.mark.parametrize(
    ("resource", "is_unknown"),
    [
        ({"modifierExtension": [{"url": "x"}]}, True),
        ({"implicitRules": "https://x.example"}, True),
        ({"modifierExtension": "odd"}, True),
        ({"modifierExtension": [], "implicitRules": ""}, False),
        ({"modifierExtension": None}, False),
        ({"extension": [{"url": "x"}]}, False),
        ({}, False),
    ],
)
def test_has_unknown_meaning(resource: dict[str, Any], is_unknown: bool) -> None:
    """Modifier extensions and implicit rules may change the meaning, other extensions never."""
    assert has_unknown_meaning(resource) is is_unknown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"reference": "Medication/1"}, "Medication/1"),
        ({"reference": "#in"}, "#in"),
        ({"reference": ""}, None),
        ({"reference": " "}, None),
        ({"reference": 5}, None),
        ({"identifier": {"value": "1"}}, None),
        ({"display": "Medication/1"}, None),
        ({}, None),
        ("Medication/1", None),
        ([{"reference": "Medication/1"}], None),
        (None, None),
    ],
)
def test_reference_text(value: object, text: str | None) -> None:
    """Only a literal reference is one; identifiers and displays are not."""
    assert reference_text(value) == text


@pytest.mark.parametrize(
    ("reference", "contained", "expected"),
    [
        ("Medication/1", None, DRUG),
        ("Medication/1/_history/3", None, DRUG),
        ("https://ehr.example/fhir/Medication/2/_history/3", None, OTHER),
        ("https://ehr.example/fhir/Medication/2", None, OTHER),
        ("urn:uuid:a", None, OTHER),
        ("urn:uuid:b", None, None),
        ("https://elsewhere.example/fhir/Medication/1", None, None),
        ("Medication/2", None, None),
        ("Patient/1", None, None),
        ("1", None, None),
        ("#in", [INSIDE], INSIDE),
        ("#in", [DRUG, "odd", None, INSIDE], INSIDE),
        ("#in", [DRUG], None),
        ("#in", [], None),
        ("#in", INSIDE, None),
        ("#in", 5, None),
        ("#in", None, None),
        ("#", [INSIDE], None),
        ("#Medication/1", None, None),
        ("in", [INSIDE], None),
        ("", [INSIDE], None),
        (None, [INSIDE], None),
    ],
)
def test_resolve(reference: str | None, contained: object, expected: dict[str, str] | None) -> None:
    """A reference leads to what is contained or came along: relative, absolute, or of a version."""
    resource = {"resourceType": "MedicationRequest", "contained": contained}
    assert resolve({"reference": reference}, resource, RELATED) is expected


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({}, {"versionId": "1"}),
        ({}, {"lastUpdated": "2024-01-01T00:00:00Z"}),
        ({"versionId": "2"}, {"versionId": "10"}),
        ({"versionId": 2}, {"versionId": 10}),
        ({"versionId": "9"}, {"lastUpdated": "2024-01-01T00:00:00Z", "versionId": "1"}),
        ({"lastUpdated": "2024-01-01T00:00:00Z"}, {"lastUpdated": "2024-01-01T00:00:01Z"}),
        (
            {"lastUpdated": "2024-01-01T00:00:00.100Z"},
            {"lastUpdated": "2024-01-01T00:00:00.200Z"},
        ),
        (
            {"lastUpdated": "2024-01-01T00:00:00Z", "versionId": "10"},
            {"lastUpdated": "2024-01-02T00:00:00Z", "versionId": "2"},
        ),
        (
            {"lastUpdated": "2024-01-01T00:00:00Z", "versionId": "2"},
            {"lastUpdated": "2024-01-01T00:00:00Z", "versionId": "10"},
        ),
        (
            {"lastUpdated": "2024-01-01T00:30:00+02:00"},
            {"lastUpdated": "2023-12-31T23:00:00Z"},
        ),
        (
            {"lastUpdated": "2024-01-01T00:00:00Z"},
            {"lastUpdated": "2024-01-01T00:00:00.500Z"},
        ),
        ({"versionId": "9" * 19}, {"versionId": "1" + "0" * 19}),
        ({"lastUpdated": "2024"}, {"lastUpdated": "2023-12-31T23:00:00Z"}),
        ({"lastUpdated": None, "versionId": None}, {"versionId": "1"}),
        ("odd", {"versionId": "1"}),
        (None, {"versionId": "1"}),
    ],
)
def test_version_key(older: object, newer: object) -> None:
    """Of two copies the one that was updated later is newer, then the one of a higher version."""
    assert version_key({"meta": older}) < version_key({"meta": newer})


@pytest.mark.parametrize("resource", [{}, {"meta": {}}, {"meta": "odd"}, {"meta": []}])
def test_no_version(resource: dict[str, Any]) -> None:
    """A copy that says nothing of its version is newer than none."""
    assert not version_key(resource) > version_key({})
