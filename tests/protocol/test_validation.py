"""The JSON Schemas of the protocol and the words of their errors."""

from __future__ import annotations

import copy
from importlib import resources
from typing import Any

import pytest

from cds_service.protocol.outcome import Issue, operation_outcome
from cds_service.protocol.validation import MAX_PROBLEMS, Problem, has_schema, problems

UUID = "0b8c9a52-6f1b-4f0e-9d60-0a6b8d2f5c11"


def request() -> dict[str, Any]:
    """A full order-select request."""
    return {
        "hook": "order-select",
        "hookInstance": "abc",
        "fhirServer": "https://ehr.example.org/fhir",
        "fhirAuthorization": {
            "access_token": "secret",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "user/*.rs",
            "subject": "cds",
            "patient": "p1",
            "other": [],
        },
        "context": {
            "userId": "Practitioner/1",
            "patientId": "p1",
            "selections": ["ServiceRequest/1"],
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": {"id": 1}}, {}]},
            "other": None,
        },
        "prefetch": {"a": None, "b": 3, "c": [None]},
        "extension": {"x": None},
        "other": None,
    }


def response() -> dict[str, Any]:
    """A response that uses every member."""
    coding = {"system": "https://example.org", "code": "a", "display": "A"}
    order = {"resourceType": "ServiceRequest", "id": "1", "status": "draft"}
    new = {"resourceType": "ServiceRequest", "status": "draft"}
    return {
        "cards": [
            {
                "uuid": UUID,
                "summary": "x" * 139,
                "detail": "line\nline",
                "indicator": "info",
                "source": {
                    "label": "L",
                    "url": "https://example.org",
                    "icon": "https://example.org/i.png",
                    "topic": coding,
                },
                "suggestions": [
                    {
                        "uuid": UUID,
                        "label": "Do",
                        "isRecommended": True,
                        "actions": [
                            {"type": "update", "description": "d", "resource": order},
                            {"type": "create", "description": "d", "resource": new},
                            {"type": "delete", "description": "d", "resourceId": "A/1"},
                        ],
                    },
                    {"uuid": UUID, "label": "Not", "isRecommended": False},
                ],
                "selectionBehavior": "at-most-one",
                "overrideReasons": [coding],
                "links": [{"label": "L", "url": "https://example.org", "type": "absolute"}],
                "extension": {"org.example": {"a": [1, False, "x"]}},
            }
        ],
        "extension": {"org.example": 1},
    }


def changed(document: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy with one member set, or removed when the value is Ellipsis."""
    found = copy.deepcopy(document)
    node: Any = found
    for step in path[:-1]:
        node = node[step]
    if value is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return found


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("hook",), "order-sign", [("$.hook", 'must be "order-select"')]),
        (("hook",), ..., [("$.hook", "missing property hook")]),
        (("hookInstance",), "", [("$.hookInstance", "must not be empty")]),
        (("hookInstance",), None, [("$.hookInstance", "must be a string")]),
        (("context",), ..., [("$.context", "missing property context")]),
        (("context",), [], [("$.context", "must be an object")]),
        (("fhirServer",), "no uri", [("$.fhirServer", "must be a uri")]),
        (("fhirServer",), ..., [
            ("$.fhirServer", "missing property fhirServer, which fhirAuthorization needs")]),
        (("fhirAuthorization",), {"expires_in": "x"}, [
            ("$.fhirAuthorization.access_token", "missing property access_token"),
            ("$.fhirAuthorization.expires_in", "must be a whole number"),
            ("$.fhirAuthorization.scope", "missing property scope"),
            ("$.fhirAuthorization.subject", "missing property subject"),
            ("$.fhirAuthorization.token_type", "missing property token_type"),
        ]),
        (("fhirAuthorization", "expires_in"), True, [
            ("$.fhirAuthorization.expires_in", "must be a whole number")]),
        (("context", "userId"), ..., [("$.context.userId", "missing property userId")]),
        (("context", "patientId"), "Patient/p1", [
            ("$.context.patientId", "must be a bare FHIR id, without a slash")]),
        (("context", "patientId"), "", [("$.context.patientId", "must not be empty")]),
        (("context", "encounterId"), 5, [("$.context.encounterId", "must be a string")]),
        (("context", "selections"), ..., [
            ("$.context.selections", "missing property selections")]),
        (("context", "selections"), "x", [("$.context.selections", "must be an array")]),
        (("context", "selections"), [1], [("$.context.selections[0]", "must be a string")]),
        (("context", "draftOrders"), {}, [
            ("$.context.draftOrders.resourceType", "missing property resourceType")]),
        (("context", "draftOrders", "resourceType"), "List", [
            ("$.context.draftOrders.resourceType", 'must be "Bundle"')]),
        (("context", "draftOrders", "entry"), {}, [
            ("$.context.draftOrders.entry", "must be an array")]),
        (("context", "draftOrders", "entry"), [1, {"resource": "<x/>"}], [
            ("$.context.draftOrders.entry[0]", "must be an object"),
            ("$.context.draftOrders.entry[1].resource", "must be an object"),
        ]),
        (("prefetch",), [], [("$.prefetch", "must be an object")]),
        (("extension",), [], [("$.extension", "must be an object")]),
    ],
)  # fmt: skip
def test_requests(path: tuple[Any, ...], value: Any, expected: list[tuple[str, str]]) -> None:
    """Each breach of the envelope is named by place and in words of the schema."""
    found = problems("request-order-select", changed(request(), path, value))
    assert [(problem.path, problem.text) for problem in found] == expected


@pytest.mark.parametrize(
    "path",
    [
        ("fhirAuthorization",),
        ("prefetch",),
        ("extension",),
        ("context", "draftOrders", "entry"),
        ("fhirAuthorization", "patient"),
    ],
)
def test_optional_members(path: tuple[Any, ...]) -> None:
    """What may be left out may be left out; unknown members and prefetch content do not matter."""
    assert problems("request-order-select", request()) == ()
    assert problems("request-order-select", changed(request(), path, ...)) == ()


def test_order_sign_needs_no_selections() -> None:
    """order-sign has the same context without selections."""
    body = changed(request(), ("hook",), "order-sign")
    assert problems("request-order-sign", changed(body, ("context", "selections"), ...)) == ()
    found = problems("request-order-sign", changed(body, ("context", "draftOrders"), ...))
    assert found == (Problem("$.context.draftOrders", "missing property draftOrders"),)


def test_problems_are_sorted_capped_and_hold_no_values() -> None:
    """At most fifty problems are listed, in order, and none repeats what was sent."""
    body = changed(request(), ("context", "draftOrders", "entry"), ["Jane Doe"] * 200)
    body["hook"] = "Jane Doe"
    found = problems("request-order-select", body)
    assert len(found) == MAX_PROBLEMS
    assert list(found) == sorted(found)
    assert "Jane" not in repr(found)


@pytest.mark.parametrize("body", [None, [], "x", 1, True])
def test_a_body_must_be_an_object(body: object) -> None:
    """Any other JSON value is one problem at the root."""
    assert problems("request", body) == (Problem("$", "must be an object"),)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("cards",), ...),
        (("cards",), None),
        (("other",), 1),
        (("systemActions",), []),
        (("cards", 0, "uuid"), ...),
        (("cards", 0, "uuid"), "urn:uuid:" + UUID),
        (("cards", 0, "uuid"), "x"),
        (("cards", 0, "summary"), "x" * 140),
        (("cards", 0, "summary"), ""),
        (("cards", 0, "summary"), "a\nb"),
        (("cards", 0, "detail"), ""),
        (("cards", 0, "detail"), None),
        (("cards", 0, "indicator"), "hard-stop"),
        (("cards", 0, "source"), ...),
        (("cards", 0, "source", "label"), ...),
        (("cards", 0, "source", "url"), "http://example.org"),
        (("cards", 0, "source", "topic", "version"), "1"),
        (("cards", 0, "suggestions"), []),
        (("cards", 0, "suggestion"), []),
        (("cards", 0, "selectionBehavior"), ...),
        (("cards", 0, "selectionBehavior"), "all"),
        (("cards", 0, "suggestions"), ...),
        (("cards", 0, "suggestions", 1, "isRecommended"), True),
        (("cards", 0, "suggestions", 0, "label"), ...),
        (("cards", 0, "suggestions", 0, "actions"), []),
        (("cards", 0, "suggestions", 0, "actions", 0, "type"), "UPDATE"),
        (("cards", 0, "suggestions", 0, "actions", 0, "description"), ...),
        (("cards", 0, "suggestions", 0, "actions", 0, "resource"), ...),
        (("cards", 0, "suggestions", 0, "actions", 0, "resource", "id"), ...),
        (("cards", 0, "suggestions", 0, "actions", 0, "resource", "resourceType"), ...),
        (("cards", 0, "suggestions", 0, "actions", 0, "resource", "note"), None),
        (("cards", 0, "suggestions", 0, "actions", 0, "resource", "note"), [{"text": ""}]),
        (("cards", 0, "suggestions", 0, "actions", 0, "resource", "code"), {"coding": []}),
        (("cards", 0, "suggestions", 0, "actions", 0, "resource"), "{}"),
        (("cards", 0, "suggestions", 0, "actions", 1, "resource"), ...),
        (("cards", 0, "suggestions", 0, "actions", 2, "resourceId"), ...),
        (("cards", 0, "suggestions", 0, "actions", 2, "resource"), "A/1"),
        (("cards", 0, "suggestions", 0, "actions", 2, "resourceId"), "1"),
        (("cards", 0, "overrideReasons", 0, "display"), ...),
        (("cards", 0, "links", 0, "url"), "http://example.org"),
        (("cards", 0, "links", 0, "type"), "smart"),
        (("cards", 0, "links", 0, "appContext"), "x"),
        (("cards", 0, "extension"), []),
        (("cards", 0, "extension"), {}),
        (("cards", 0, "extension", "org.example", "a"), None),
        (("cards", 0, "extension", "org.example", "a"), []),
    ],
)
def test_responses(path: tuple[Any, ...], value: Any) -> None:
    """The response schema takes a full response and no breach of a SHALL."""
    assert problems("response", response()) == ()
    assert problems("response", changed(response(), path, value))


def test_many_may_be_recommended_where_any_may_be_taken() -> None:
    """With `any` more than one suggestion may be recommended."""
    body = changed(response(), ("cards", 0, "suggestions", 1, "isRecommended"), True)
    assert problems("response", changed(body, ("cards", 0, "selectionBehavior"), "any")) == ()


@pytest.mark.parametrize(
    ("schema", "document", "is_valid"),
    [
        ("response", {"cards": []}, True),
        ("discovery", {"services": []}, True),
        ("discovery", {"services": [{"hook": "a", "description": "b", "id": "c"}]}, True),
        ("discovery", {"services": [{"hook": "a", "description": "b", "id": "c/d"}]}, False),
        ("discovery", {"services": [{"hook": "a", "id": "c"}]}, False),
        ("discovery", {"services": [{"hook": "a", "description": "b", "id": "c", "x": 1}]}, False),
        ("operation-outcome", operation_outcome([Issue("invalid", "t", "$.a")]), True),
        ("operation-outcome", operation_outcome([Issue("invalid", "")]), True),
        ("operation-outcome", operation_outcome([]), True),
        ("operation-outcome", {"resourceType": "OperationOutcome", "issue": []}, False),
    ],
)
def test_other_schemas(schema: str, document: object, is_valid: bool) -> None:
    """Discovery and error bodies have schemas too."""
    assert (problems(schema, document) == ()) is is_valid


def test_outcome_has_no_empty_members() -> None:
    """An issue without text or place leaves these members out."""
    issue = operation_outcome([Issue("invalid", ""), Issue("conflict", "t", "$")])["issue"]
    assert issue == [
        {"severity": "error", "code": "invalid"},
        {"severity": "error", "code": "conflict", "diagnostics": "t", "expression": ["$"]},
    ]


def test_schema_names() -> None:
    """Every schema is found by the name of its file, and no other."""
    folder = resources.files("cds_service.protocol").joinpath("schemas")
    names = [file.name.removesuffix(".json") for file in folder.iterdir()]
    assert len(names) >= 6
    assert all(has_schema(name) for name in names)
    assert not has_schema("request-patient-view")
