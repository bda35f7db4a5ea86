"""Ratings that depend on something."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from bone import (
    ANY_DXA,
    DXA,
    FOREARM,
    LOW,
    QUS,
    SEX_UNKNOWN,
    VFA,
    YOUNG_MAN,
    Resource,
    ask,
)
from builders import (
    SNOMED,
    observation,
    patient,
    request,
    service_request,
)
from service import KEY, client, only_order

from cds_service.engine import answer
from hooks.bone_density import SERVICE
from hooks.bone_density.decision.rating import rate
from hooks.bone_density.decision.situation import decide_situation
from hooks.bone_density.facts import read_facts
from hooks.bone_density.knowledge import knowledge
from hooks.bone_density.settings import Settings
from hooks.bone_density.words import RatingStatus, Study


@pytest.mark.parametrize(
    ("draft", "person", "unread", "expected"),
    [
        (
            ANY_DXA,
            None,
            None,
            [
                ("lumbar spine and hip(s) are measured", "usually-appropriate"),
                ("only the forearm is measured", "may-be-appropriate"),
            ],
        ),
        (
            service_request("draft-1", "77081"),
            None,
            None,
            [("the forearm is measured", "may-be-appropriate"), ("the heel is measured", None)],
        ),
        (
            service_request("draft-1", "312681000", system=SNOMED),
            None,
            None,
            [
                ("it is DXA of lumbar spine and hip(s)", "usually-appropriate"),
                ("it is DXA of the forearm", "may-be-appropriate"),
                ("it is quantitative CT", "may-be-appropriate"),
                ("it is quantitative ultrasound", "usually-not-appropriate"),
            ],
        ),
        (
            service_request("draft-1", "312681000", system=SNOMED),
            YOUNG_MAN,
            None,
            [
                ("it is DXA of lumbar spine and hip(s)", "usually-appropriate"),
                ("it is DXA of the forearm", "may-be-appropriate"),
                ("it is quantitative CT", "may-be-appropriate"),
            ],
        ),
    ],
)
def test_conditional_rating(
    draft: Resource,
    person: Resource | None,
    unread: str | None,
    expected: list[tuple[str, str | None]],
) -> None:
    """An order that leaves open what is measured gets each rating with its condition."""
    order = only_order(ask(draft, LOW, person=person, unread=unread))
    assert (order["rating"], order["ratingStatus"]) == (None, "conditional")
    assert [(item["when"], item["rating"]) for item in order["conditional"]] == expected
    assert order["indicator"] == "info"


@pytest.mark.parametrize(
    ("draft", "person", "status", "ratings"),
    [
        (DXA, SEX_UNKNOWN, "rated", "usually-appropriate"),
        (FOREARM, SEX_UNKNOWN, "rated", "may-be-appropriate"),
        (QUS, SEX_UNKNOWN, "conditional", ["usually-not-appropriate"]),
        (VFA, SEX_UNKNOWN, "conditional", ["usually-not-appropriate"]),
        (
            ANY_DXA,
            SEX_UNKNOWN,
            "conditional",
            ["usually-appropriate", "may-be-appropriate"] * 2,
        ),
        (service_request("draft-1", "0554T"), SEX_UNKNOWN, "insufficient-data", None),
        (DXA, patient(birth="2012-03-04"), "insufficient-data", None),
    ],
)
def test_rating_while_the_scenario_is_open(
    draft: Resource, person: Resource, status: str, ratings: Any
) -> None:
    """What every possible scenario agrees on is the rating; else each is given with its if."""
    order = only_order(ask(draft, LOW, person=person))
    assert order["scenario"] == "insufficient-data"
    assert order["ratingStatus"] == status
    if status == "conditional":
        assert sorted({item["rating"] for item in order["conditional"]}) == sorted(set(ratings))
        assert order["rating"] is None
    else:
        assert order["rating"] == ratings


def test_conditions_of_an_open_rating_are_named() -> None:
    """Each conditional rating says what it presupposes."""
    unread = only_order(ask(ANY_DXA, LOW, unread="conditions"))["conditional"]
    assert all("no pregnancy and no new neurological deficit" in item["when"] for item in unread)
    assert any(item["when"].endswith("only the forearm is measured") for item in unread)
    heel = observation("heel", "38266-3", -2.9, "2024-05-05")
    open_baseline = only_order(ask(DXA, heel))["conditional"]
    assert all("and low BMD is established" in item["when"] for item in open_baseline)


def test_edition_without_vfa() -> None:
    """An edition that rates no VFA leaves VFA without a rating; nothing is inferred."""
    chart = _chart(LOW)
    facts = read_facts(chart, Settings(), date(2026, 11, 23))
    situation = decide_situation(facts)
    known = knowledge()
    assert rate(Study.VFA, situation, known).status is RatingStatus.RATED
    for variant in ("follow-up", "follow-up-vfa"):
        fewer = {key: item for key, item in known.ratings.items() if key != (variant, "vfa")}
        rated = rate(Study.VFA, situation, replace(known, ratings=fewer))
        assert (rated.status, rated.rating) == (RatingStatus.NO_PUBLISHED, None)


def _chart(*resources: Resource) -> Any:
    """The chart that the service reads from one request."""
    caught: list[Any] = []

    def evaluate(selection: Any, chart: Any, settings: Any, as_of: Any) -> Any:
        caught.append(chart)
        return SERVICE.evaluate(selection, chart, settings, as_of)

    answer(
        replace(SERVICE, evaluate=evaluate),
        client(),
        request([DXA], None, resources),
        as_of=date(2026, 11, 23),
        uuid_key=KEY,
    )
    return caught[0]
