"""The service's block of the registry: what it means, what it refuses, what it warns of."""

from __future__ import annotations

from typing import Any

import pytest
from builders import LOINC, concept, observation, patient, request, service_request
from service import card_text, explain, only_order

from hooks.bone_density.settings import read_settings, warnings

LOCAL = "urn:example:orders"
LOW = observation("low", "38267-1", -1.8, "2024-11-10")


def _block(**more: Any) -> dict[str, Any]:
    return more


@pytest.mark.parametrize(
    ("means", "study"),
    [("qus", "qus"), ("dxa-spine-hip", "dxa-spine-hip"), ("38268-9", "dxa-unspecified")],
)
def test_local_order_codes(means: str, study: str) -> None:
    """A local code orders the study, or what the LOINC code means, that the registry says."""
    block = _block(local_codes=[{"system": LOCAL, "code": "X1", "means": means}])
    body = request([service_request("draft-1", "X1", system=LOCAL)], patient(), [LOW])
    assert only_order(explain(body, block))["study"] == study
    assert only_order(explain(body))["silence"] == "code-not-recognised"


def test_local_result_codes() -> None:
    """A local result code counts as the LOINC code it means."""
    block = _block(local_codes=[{"system": "urn:lab", "code": "LS-T", "means": "38267-1"}])
    local = observation("local", "LS-T", -2.2, "2024-11-10", system="urn:lab")
    body = request([service_request("draft-1", "76977")], patient(), [local])
    assert only_order(explain(body, block))["scenario"] == "surveillance"
    assert only_order(explain(body))["scenario"] == "initial-testing"


def test_orderables() -> None:
    """A suggestion carries the client's own code; extra orders appear once they are mapped."""
    block = _block(
        orderables=[
            {"study": "dxa-spine-hip", "system": LOCAL, "code": "DXA", "display": "DXA here"}
        ]
    )
    body = request([service_request("draft-1", "100225-2", system=LOINC)], patient(), [LOW])
    assert "suggestions" not in explain(body)["response"]["cards"][0]
    (suggestion,) = explain(body, block)["response"]["cards"][0]["suggestions"]
    assert suggestion["actions"][0]["resource"]["code"] == concept(LOCAL, "DXA") | {
        "coding": [{"system": LOCAL, "code": "DXA", "display": "DXA here"}]
    }


@pytest.mark.parametrize(
    ("block", "code", "resources", "silence", "indicator"),
    [
        ({}, "77080", [LOW], None, "info"),
        ({"quiet_when_appropriate": True}, "77080", [LOW], "quiet-when-appropriate", None),
        ({"quiet_when_appropriate": True}, "76977", [LOW], None, "warning"),
        ({"on_indeterminate": "silent"}, "77080", [LOW], None, "info"),
    ],
)
def test_switches(
    block: dict[str, Any],
    code: str,
    resources: list[dict[str, Any]],
    silence: str | None,
    indicator: str | None,
) -> None:
    """Switches silence what they name, and nothing else."""
    body = request([service_request("draft-1", code)], patient(), resources)
    order = only_order(explain(body, block))
    assert (order["silence"], order["indicator"]) == (silence, indicator)


def test_indeterminate_may_be_silent() -> None:
    """A site may choose silence where the data do not suffice."""
    body = request([service_request("draft-1", "76977")], patient(birth=None), [LOW])
    assert only_order(explain(body))["indicator"] == "info"
    order = only_order(explain(body, {"on_indeterminate": "silent"}))
    assert (order["indicator"], order["silence"]) == (None, "indeterminate")


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (
            {"local_codes": [
                {"system": "urn:x", "code": "a", "means": "qus"},
                {"system": "urn:x", "code": "a", "means": "vfa"},
            ]},
            "already means",
        ),
        ({"local_codes": [{"system": "urn:x", "code": "a", "means": "heel"}]}, "neither a LOINC"),
        ({"local_codes": [{"system": "u", "code": "a", "means": "38267-2"}]}, "neither a LOINC"),
        (
            {"orderables": [
                {"study": "qus", "system": "u", "code": "a", "display": "a"},
                {"study": "qus", "system": "u", "code": "b", "display": "b"},
            ]},
            "mapped twice",
        ),
        (
            {"lsc": [
                {"device": "Device/A", "site": "hip", "value_g_per_cm2": 0.03},
                {"device": "Device/A", "site": "hip", "value_g_per_cm2": 0.04},
            ]},
            "given twice",
        ),
    ],
)  # fmt: skip
def test_contradictions_are_refused(block: dict[str, Any], text: str) -> None:
    """A block that contradicts itself, or names what does not exist, is refused with the place."""
    with pytest.raises(ValueError, match=text):
        read_settings(block)


def test_warnings() -> None:
    """`check` tells which local codes nobody reads, and which better orders cannot be offered."""
    block = {"local_codes": [{"system": "urn:x", "code": "a", "means": "2093-3"}]}
    found = warnings(read_settings(block))
    assert any("no rule reads" in text for text in found)
    assert any("dxa-spine-hip is not mapped" in text for text in found)


def test_two_orders_and_a_dxa_among_the_drafts() -> None:
    """With a DXA among the drafts no second one is offered, also when it is not selected."""
    drafts = [service_request("draft-1", "76977"), service_request("draft-2", "77080")]
    explanation = explain(request(drafts, patient(), [LOW], selected=["ServiceRequest/draft-1"]))
    (card,) = explanation["response"]["cards"]
    assert card["indicator"] == "warning"
    assert "suggestions" not in card
    both = explain(request(drafts, patient(), [LOW], hook="order-sign"))
    assert [order["study"] for order in both["orders"]] == ["qus", "dxa-spine-hip"]
    assert len(both["response"]["cards"]) == 2
    assert "ServiceRequest/draft-1" in card_text(both)
