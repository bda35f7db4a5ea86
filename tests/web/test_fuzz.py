"""Thousands of damaged requests: never an error of ours, every body valid by our own schemas."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from builders import (
    bundle,
    condition,
    medication_request,
    observation,
    patient,
    request,
    service_request,
)
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service import explain

from cds_service.fhir.checking import problem
from cds_service.fhir.codings import is_readable
from cds_service.protocol.validation import problems

URL = "/cds-services/bone-density-imaging"
RESULTS = [
    observation("t", "38267-1", -2.6, "2024-11-10", device={"reference": "Device/A"}),
    observation("bmd-1", "24966-4", 0.9, "2022-10-01", unit="g/cm2"),
    observation("bmd-2", "24966-4", 0.83, "2024-11-10", unit="g/cm2"),
    observation("height", "8302-2", 165, "2020-01-01", unit="cm"),
    condition("dx", "M81.0", "2022-01-01", verification="confirmed"),
    condition("pain", "M54.50", "2026-11-01"),
    medication_request("drug", "904431", "2022-02-01", text="alendronate"),
    medication_request("steroid", "198145", "2026-01-01", daily_mg=10),
]
BODIES = tuple(
    request(
        [service_request("draft-1", code), medication_request("draft-2", "904431", status="draft")],
        patient(),
        RESULTS,
        hook=hook,
    )
    for hook in ("order-select", "order-sign")
    for code in ("77080", "76977", "77086", "77081")
)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        ["", "entered-in-error", "Patient/other", "Patient/pat-1", "urn:uuid:x", "2024", "2024-13",
         "9999-12-31", "0001-01-01", "2024-11-10T23:59:60Z", "resourceType", "OperationOutcome"]
    ),
    st.builds(dict),
    st.builds(list),
    st.builds(lambda: [None]),
    st.builds(lambda: {"resourceType": "OperationOutcome"}),
    st.builds(lambda: {"reference": "#x"}),
    st.builds(lambda: copy.deepcopy(bundle(RESULTS[:2]))),  # a later damage must not reach RESULTS
)  # fmt: skip


SMALL = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, -5, 10**18, 2**63, 10**63, 1e308, -1e308, 5e-324, -0.0]),
    st.sampled_from(
        ["0001", "0001-01-01", "0001-01-01T00:00:00+14:00", "9999", "9999-12-31",
         "9999-12-31T23:59:59-14:00", "2024-11-10T24:00:00Z", "2024-11-10T23:59:60Z", "2026-11-23"]
    ),
    st.sampled_from(
        ["", "\0", "\u202e", "x", "é" * 300, "9" * 400, "#m", "urn:uuid:x", "http://[", "next",
         "Patient/pat-1", "Observation/t", "77080", "M81.0", "38267-1", "active", "stopped", "mg"]
    ),
)  # fmt: skip
"""Ends of the calendar and of numbers, text that no name has, and words that mean something."""
NAMES = st.sampled_from(
    ["coding", "code", "system", "text", "value", "unit", "comparator", "reference", "start", "end",
     "url", "repeat", "period", "frequency", "lastUpdated", "versionId", "resourceType", "id"]
)  # fmt: skip
VALUES = st.recursive(
    SMALL,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=4,
)
"""What stands in the place of something else: of any shape, with the names of FHIR in it."""
ELEMENTS = {
    "Patient": ("gender", "birthDate", "deceasedDateTime", "active", "link", "extension", "meta"),
    "Observation": (
        "status", "code", "effectiveDateTime", "effectivePeriod", "valueQuantity", "component",
        "hasMember", "bodySite", "device", "dataAbsentReason", "contained", "meta", "id",
    ),
    "Condition": (
        "code", "clinicalStatus", "verificationStatus", "onsetDateTime", "onsetPeriod",
        "abatementDateTime", "recordedDate", "contained", "meta", "id",
    ),
    "MedicationRequest": (
        "status", "intent", "doNotPerform", "medicationCodeableConcept", "medicationReference",
        "authoredOn", "dosageInstruction", "dispenseRequest", "contained", "meta", "id",
    ),
    "ServiceRequest": (
        "status", "intent", "code", "bodySite", "doNotPerform", "subject", "priority", "requester",
        "reasonCode", "extension", "contained", "meta", "id",
    ),
}  # fmt: skip
"""What a resource may hold that is read; most of it is not there before a damage puts it there."""
LINKS = [{"relation": "next", "url": "http://["}]


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from _places(item, (*path, key))


PLACES = [list(_places(body)) for body in BODIES]


@pytest.mark.parametrize("batch", range(4))
@settings(max_examples=1250, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_mutants(app: Flask, batch: int, data: st.DataObject) -> None:
    """A valid request damaged in one to four places gets an answer or a refusal, never a 5xx."""
    number = data.draw(st.integers(0, len(BODIES) - 1))
    body = copy.deepcopy(BODIES[number])
    for _ in range(data.draw(st.integers(1, 4))):
        *path, last = data.draw(st.sampled_from(PLACES[number]))
        holder: Any = body
        try:
            for step in path:
                holder = holder[step]
            if data.draw(st.booleans()):
                holder[last] = data.draw(ODD)
            else:
                del holder[last]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier mutation took this place away
    _check_answer(app, body)


@pytest.mark.parametrize("batch", range(2))
@settings(max_examples=1250, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_resources(app: Flask, batch: int, data: st.DataObject) -> None:
    """Two to four places of one resource hold something else: some faults only meet there."""
    body = copy.deepcopy(data.draw(st.sampled_from(BODIES)))
    part = data.draw(st.sampled_from(sorted(body["prefetch"])))
    resource: Any = body["prefetch"][part]
    if resource["resourceType"] == "Bundle":
        if "entry" not in resource:
            return
        resource = data.draw(st.sampled_from(resource["entry"]))["resource"]
    for name in data.draw(st.lists(st.sampled_from(sorted(resource)), min_size=2, max_size=4)):
        if name not in ("resourceType", "id"):
            resource[name] = data.draw(ODD)
    _check_answer(app, body)


@pytest.mark.parametrize("batch", range(2))
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_neighbours(app: Flask, batch: int, data: st.DataObject) -> None:
    """Elements that were not there, twins with one id or with none, an envelope damaged with them.

    Some faults only meet where two such resources are compared, or where both have no name.
    """
    body = copy.deepcopy(data.draw(st.sampled_from(BODIES)))
    holders = [body["context"]["draftOrders"], *body["prefetch"].values()]
    holder = data.draw(st.sampled_from([one for one in holders if one.get("entry")]))
    resource = data.draw(st.sampled_from(holder["entry"]))["resource"]
    elements = st.sampled_from(ELEMENTS[resource["resourceType"]])
    for name in data.draw(st.lists(elements, max_size=3)):
        resource[name] = data.draw(VALUES)
    twin = copy.deepcopy(resource)
    for name in data.draw(st.lists(elements, max_size=2)):
        twin[name] = data.draw(VALUES)
    if data.draw(st.booleans()):
        resource.pop("id", None)
        twin.pop("id", None)
    holder["entry"].append({"resource": twin, "fullUrl": data.draw(VALUES)})
    holder["total"] = data.draw(st.sampled_from([None, len(holder["entry"]), "9", 1e308]))
    holder["link"] = data.draw(st.sampled_from([None, LINKS, LINKS[0], "x"]))
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from(["selections", "encounterId", "userId", "patientId"]))
        body["context"][name] = data.draw(VALUES)
    _check_answer(app, body)


IS_USED = {
    resource["id"]: resource
    for resource in (*RESULTS, observation("height-2", "8302-2", 159, "2024-01-01", unit="cm"))
}


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(sorted(IS_USED)), st.data())
def test_damage_leaves_a_trace(identifier: str, data: st.DataObject) -> None:
    """A resource that is used, damaged in one place: it is named, unless FHIR sees no damage.

    With another code it is another resource, which may be of no matter.
    """
    resource = copy.deepcopy(IS_USED[identifier])
    places = [place for place in _places(resource) if place[0] not in _UNREAD_ELEMENTS]
    place = data.draw(st.sampled_from(places))
    *path, last = place
    holder: Any = resource
    for step in path:
        holder = holder[step]
    holder[last] = data.draw(VALUES.filter(lambda value: value not in _SAYS_NOTHING))
    code = resource.get("code", resource.get("medicationCodeableConcept"))
    is_another = place[0] in _CODES and is_readable(code)
    if problem(resource) is None or is_another:
        return
    others = [other for name, other in IS_USED.items() if name != identifier]
    draft = service_request("draft-1", "77080")
    found = explain(request([draft], patient(), [*others, resource]))
    assert f"{resource['resourceType']}/{identifier}" in {
        item["resource"] for item in found["ignored"]
    }


_UNREAD_ELEMENTS = ("resourceType", "id", "subject")
_CODES = ("code", "medicationCodeableConcept")
_SAYS_NOTHING = (None, "", {}, [])
"""In the place of a code they stand for none, and a resource without a code says nothing."""


def _check_answer(app: Flask, body: dict[str, Any]) -> None:
    response = app.test_client().post(URL, data=json.dumps(body), content_type="application/json")
    assert response.status_code in (200, 412, 422), response.status_code
    schema = "response" if response.status_code == 200 else "operation-outcome"
    assert problems(schema, response.json) == ()
    explained = app.test_client().post(
        "/explain/bone-density-imaging", data=json.dumps(body), content_type="application/json"
    )
    assert explained.status_code == response.status_code
    if response.status_code == 200:
        assert problems("explanation", explained.json) == ()
        assert explained.json["response"] == response.json
