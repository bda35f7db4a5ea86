"""The worked patients of the clinical specification, by name."""

from __future__ import annotations

import re
from typing import Any

import pytest
from service import card_text, explain, offered_codes, only_order
from worked_cases import cases, expectations, hook_request, site_settings

CODES = {"dxa-spine-hip": "77080", "dxa-spine-hip-vfa": "77085", "dxa-forearm": "77081"}
EXPECTED = expectations()


@pytest.fixture(params=cases(), ids=lambda case: f"{case['id']} {case['title']}")
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    """One worked patient."""
    return dict(request.param)


def test_every_case_has_an_expectation() -> None:
    """No worked patient is left out of the table of expectations, and none is made up."""
    assert {case["id"] for case in cases()} == set(EXPECTED)


def test_decision(case: dict[str, Any]) -> None:
    """Scenario, modifiers, rating, timing and indicator are those of the specification."""
    expected = EXPECTED[case["id"]]
    order = only_order(explain(hook_request(case), site_settings(case)))
    found = {name: order[name] for name in ("study", "scenario", "modifiers", "rating", "timing")}
    assert found == {name: expected[name] for name in found}
    assert order["ratingStatus"] == expected["ratingStatus"]
    assert order["indicator"] in expected["indicator"]
    if "conditional" in expected:
        assert [item["rating"] for item in order["conditional"]] == expected["conditional"]


def test_words(case: dict[str, Any]) -> None:
    """The card conveys what it must, and none of what it must never."""
    expected = EXPECTED[case["id"]]
    explanation = explain(hook_request(case), site_settings(case))
    text = card_text(explanation)
    assert [claim for claim in expected["conveys"] if not re.search(claim, text)] == []
    assert [claim for claim in expected["never"] if re.search(claim, text)] == []
    assert offered_codes(explanation) == [CODES[study] for study in expected["offers"]]
