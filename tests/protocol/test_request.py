"""Reading a hook request, and the identifiers derived for its answer."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.protocol.errors import InvalidRequest, Problem
from cds_service.protocol.identifiers import derived_uuid
from cds_service.protocol.orders import reference_of
from cds_service.protocol.request import read_request

HOOKS = ("order-select", "order-sign")
CONTEXT = {
    "userId": "Practitioner/1",
    "patientId": "p1",
    "selections": ["ServiceRequest/1"],
    "draftOrders": {"resourceType": "Bundle"},
}


def body(**changes: Any) -> dict[str, Any]:
    """A small order-select request."""
    return {"hook": "order-select", "hookInstance": "i", "context": CONTEXT} | changes


def test_all_members() -> None:
    """Every member of the request is there, what it carries is raw."""
    token = {
        "access_token": "secret",
        "token_type": "Bearer",
        "expires_in": 1,
        "scope": "",
        "subject": "s",
    }
    request = read_request(
        body(fhirServer="https://a.example", fhirAuthorization=token, prefetch={"a": None}), HOOKS
    )
    assert (request.hook, request.hook_instance) == ("order-select", "i")
    assert (request.patient_id, request.user_id) == ("p1", "Practitioner/1")
    assert request.fhir_server == "https://a.example"
    assert request.fhir_authorization == token
    assert request.selections == ("ServiceRequest/1",)
    assert request.draft_orders == {"resourceType": "Bundle"}
    assert request.prefetch == {"a": None}
    assert request.extension == {}


def test_representation_hides_token_and_patient() -> None:
    """What a traceback may show holds neither the token nor data of the patient."""
    token = {
        "access_token": "secret",
        "token_type": "B",
        "expires_in": 1,
        "scope": "",
        "subject": "",
    }
    request = read_request(
        body(fhirServer="https://a.example", fhirAuthorization=token, prefetch={"a": "Jane"}), HOOKS
    )
    assert not {"secret", "Jane", "p1"} & set(repr(request).replace("'", " ").split())
    assert "secret" not in repr(request)


@pytest.mark.parametrize(
    ("request_body", "problems"),
    [
        ({}, ["$.context", "$.hook", "$.hookInstance"]),
        ([], ["$"]),
        (None, ["$"]),
        (body(hook=None), ["$.hook"]),
        (body(hook=""), ["$.hook"]),
        (body(hook=["order-select"]), ["$.hook"]),
        (body(hook="patient-view"), ["$.hook"]),
        (body(hook="patient-view", context={"patientId": "a/b"}),
         ["$.hook", "$.context.patientId", "$.context.userId"]),
        (body(context={}), [
            "$.context.draftOrders", "$.context.patientId", "$.context.selections",
            "$.context.userId",
        ]),
        (body(hook="order-sign", context={"userId": "a", "patientId": "b"}),
         ["$.context.draftOrders"]),
    ],
)  # fmt: skip
def test_invalid_requests(request_body: object, problems: list[str]) -> None:
    """Every problem is listed with its path; a hook that is not offered is one of them."""
    with pytest.raises(InvalidRequest) as caught:
        read_request(request_body, HOOKS)
    assert [problem.path for problem in caught.value.problems] == problems


def test_hook_that_is_not_offered() -> None:
    """The text names the hooks that are, and not the one that was sent."""
    with pytest.raises(InvalidRequest) as caught:
        read_request(body(hook="Jane Doe"), HOOKS)
    text = "this service does not offer the hook; it has order-select, order-sign"
    assert caught.value.problems == (Problem("$.hook", text),)


def test_services_of_hooks_without_a_schema() -> None:
    """A hook that has no schema of its own is checked by the envelope."""
    context = {"userId": "Practitioner/1", "patientId": "p1"}
    request = read_request(body(hook="patient-view", context=context), ("patient-view",))
    assert (request.selections, request.draft_orders) == ((), {})


PARTS = st.lists(st.text(), max_size=4).map(tuple)


@given(PARTS, PARTS)
def test_derived_uuids(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """The same parts give the same UUID, others another one, however they are cut."""
    found = derived_uuid(b"key", *one)
    assert uuid.UUID(found).version == 4
    assert uuid.UUID(found).variant == uuid.RFC_4122
    assert (found == derived_uuid(b"key", *other)) is (one == other)
    assert found != derived_uuid(b"other", *one)


@pytest.mark.parametrize(
    ("resource", "reference"),
    [
        ({"resourceType": "ServiceRequest", "id": "1"}, "ServiceRequest/1"),
        ({"resourceType": "ServiceRequest"}, "ServiceRequest/(entry 1, no id)"),
        ({"resourceType": "ServiceRequest", "id": ["1"]}, "ServiceRequest/(entry 1, no id)"),
        ({"resourceType": None}, "(no type)/(entry 1, no id)"),
    ],
)
def test_names_of_drafts(resource: dict[str, Any], reference: str) -> None:
    """A draft without id is named by its place, whatever stands where the id should."""
    assert reference_of(resource, 0) == reference
