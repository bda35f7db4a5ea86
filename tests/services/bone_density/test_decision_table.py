"""The decision table that a clinician can read, row by row."""

from __future__ import annotations

import pytest
from decision_rows import hook_request, rows
from service import explain, only_order

from hooks.bone_density.decision.situation import RULES
from hooks.bone_density.words import Modifier, Scenario, Study, Timing

ROWS = rows()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["case"])
def test_row(row: dict[str, str]) -> None:
    """One row: the rule that decides and everything that it decides."""
    explanation = explain(hook_request(row))
    order = only_order(explanation)
    found = {
        "rule": order["rule"],
        "study": order["study"],
        "scenario": order["scenario"],
        "modifiers": "; ".join(order["modifiers"]),
        "rating": order["rating"] or "",
        "status": order["ratingStatus"],
        "timing": order["timing"],
        "indicator": order["indicator"] or "",
    }
    assert found == {name: row[name] for name in found}
    assert bool(explanation["response"]["cards"]) == (order["indicator"] is not None)
    assert (order["silence"] is None) == (order["indicator"] is not None)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("rule", [name for name, _ in RULES]),
        ("scenario", [item for item in Scenario if item is not Scenario.NOT_BONE_DENSITY]),
        ("study", list(Study)),
        ("timing", list(Timing)),
        ("modifiers", list(Modifier)),
    ],
)
def test_nothing_is_without_a_row(column: str, words: list[str]) -> None:
    """Every rule, scenario, study, timing band and modifier is met by at least one row."""
    met = {word for row in ROWS for word in row[column].split("; ")}
    assert [str(word) for word in words if str(word) not in met] == []


def test_cases_are_told_apart() -> None:
    """Each row has a name of its own and says why."""
    assert len({row["case"] for row in ROWS}) == len(ROWS)
    assert all(row["why"] for row in ROWS)
