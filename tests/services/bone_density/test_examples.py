"""The examples of the bone service: whole, synthetic, and answered as they say."""

from __future__ import annotations

import json

import pytest
from service import explain

from cds_service.protocol.service import Example
from cds_service.protocol.validation import problems
from hooks.bone_density import SERVICE

EXAMPLES = SERVICE.examples()


def test_cases_cover_what_the_service_says() -> None:
    """Each kind of answer is there once, under a name of its own."""
    assert len({example.name for example in EXAMPLES}) == len(EXAMPLES) == 10
    expected = [example.expected for example in EXAMPLES]
    assert {item["indicator"] for item in expected} == {"info", "warning", None}
    assert {item["scenario"] for item in expected} == {
        "surveillance",
        "younger-adult-surveillance",
        "initial-testing",
        "insufficient-data",
        "red-flag",
    }
    assert {"on-time", "too-soon", "not-applicable"} == {item["timing"] for item in expected}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_is_answered_as_expected(example: Example) -> None:
    """At its date the decision on the first order is the one that the example tells."""
    explanation = explain(example.request, as_of=example.as_of.isoformat())
    order = explanation["orders"][0]
    assert {name: order[name] for name in example.expected} == dict(example.expected)
    assert len(explanation["response"]["cards"]) == (example.expected["indicator"] is not None)
    # Nothing is left over: a code that nobody reads would make the case look like another.
    assert explanation["ignored"] == []
    unread = [gap["data"] for gap in explanation["unread"]]
    assert unread == (["Condition"] if example.name == "conditions-missing" else [])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_is_a_valid_synthetic_request(example: Example) -> None:
    """Valid against the request schema, and plainly nobody's data."""
    assert problems("request", dict(example.request)) == ()
    patient = example.request["prefetch"]["patient"]
    assert patient["id"] == example.request["context"]["patientId"] == f"example-{example.name}"
    assert patient["name"][0]["family"] == "Example"
    assert "identifier" not in json.dumps(example.request)
