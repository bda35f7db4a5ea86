"""The short cut of the FHIR check takes nothing that the models of fhir.resources refuse."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import condition, medication_request, observation, service_request
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cds_service.fhir.checking import CHECKED_TYPES, _model
from cds_service.fhir.plain import is_plain

SYNTHEA = Path(__file__).parents[2] / "fixtures" / "synthea" / "bundles.ndjson.gz"
SUBJECT = {"reference": "Patient/p"}
CONCEPT = {"coding": [{"system": "http://loinc.org", "code": "38267-1", "display": "x y"}]}
EVERYDAY: tuple[dict[str, Any], ...] = (
    observation(
        "a",
        "38267-1",
        -1.8,
        "2024-11-10T09:00:00.123+01:00",
        category=[CONCEPT],
        bodySite=CONCEPT,
        device={"reference": "Device/A", "display": "A b"},
        issued="2024-11-10T09:00:00Z",
        meta={"versionId": "1", "lastUpdated": "2024-11-10T09:00:00Z", "profile": ["urn:x"]},
    ),
    condition("b", "M81.0", "2022-01-10", verification="confirmed", recordedDate="2022-01-11"),
    medication_request("c", "904431", "2024-11-20", text="alendronate 70 mg"),
    service_request(
        "d", "76977", reasonCode=[CONCEPT], priority="routine", authoredOn="2026-11-01"
    ),
    {
        "resourceType": "MedicationStatement",
        "id": "e",
        "status": "active",
        "subject": SUBJECT,
        "medicationCodeableConcept": CONCEPT,
        "effectiveDateTime": "2024-01-01",
    },
    {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1958-03-04"},
    {
        "resourceType": "DiagnosticReport",
        "id": "f",
        "status": "final",
        "code": CONCEPT,
        "subject": SUBJECT,
        "effectiveDateTime": "2024-01-01",
        "result": [{"reference": "Observation/a"}],
    },
    {
        "resourceType": "Procedure",
        "id": "g",
        "status": "completed",
        "code": CONCEPT,
        "subject": SUBJECT,
        "performedDateTime": "2024-01-01",
    },
)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(
        [
            "",
            " ",
            "a b",
            " a",
            "a\n",
            "\u00a0",
            "é",
            "2024",
            "2024-13-01",
            "2024-02-30",
            "2023-02-29",
            "2024-W01-1",
            "0001-01-01",
            "2024-01-01T24:00:00Z",
            "2024-01-01T09:00:00",
            "2024-01-01T09:00:00+14:00",
            "<",
            "urn:x",
        ]
    ),
    st.lists(st.none(), max_size=2),
    st.builds(dict),
    st.builds(lambda: {"coding": []}),
    st.builds(lambda: {"reference": ""}),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items if isinstance(value, dict | list) else ():
        yield from (
            _places(item, (*path, key)) if isinstance(item, dict | list) else iter([(*path, key)])
        )


def _accepted(resource: dict[str, Any]) -> bool:
    try:
        _model(resource["resourceType"]).model_validate(resource)
    except (ValidationError, KeyError, ValueError, TypeError):
        return False
    return True


@pytest.mark.parametrize("resource", EVERYDAY, ids=lambda item: item["resourceType"])
def test_everyday_resources_take_the_short_cut(resource: dict[str, Any]) -> None:
    """Ordinary resources of every type are recognised, and valid."""
    assert is_plain(resource)
    assert _accepted(resource)


@pytest.mark.parametrize("resource", EVERYDAY, ids=lambda item: item["resourceType"])
@pytest.mark.parametrize("modifier", ["modifierExtension", "implicitRules"])
def test_no_plain_shape_has_room_for_a_modifier(resource: dict[str, Any], modifier: str) -> None:
    """What is plain means what it says: readers look for modifiers in all other resources only."""
    assert not is_plain({**resource, modifier: [{"url": "urn:x", "valueBoolean": True}]})
    assert not is_plain({**resource, modifier: "urn:x"})
    assert not is_plain({**resource, modifier: []})


@pytest.mark.parametrize("element", ["active", "deceasedBoolean"])
@pytest.mark.parametrize(("value", "is_short"), [(True, True), ("true", False), (1, False)])
def test_what_is_true(element: str, value: object, is_short: bool) -> None:
    """Only true and false are: the models also take words and numbers for them."""
    resource = {"resourceType": "Patient", "id": "p", element: value}
    assert is_plain(resource) == is_short


@given(st.data())
@settings(max_examples=1500, deadline=None)
def test_nothing_invalid_is_plain(data: st.DataObject) -> None:
    """Whatever is changed, removed or added: what is taken for plain is valid for the models."""
    resource = copy.deepcopy(data.draw(st.sampled_from(EVERYDAY)))
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(_places(resource))
        if not places:
            break
        *path, last = data.draw(st.sampled_from(places))
        holder = resource
        for step in path:
            holder = holder[step]
        change = data.draw(st.sampled_from(["set", "remove", "add"]))
        if change == "remove":
            del holder[last]
        elif change == "add" and isinstance(holder, dict):
            holder[data.draw(st.sampled_from(["text", "extension", "foo", "code", "status"]))] = (
                data.draw(ODD)
            )
        else:
            holder[last] = data.draw(ODD)
    if resource.get("resourceType") in CHECKED_TYPES and is_plain(resource):
        assert _accepted(resource)


def test_synthea() -> None:
    """Of the Synthea records, what is taken for plain is valid, and that is a good part of them."""
    plain = 0
    with gzip.open(SYNTHEA, "rt", encoding="utf-8") as lines:
        for line in list(lines)[:4]:
            for entry in json.loads(line)["entry"]:
                if is_plain(entry["resource"]):
                    plain += 1
                    assert _accepted(entry["resource"])
    assert plain > 100
