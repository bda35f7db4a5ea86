"""Cards of the Epic profile: what becomes of each proposal, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.profiles import PROFILES
from cds_service.profiles.contract import violations
from cds_service.profiles.epic import PREFERENCE_LIST, render
from cds_service.protocol.advice import Advice, Coding, Link, Proposal, ProposalKind
from cds_service.protocol.orders import Order

INSTALLED = dict(PROFILES)
CPT = "http://www.ama-assn.org/go/cpt"
BETTER = Coding(CPT, "77080", "Better study")
ITEM = Coding(PREFERENCE_LIST, "4711", "DXA")
SUBJECT = {"reference": "Patient/p1"}
DRAFT: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "id": "draft-1",
    "status": "draft",
    "intent": "order",
    "subject": SUBJECT,
    "code": {"coding": [{"system": CPT, "code": "76977"}]},
}
NEW = {name: value for name, value in DRAFT.items() if name not in ("id", "code")}
LABEL = "Take the better one"
ORDER_IT, REMOVE_IT = f"{LABEL}: order it", f"{LABEL}: remove this order"


def proposal(kind: ProposalKind = ProposalKind.REPLACE, **more: Any) -> Proposal:
    """A proposal of the better study."""
    values: dict[str, Any] = {
        "kind": kind,
        "study": "better",
        "label": LABEL,
        "description": "Takes the better one",
        "resource": NEW if kind is ProposalKind.ADD else DRAFT,
        "codes": (BETTER,),
    }
    return Proposal(**values | more)


def order(resource: dict[str, Any] = DRAFT, **more: Any) -> Order:
    """A draft as an order."""
    return Order(f"ServiceRequest/{resource.get('id')}", resource, True, **more)


def card(*proposals: Proposal, orders: Any = None, orderables: Any = None, **more: Any) -> Any:
    """The one card, checked against what Epic asks."""
    values: dict[str, Any] = {
        "order": "ServiceRequest/draft-1",
        "study": "worse",
        "scenario": "surveillance",
        "timing": "on-time",
        "indicator": "warning",
        "rule": "worse-study",
        "summary": "Take another one.",
        "source_label": "Guideline",
        "proposals": proposals,
    }
    (found,) = render(
        (Advice(**values | more),),
        client_name="demo",
        hook_instance="i",
        uuid_key=b"key",
        orderables=orderables or {},
        orders=(order(),) if orders is None else orders,
        ruleset="2026.1.0",
    )
    assert violations("epic", {"cards": [found]}) == ()
    return found


def suggestions(*proposals: Proposal, **more: Any) -> list[dict[str, Any]]:
    """The suggestions of the one card."""
    return list(card(*proposals, **more).get("suggestions", ()))


def steps(*proposals: Proposal, **more: Any) -> list[tuple[str, str]]:
    """Type and words of every action, in order."""
    found = [action for item in suggestions(*proposals, **more) for action in item["actions"]]
    return [(action["type"], action["description"]) for action in found]


@pytest.mark.parametrize(
    ("proposals", "expected"),
    [
        ((proposal(),), [("create", ORDER_IT), ("delete", REMOVE_IT)]),
        ((proposal(ProposalKind.ADD),), [("create", LABEL)]),
        ((proposal(ProposalKind.REMOVE),), [("delete", LABEL)]),
        (
            (proposal(), proposal(study="b", label="B")),
            [("create", ORDER_IT), ("delete", REMOVE_IT), ("create", "B: order it")],
        ),
        ((proposal(label="", description=" "),),
         [("create", "better: order it"), ("delete", "better: remove this order")]),
        ((proposal(codes=()),), []),
    ],
)  # fmt: skip
def test_steps(proposals: Any, expected: Any) -> None:
    """A replacement is an order and then a removal; the words stand where Epic shows them."""
    assert steps(*proposals) == expected


@pytest.mark.parametrize("length", [1, 187, 200, 400])
def test_long_labels_keep_what_tells_the_halves_apart(length: int) -> None:
    """A label is cut, never the words after it."""
    (_, first), (_, second) = steps(proposal(label="x" * length))
    assert (len(first) <= 200, len(second) <= 200) == (True, True)
    assert first.endswith(": order it")
    assert second.endswith(": remove this order")


def test_whole_suggestions() -> None:
    """Label and description agree; the removal is never selected beforehand."""
    better, gone = suggestions(proposal(recommended=True), orderables={"better": ITEM})
    assert better == {
        "uuid": better["uuid"],
        "label": ORDER_IT,
        "isRecommended": True,
        "actions": [
            {
                "type": "create",
                "description": ORDER_IT,
                "resource": NEW
                | {"code": {"coding": [
                    {"system": PREFERENCE_LIST, "code": "4711", "display": "DXA"}
                ]}},
            }
        ],
    }  # fmt: skip
    assert gone == {
        "uuid": gone["uuid"],
        "label": REMOVE_IT,
        "isRecommended": False,
        "actions": [
            {
                "type": "delete",
                "description": REMOVE_IT,
                "resourceId": "ServiceRequest/draft-1",
            }
        ],
    }


KEPT = {
    "encounter": {"reference": "Encounter/1"},
    "requester": {"reference": "Practitioner/1"},
    "priority": "urgent",
    "reasonCode": [{"text": "follow-up"}],
    "reasonReference": [{"reference": "Condition/1"}],
}
LEFT = {
    "text": {"status": "generated", "div": "<div>heel</div>"},
    "bodySite": [{"text": "heel"}],
    "orderDetail": [{"text": "x"}],
    "note": [{"text": "left"}],
    "authoredOn": "2026-11-23",
    "extension": [{"url": "https://example.org/e", "valueString": "heel"}],
    "contained": [{"resourceType": "Condition", "id": "c", "subject": SUBJECT}],
    "identifier": [{"value": "1"}],
    "supportingInfo": [{"reference": "Observation/1"}],
}


@pytest.mark.parametrize(
    ("changes", "taken_over"),
    [
        ({}, {}),
        (KEPT | LEFT, KEPT),
        ({"reasonCode": []}, {}),
        (
            {"reasonReference": [{"reference": "#c"}, {"reference": "Condition/1"}]} | LEFT,
            {"reasonReference": [{"reference": "Condition/1"}]},
        ),
        ({"requester": {"reference": "#c"}} | LEFT, {}),
        ({"status": "active", "intent": "plan"}, {"status": "active", "intent": "plan"}),
    ],
)
def test_new_order(changes: dict[str, Any], taken_over: dict[str, Any]) -> None:
    """A new order in place of the draft: whose it is, how urgent and why, nothing of the old."""
    draft = DRAFT | changes
    new = suggestions(proposal(resource=draft), orders=(order(draft),))[0]["actions"][0]["resource"]
    assert new.pop("code")["coding"][0]["code"] == "77080"
    assert new == NEW | taken_over


@pytest.mark.parametrize("kind", [ProposalKind.REPLACE, ProposalKind.REMOVE])
@pytest.mark.parametrize(
    ("resource", "orders"),
    [
        (DRAFT | {"id": "other"}, (order(),)),
        (DRAFT | {"id": "a/b"}, (order(DRAFT | {"id": "a/b"}),)),
        (DRAFT, ()),
        (DRAFT, (order(excluded="subject-missing"),)),
        (DRAFT, (order(), order())),
    ],
)
def test_only_drafts_of_this_request(kind: ProposalKind, resource: Any, orders: Any) -> None:
    """Where the draft cannot be removed, no half of a replacement is offered."""
    assert suggestions(proposal(kind, resource=resource), orders=orders) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"modifierExtension": [{"url": "https://example.org/not"}]},
        {"implicitRules": "https://example.org/rules"},
        {"unknownElement": 1},
        {"subject": None},
        {"note": [None, {"text": "a"}], "_note": [{"id": "x"}, None]},
    ],
)
def test_what_cannot_be_replaced_is_not_removed(changes: dict[str, Any]) -> None:
    """A draft that might mean something else keeps its card, without a suggestion."""
    draft = DRAFT | changes
    assert suggestions(proposal(resource=draft), orders=(order(draft),)) == []


def test_long_ids() -> None:
    """Ids of drafts may have about 200 characters."""
    draft = DRAFT | {"id": "e." + "x-" * 99}
    arguments: dict[str, Any] = {
        "client_name": "demo",
        "hook_instance": "i",
        "uuid_key": b"key",
        "orderables": {},
        "orders": (order(draft),),
        "ruleset": "2026.1.0",
    }
    advice = Advice(
        order="x",
        study="worse",
        scenario="surveillance",
        timing="on-time",
        indicator="info",
        rule="r",
        proposals=(proposal(resource=draft),),
    )
    (found,) = render((advice,), **arguments)
    assert found["suggestions"][1]["actions"][0]["resourceId"] == f"ServiceRequest/{draft['id']}"


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("BoneDensityFollowUp", "BoneDensityFollowUp"),
        ("bone-density.follow_up 2", "bonedensityfollowup2"),
        ("x" * 100, "x" * 100),
        ("x" * 101, "x" * 100),
        ("é-", None),
    ],
)
def test_topics(code: str, shown: str | None) -> None:
    """A topic is 1 to 100 ASCII letters and digits, or it is left out."""
    source = card(topic=Coding("https://example.org", code, "Topic"))["source"]
    assert source.get("topic", {}).get("code") == shown


def test_override_reasons_and_links() -> None:
    """Only whole reasons are sent, and only links that need no registration."""
    found = card(
        override_reasons=(
            Coding("https://example.org", "r", "Reason"),
            Coding("", "no-system", "Reason"),
            Coding("https://example.org", "no-display"),
        ),
        links=(Link("Read", "https://example.org/a"), Link("Bad", "javascript:x")),
    )
    assert found["overrideReasons"] == [
        {"system": "https://example.org", "code": "r", "display": "Reason"}
    ]
    assert found["links"] == [{"label": "Read", "url": "https://example.org/a", "type": "absolute"}]
    assert "suggestions" not in found
    assert "selectionBehavior" not in found


@pytest.mark.parametrize(
    ("recommended", "expected"),
    [
        ((False, True), [False, False, True, False]),
        ((True, True), [True, False, False, False]),
        ((False, False), [False, False, False, False]),
    ],
)
def test_one_recommendation(recommended: tuple[bool, bool], expected: list[bool]) -> None:
    """As in the standard profile at most one suggestion is recommended, here never a removal."""
    other = DRAFT | {"id": "draft-2"}
    found = suggestions(
        proposal(recommended=recommended[0]),
        proposal(recommended=recommended[1], resource=other),
        orders=(order(), order(other)),
    )
    assert [item["isRecommended"] for item in found] == expected


def test_profiles_by_name() -> None:
    """The profile is found under the name that the registry knows."""
    assert INSTALLED["epic"] is render
