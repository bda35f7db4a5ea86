"""What a card says first, what it names as used, and what several orders of one call share."""

from __future__ import annotations

from typing import Any

import pytest
from bone import FOREARM
from builders import (
    CPT,
    condition,
    medication_request,
    observation,
    patient,
    prefetch,
    request,
    service_request,
)
from service import card_text, explain, offered_codes, only_order

from hooks.bone_density.evaluate import MAX_JUDGED

DXA = service_request("draft-1", "77080")
QUS = service_request("draft-1", "76977")
VFA = service_request("draft-1", "77086")
LOW = observation("low", "38267-1", -1.8, "2024-11-10")
OSTEOPOROSIS = condition("osteoporosis", "M81.0", "2020-02-03")


def card(explanation: dict[str, Any]) -> dict[str, Any]:
    """The one card of an answer."""
    (found,) = explanation["response"]["cards"]
    return dict(found)


def codes(explanation: dict[str, Any]) -> list[str]:
    """Reason codes of the one order of an answer."""
    return [reason["code"] for reason in only_order(explanation)["reasons"]]


def without(part: str, resources: list[dict[str, Any]], draft: dict[str, Any]) -> dict[str, Any]:
    """A request in which one part of the chart was not sent."""
    body = request([draft], patient(), resources)
    body["prefetch"] = {
        key: value for key, value in prefetch(patient(), resources).items() if key != part
    }
    return body


def test_a_dxa_is_offered_once_in_a_call() -> None:
    """Two orders that DXA would replace: one card offers it, so that it is not ordered twice."""
    drafts = [{**QUS, "id": "q"}, {**VFA, "id": "v"}]
    explanation = explain(request(drafts, patient(), [LOW], hook="order-sign"))
    assert [item["indicator"] for item in explanation["orders"]] == ["warning", "warning"]
    assert offered_codes(explanation) == ["77080"]


@pytest.mark.parametrize(
    ("draft", "action", "recommended"),
    [
        (QUS, "update", True),
        (VFA, "update", True),
        (service_request("draft-1", "77078"), "update", False),  # QCT
        (service_request("draft-1", "77081"), "update", False),  # peripheral DXA of any site
        (FOREARM, "create", False),
        (service_request("draft-1", "77089"), "create", False),  # TBS
    ],
)
def test_the_better_order(draft: dict[str, Any], action: str, recommended: bool) -> None:
    """DXA replaces what is usually not appropriate, or not exact; it complements the others."""
    found = card(explain(request([draft], patient(), [LOW])))
    (suggestion,) = found["suggestions"]
    assert [item["type"] for item in suggestion["actions"]] == [action]
    assert suggestion["isRecommended"] is recommended


def test_two_drafts_of_one_study_count_as_two() -> None:
    """A DXA that stands twice among the drafts is beside itself: no third one is offered."""
    drafts = [{**DXA, "id": "a"}, {**DXA, "id": "b"}, {**QUS, "id": "q"}]
    explanation = explain(request(drafts, patient(), [LOW], hook="order-sign"))
    assert offered_codes(explanation) == []


def test_more_orders_than_anyone_clicks() -> None:
    """Orders beyond the limit get no card, and the explanation says so."""
    drafts = [{**QUS, "id": f"q{number}"} for number in range(MAX_JUDGED + 2)]
    explanation = explain(request(drafts, patient(), [LOW], hook="order-sign"))
    assert len(explanation["response"]["cards"]) == MAX_JUDGED
    assert [item["silence"] for item in explanation["orders"]][-3:] == [
        None,
        "too-many-orders",
        "too-many-orders",
    ]


@pytest.mark.parametrize(
    ("explanation", "words"),
    [
        (explain(without("observations", [OSTEOPOROSIS, LOW], DXA)), "could be read"),
        (
            explain(request([DXA], patient(), [observation("t", "38267-1", -1.8, "2024")])),
            "is not exact enough",
        ),
        (
            explain(
                without(
                    "medicationRequests", [observation("t", "38267-1", -1.8, "2025-06-01")], DXA
                )
            ),
            "When it is due is not certain",
        ),
    ],
    ids=["results unread", "date not exact", "medications unread"],
)
def test_timing_not_known_says_why(explanation: dict[str, Any], words: str) -> None:
    """With the band open, the card neither hides that nor leads with a date as if it decided."""
    assert only_order(explanation)["timing"] == "unknown"
    assert words in card_text(explanation)
    assert not card(explanation)["summary"].startswith("Last DXA")


def test_no_baseline_is_not_compared() -> None:
    """Without a DXA of spine or hip, nothing speaks of the same scanner."""
    text = card_text(explain(request([DXA], patient(), [OSTEOPOROSIS])))
    assert "No DXA of spine or hip found to compare with" in text
    assert "ame scanner" not in text
    assert "same machine" not in text


def test_conditions_that_decided_are_named() -> None:
    """Every card names the recorded conditions it rests on, with date and certainty."""
    deficit = condition("d", "R33.9", "2026-11-20")
    fracture = condition("f", "M80.08XA", "2026-11-19", verification="provisional")
    text = card(explain(request([DXA], patient(), [OSTEOPOROSIS, deficit, fracture])))["detail"]
    assert "neurological deficit (`R33.9`, onset 2026-11-20)" in text
    assert "(`M80.08XA`, onset 2026-11-19, not confirmed)" in text
    resolved = condition("o", "M81.0", "2020-02-03", clinical="resolved")
    text = card(explain(request([DXA], patient(), [resolved])))["detail"]
    assert "osteoporosis (`M81.0`, onset 2020-02-03, no longer active)" in text


@pytest.mark.parametrize(
    "finding", [condition("p", "Z33.1"), condition("c", "G83.4", "2026-11-20")]
)
def test_safety_cards_do_not_claim_the_criteria(finding: dict[str, Any]) -> None:
    """A red flag or pregnancy card is a rule of this service: no source link to the ACR."""
    found = card(explain(request([DXA], patient(birth="1990-01-02"), [OSTEOPOROSIS, finding])))
    assert found["indicator"] == "warning"
    assert "url" not in found["source"]
    assert "links" not in found


@pytest.mark.parametrize(
    ("draft", "summary"),
    [
        (
            QUS,
            "Sex not recorded; ultrasound of the heel (QUS): usually not appropriate all the same.",
        ),
        (
            DXA,
            "Sex not recorded; DXA of lumbar spine and hip(s): usually appropriate all the same.",
        ),
        (
            service_request("draft-1", "312681000", system="http://snomed.info/sct"),
            "Sex not recorded: appropriateness can be given only conditionally.",
        ),
    ],
    ids=["qus", "dxa", "modality open"],
)
def test_open_scenario_first_words(draft: dict[str, Any], summary: str) -> None:
    """With a gap, the summary says whether the rating holds all the same or only conditionally."""
    explanation = explain(request([draft], patient(gender=None), [OSTEOPOROSIS]))
    assert only_order(explanation)["scenario"] == "insufficient-data"
    assert card(explanation)["summary"] == summary


def test_codes_that_name_two_studies() -> None:
    """An order whose codes contradict each other is asked about, not guessed."""
    both = {
        **DXA,
        "code": {"coding": [{"system": CPT, "code": "77080"}, {"system": CPT, "code": "76977"}]},
    }
    explanation = explain(request([both], patient(), [LOW]))
    assert only_order(explanation)["study"] == "bone-density-unspecified"
    assert "order-codes-disagree" in codes(explanation)
    plain = service_request("draft-1", "312681000", system="http://snomed.info/sct")
    assert "order-codes-disagree" not in codes(explain(request([plain], patient(), [LOW])))


@pytest.mark.parametrize(
    ("resources", "recommended"),
    [
        ([LOW, condition("h", "R29.890", "2026-10-01")], False),
        ([observation("low", "38267-1", -1.8, "2024-11-10")], True),
    ],
    ids=["suspicion only", "criterion met"],
)
def test_vfa_alone(resources: list[dict[str, Any]], recommended: bool) -> None:
    """VFA alone is recommended together with DXA only where a published criterion is met."""
    birth = "1962-03-04" if not recommended else "1950-03-04"
    found = card(explain(request([VFA], patient(birth=birth), resources)))
    (suggestion,) = [
        item
        for item in found["suggestions"]
        if item["actions"][0]["resource"]["code"]["coding"][0]["code"] == "77085"
    ]
    assert suggestion["isRecommended"] is recommended


def test_quiet_mode_does_not_hide_a_gap() -> None:
    """A client may silence appropriate orders, but not what could not be read."""
    quiet = {"quiet_when_appropriate": True}
    read = explain(request([DXA], patient(), [LOW]), quiet)
    assert only_order(read)["silence"] == "quiet-when-appropriate"
    discordant = [
        observation("s", "38267-1", -2.9, "2024-11-10"),
        observation("h", "38263-0", -1.1, "2024-11-10"),
    ]
    assert only_order(explain(request([DXA], patient(), discordant), quiet))["silence"] is None
    body = without("procedures", [LOW], DXA)
    assert only_order(explain(body, quiet))["silence"] is None


def test_unreliable_spine_is_not_weighed() -> None:
    """A spine value that conditions make too high neither contradicts nor disagrees."""
    spine, hip = (
        observation("s", "38267-1", -0.5, "2024-11-10"),
        observation("h", "38263-0", -2.1, "2024-11-10"),
    )
    assert "spine-hip-discordance" in codes(explain(request([DXA], patient(), [spine, hip])))
    scoliosis = condition("s", "M41.86", "2019-01-01")
    found = codes(explain(request([DXA], patient(), [spine, hip, scoliosis])))
    assert "spine-unreliable" in found
    assert "spine-hip-discordance" not in found


def test_androgen_deprivation_by_ingredient() -> None:
    """A GnRH agonist coded by ingredient is a reason for earlier DXA in a man, not in a woman."""
    drug = medication_request("m", "42375", "2026-01-05")
    score = observation("low", "38267-1", -1.8, "2025-06-01")
    for gender, timing in (("male", "early-with-reason"), ("female", "early-without-reason")):
        explanation = explain(request([DXA], patient(gender), [score, drug]))
        assert only_order(explanation)["timing"] == timing


@pytest.mark.parametrize("bound", ["<", "<="])
def test_upper_bound_is_not_silence(bound: str) -> None:
    """A T-score known only to lie below -0.9 may be a low one: no first-time testing is assumed."""
    score = observation("t", "38267-1", -0.9, "2024-11-10")
    score["valueQuantity"]["comparator"] = bound
    explanation = explain(request([QUS], patient(), [score]))
    assert only_order(explanation)["scenario"] == "insufficient-data"
    assert "result-is-only-a-bound" in codes(explanation)
