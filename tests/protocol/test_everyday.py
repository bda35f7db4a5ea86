"""The short cut of the envelope takes nothing that the JSON Schema refuses."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from builders import patient, request, service_request
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.protocol.everyday import is_everyday
from cds_service.protocol.request import read_request
from cds_service.protocol.validation import problems

FHIR = {
    "fhirServer": "https://ehr.example.org:8443/fhir/R4",
    "fhirAuthorization": {
        "access_token": "t",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "user/Patient.read",
        "subject": "cds",
        "patient": "p",
    },
}
BODIES = tuple(
    request([service_request("d", "76977")], patient(), hook=hook) | more
    for hook in ("order-select", "order-sign")
    for more in ({}, FHIR)
)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=4),
    st.sampled_from(["", "a/b", "ftp://x", "http://", "https://x/ y", "https://x:99999999/"]),
    st.builds(dict),
    st.builds(list),
    st.builds(lambda: [None]),
    st.builds(lambda: [{}]),
    st.builds(lambda: [{"resource": 1}]),
    st.builds(lambda: {"resourceType": "Bundle"}),
)
PLACES: tuple[tuple[str, ...], ...] = (
    ("hook",),
    ("hookInstance",),
    ("fhirServer",),
    ("fhirAuthorization",),
    ("fhirAuthorization", "expires_in"),
    ("fhirAuthorization", "scope"),
    ("fhirAuthorization", "patient"),
    ("context",),
    ("context", "userId"),
    ("context", "patientId"),
    ("context", "encounterId"),
    ("context", "selections"),
    ("context", "draftOrders"),
    ("context", "draftOrders", "entry"),
    ("context", "draftOrders", "resourceType"),
    ("prefetch",),
    ("extension",),
)


@pytest.mark.parametrize("body", BODIES)
def test_everyday_requests_take_the_short_cut(body: dict[str, Any]) -> None:
    """Ordinary requests are recognised, and valid."""
    assert is_everyday(body, body["hook"])
    assert problems(f"request-{body['hook']}", body) == ()


@given(st.data())
@settings(max_examples=1500, deadline=None)
def test_nothing_invalid_is_everyday(data: st.DataObject) -> None:
    """Whatever is changed or removed: what is taken for everyday satisfies the schema."""
    body = copy.deepcopy(data.draw(st.sampled_from(BODIES)))
    hook = body["hook"]
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(PLACES))
        holder: Any = body
        for step in path:
            holder = holder.get(step) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            if data.draw(st.booleans()):
                holder[last] = data.draw(ODD)
            else:
                holder.pop(last, None)
    if is_everyday(body, hook):
        assert problems(f"request-{hook}", body) == ()


@pytest.mark.parametrize("selections", [5, None, "x", [1], {}])
def test_selections_of_order_sign_are_not_looked_at(selections: object) -> None:
    """order-sign has no selections: whatever stands there, nothing breaks."""
    body = copy.deepcopy(BODIES[2])
    body["context"]["selections"] = selections
    assert read_request(body, ("order-sign",)).selections == ()
